-- Rows of every class of records in one table: acts of help, drafts, directives, acknowledgements, remarks.

CREATE TABLE record_row (
    record      BLOB PRIMARY KEY,
    document    INTEGER NOT NULL REFERENCES document (id),
    class       INTEGER NOT NULL,
    unit        BLOB NOT NULL,
    about       BLOB,                     -- a directive, or the record of a remark
    at          INTEGER NOT NULL,         -- UTC ms: when help was given, a directive issued …
    in_conflict INTEGER NOT NULL,
    body        BLOB NOT NULL             -- CBOR
) STRICT, WITHOUT ROWID;
CREATE INDEX record_row_by_unit ON record_row (class, unit, at DESC, record DESC);
CREATE INDEX record_row_by_time ON record_row (class, at DESC, record DESC);
CREATE INDEX record_row_by_about ON record_row (about) WHERE about IS NOT NULL;
CREATE INDEX record_row_by_document ON record_row (document);

INSERT INTO record_row (record, document, class, unit, about, at, in_conflict, body)
SELECT record, document, 1, unit, NULL, occurred_at, in_conflict, body FROM assistance;
DROP TABLE assistance;
