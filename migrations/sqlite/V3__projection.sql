-- Rows that follow from the log and from nothing else; `langso rebuild` derives each of them again.

CREATE TABLE assistance (
    record           BLOB PRIMARY KEY,
    document         INTEGER NOT NULL REFERENCES document (id),
    unit             BLOB NOT NULL,
    occurred_at      INTEGER NOT NULL,    -- UTC ms
    category         TEXT NOT NULL,
    procedure        TEXT,
    channel          TEXT NOT NULL,
    outcome          TEXT NOT NULL,
    people           INTEGER NOT NULL,
    minutes          INTEGER,
    satisfaction     INTEGER,
    recorded_by      BLOB NOT NULL,
    device           BLOB NOT NULL,
    recorded_at      INTEGER NOT NULL,
    retracted_reason TEXT,
    retracted_by     BLOB,
    retracted_at     INTEGER,
    citizen_name     BLOB,                -- sealed
    citizen_phone    BLOB,                -- sealed
    citizen_id       BLOB,                -- sealed
    note             BLOB,                -- sealed
    unknown          BLOB                 -- CBOR map of fields that this version does not know
) STRICT, WITHOUT ROWID;
CREATE INDEX assistance_by_unit ON assistance (unit, occurred_at DESC, record DESC);
CREATE INDEX assistance_by_time ON assistance (occurred_at DESC, record DESC);

CREATE TABLE conflict (
    record   BLOB NOT NULL,
    field    TEXT NOT NULL,
    unit     BLOB NOT NULL,
    document INTEGER NOT NULL REFERENCES document (id),
    "values" BLOB NOT NULL,               -- CBOR: the values, who set them, when; the one shown first
    PRIMARY KEY (record, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX conflict_by_unit ON conflict (unit, record);
