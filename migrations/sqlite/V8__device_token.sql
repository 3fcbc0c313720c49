-- The tokens of the exchange, as far as they are known of each device: which it presented last, what answered it, and what
-- a copy of it would present. Written now and then; a flag at once.
DROP TABLE device_token;
CREATE TABLE device_token (
    device    BLOB PRIMARY KEY REFERENCES device (id),
    line      BLOB NOT NULL,              -- CBOR
    copied_at INTEGER                     -- when two living copies were first seen, UTC ms
) STRICT, WITHOUT ROWID;
