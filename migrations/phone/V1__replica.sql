-- What a phone holds. Changes without a receipt are here and nowhere else.

-- The state that the last answer left: one row, CBOR.
CREATE TABLE state (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    body BLOB NOT NULL
) STRICT;

CREATE TABLE document (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE, -- class/unit/month
    snapshot        BLOB,                 -- confirmed changes up to some point
    seed            BLOB,                 -- of the keys of pending records; gone when nothing is pending
    confirmed_heads BLOB NOT NULL         -- 32 bytes each, ascending
) STRICT;

-- Changes after the snapshot, in the order in which they were stored, which is causal.
CREATE TABLE change (
    place    INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES document (id),
    hash     BLOB NOT NULL,
    bytes    BLOB NOT NULL,
    record   BLOB,                        -- these three: only while there is no receipt
    made_at  INTEGER,
    refused  TEXT,
    UNIQUE (document, hash)
) STRICT;
CREATE INDEX change_pending ON change (document) WHERE made_at IS NOT NULL;
-- No purge, reset, log-out or bug deletes what has no receipt.
CREATE TRIGGER pending_changes_stay BEFORE DELETE ON change WHEN OLD.made_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a change without a receipt is never deleted'); END;

CREATE TABLE record_key (
    record BLOB PRIMARY KEY,
    key    BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- Keys of these never come back.
CREATE TABLE erased (
    record BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Rows that follow from documents, for lists.
CREATE TABLE assistance (
    record      BLOB PRIMARY KEY,
    document    INTEGER NOT NULL REFERENCES document (id),
    unit        BLOB NOT NULL,
    occurred_at INTEGER NOT NULL,
    in_conflict INTEGER NOT NULL,
    body        BLOB NOT NULL             -- CBOR
) STRICT, WITHOUT ROWID;
CREATE INDEX assistance_by_unit ON assistance (unit, occurred_at DESC, record DESC);
CREATE INDEX assistance_by_time ON assistance (occurred_at DESC, record DESC);
CREATE INDEX assistance_by_document ON assistance (document);
