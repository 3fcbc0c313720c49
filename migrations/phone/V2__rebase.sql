-- A refused change stands aside: it is kept here, and is no part of its document until a person has decided.
ALTER TABLE change ADD COLUMN shown BLOB;   -- CBOR of its record as it was shown when it was set aside
ALTER TABLE change ADD COLUMN verdict TEXT; -- why it was discarded; then it waits for nothing more
ALTER TABLE change ADD COLUMN dropped INTEGER; -- 1: another one stands in its place

-- Own changes that have a receipt. A server that was restored may have lost them, and is offered them again.
CREATE TABLE own (
    place        INTEGER PRIMARY KEY AUTOINCREMENT,
    hash         BLOB NOT NULL UNIQUE,
    document     INTEGER NOT NULL REFERENCES document (id),
    record       BLOB NOT NULL,
    delivered_at INTEGER NOT NULL,          -- UTC ms
    position     INTEGER,                   -- in the server's log, where a receipt named it
    offered      INTEGER NOT NULL DEFAULT 0 -- 1: to be delivered once more
) STRICT;
CREATE INDEX own_by_document ON own (document, place);
CREATE INDEX own_by_age ON own (delivered_at);
CREATE INDEX own_offered ON own (document) WHERE offered = 1;
