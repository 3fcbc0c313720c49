-- The audit: append-only, each row chained to the one before.
CREATE TABLE audit (
    position INTEGER PRIMARY KEY,         -- 1, 2, 3 … without gaps
    at       INTEGER NOT NULL,            -- UTC ms
    account  BLOB,                        -- who; NULL: the console, or nobody known
    origin   TEXT NOT NULL,               -- 'console' or an address
    act      TEXT NOT NULL,
    subject  TEXT NOT NULL,
    before   TEXT,                        -- JSON, never personal data
    after    TEXT,                        -- JSON, never personal data
    hash     BLOB NOT NULL                -- SHA-256 over the row before and this one
) STRICT;
-- These keep programs from mistakes; against people with the file there is the chain.
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
