-- Conflicts that somebody settled. As the rows of V3, they follow from the log and from nothing else.
CREATE TABLE settlement (
    record     BLOB NOT NULL,
    field      TEXT NOT NULL,
    change     BLOB NOT NULL,             -- hash of the change that settled it
    unit       BLOB NOT NULL,
    document   INTEGER NOT NULL REFERENCES document (id),
    by_account BLOB NOT NULL,
    at         INTEGER NOT NULL,          -- UTC ms of the device
    chosen     BLOB,                      -- CBOR: the value that counts since; NULL: the field was emptied
    "values"   BLOB NOT NULL,             -- CBOR: what had been said, by whom, when; the one that was shown first
    PRIMARY KEY (record, field, change)
) STRICT, WITHOUT ROWID;
CREATE INDEX settlement_by_unit ON settlement (unit, at DESC, change DESC, field DESC);
CREATE INDEX settlement_by_time ON settlement (at DESC, change DESC, field DESC, unit);
