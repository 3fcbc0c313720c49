-- Rows of drafts, directives, acknowledgements and remarks. As those of V3, they follow from the log and from nothing else.

CREATE TABLE draft (
    record      BLOB PRIMARY KEY,
    document    INTEGER NOT NULL REFERENCES document (id),
    unit        BLOB NOT NULL,            -- which will issue it
    number      TEXT,
    title       TEXT NOT NULL,
    body        TEXT,
    urgency     TEXT NOT NULL,
    deadline    INTEGER,                  -- UTC ms
    signer      TEXT,
    targets     BLOB NOT NULL,            -- CBOR
    asks        TEXT NOT NULL,
    relation    TEXT,
    relates_to  BLOB,
    discarded   INTEGER NOT NULL,
    started_by  BLOB NOT NULL,
    started_at  INTEGER NOT NULL,
    unknown     BLOB                      -- CBOR map of fields that this version does not know
) STRICT, WITHOUT ROWID;
CREATE INDEX draft_by_unit ON draft (unit, started_at DESC);

CREATE TABLE directive (
    record     BLOB PRIMARY KEY,          -- of this version
    document   INTEGER NOT NULL REFERENCES document (id),
    unit       BLOB NOT NULL,             -- which issued it
    directive  BLOB NOT NULL,             -- the record of its first version
    version    INTEGER NOT NULL,
    digest     BLOB NOT NULL,             -- SHA-256 of the canonical bytes
    number     TEXT NOT NULL,
    number_key TEXT NOT NULL,             -- unit, year and number: what should be there once
    title      TEXT NOT NULL,
    body       TEXT,
    urgency    TEXT NOT NULL,
    deadline   INTEGER,
    signer     TEXT NOT NULL,
    targets    BLOB NOT NULL,
    asks       TEXT NOT NULL,
    relation   TEXT,
    relates_to BLOB,
    draft      BLOB,
    issued_by  BLOB NOT NULL,
    device     BLOB NOT NULL,
    issued_at  INTEGER NOT NULL,
    signature  BLOB NOT NULL,
    unknown    BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX directive_by_unit ON directive (unit, issued_at DESC, record DESC);
CREATE INDEX directive_by_version ON directive (directive, version);
CREATE INDEX directive_by_number ON directive (number_key);
CREATE INDEX directive_by_relation ON directive (relates_to) WHERE relates_to IS NOT NULL;
CREATE INDEX directive_urgent ON directive (document) WHERE urgency <> 'normal';

CREATE TABLE acknowledgement (
    record     BLOB PRIMARY KEY,
    document   INTEGER NOT NULL REFERENCES document (id),
    unit       BLOB NOT NULL,             -- which speaks
    directive  BLOB NOT NULL,
    version    INTEGER NOT NULL,
    digest     BLOB NOT NULL,             -- of the version that is meant
    stage      TEXT NOT NULL,
    note       TEXT,
    at         INTEGER NOT NULL,          -- UTC ms of the device, corrected
    device_at  INTEGER NOT NULL,          -- as the device's clock said
    by_account BLOB NOT NULL,
    device     BLOB NOT NULL,
    previous   BLOB,                      -- digest of the device's event for the directive before
    signature  BLOB NOT NULL,
    statement  BLOB NOT NULL,             -- digest of the event's own canonical bytes
    actor      BLOB NOT NULL,             -- with seq: the change that made it, and so when it arrived
    seq        INTEGER NOT NULL,
    unknown    BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX acknowledgement_by_directive ON acknowledgement (directive, unit, at);

CREATE TABLE remark (
    record     BLOB PRIMARY KEY,
    document   INTEGER NOT NULL REFERENCES document (id),
    unit       BLOB NOT NULL,             -- which is spoken to
    about      BLOB NOT NULL,             -- the record
    kind       TEXT NOT NULL,
    answers    BLOB,
    by_account BLOB NOT NULL,
    device     BLOB NOT NULL,
    at         INTEGER NOT NULL,
    note       BLOB,                      -- sealed
    unknown    BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX remark_by_unit ON remark (unit, at DESC, record DESC);
CREATE INDEX remark_by_record ON remark (about, at);
CREATE INDEX remark_by_answer ON remark (answers) WHERE answers IS NOT NULL;
