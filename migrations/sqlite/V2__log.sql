-- The change log: the truth, append-only. Everything in V3 follows from it.

CREATE TABLE scope (
    id    INTEGER PRIMARY KEY,
    unit  BLOB NOT NULL,
    class INTEGER NOT NULL,
    UNIQUE (unit, class)
) STRICT;

-- One row a document that has changes. `heads` is the concatenation of its current heads, ascending.
CREATE TABLE document (
    id       INTEGER PRIMARY KEY,
    scope    INTEGER NOT NULL REFERENCES scope (id),
    period   INTEGER NOT NULL,            -- months since 2020-01, -1 for classes without months
    heads    BLOB NOT NULL,
    changes  INTEGER NOT NULL,            -- how many, genesis not counted
    position INTEGER NOT NULL,            -- of its last change
    UNIQUE (scope, period)
) STRICT;

-- One row a stored batch; it occupies the log positions first … last, one a change.
CREATE TABLE entry (
    last         INTEGER PRIMARY KEY,
    first        INTEGER NOT NULL,
    document     INTEGER NOT NULL REFERENCES document (id),
    scope        INTEGER NOT NULL,        -- repeated here for the index that a pull reads
    device       BLOB NOT NULL,
    account      BLOB NOT NULL,
    received_at  INTEGER NOT NULL,        -- UTC ms
    alg          INTEGER NOT NULL,
    signature    BLOB NOT NULL,
    keys_digest  BLOB NOT NULL,           -- what the signature covers in place of the keys
    known        BLOB NOT NULL,           -- what it covers besides: (u16 big-endian place in the batch, hash)* that were here
    changes      BLOB NOT NULL            -- the chunks: zstd of (u32 big-endian length, bytes)*
) STRICT;
CREATE INDEX entry_by_scope ON entry (scope, last);
CREATE INDEX entry_by_document ON entry (document, last);

-- Idempotence and forks: one content per (document, actor, seq), found by its position. Its hash is in its bytes.
CREATE TABLE actor (
    id       INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES document (id),
    actor    BLOB NOT NULL,
    device   BLOB NOT NULL,
    UNIQUE (document, actor)
) STRICT;
CREATE TABLE change (
    actor    INTEGER NOT NULL REFERENCES actor (id),
    seq      INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (actor, seq)
) STRICT, WITHOUT ROWID;

-- Keys of sealed fields, wrapped by the master key, which is not in this file.
CREATE TABLE record_key (
    record   BLOB NOT NULL PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES document (id),
    position INTEGER NOT NULL,            -- of the change that created the record
    wrapped  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX record_key_by_position ON record_key (document, position);

-- A cache, verified when made; may be dropped at any time.
CREATE TABLE snapshot (
    document INTEGER PRIMARY KEY REFERENCES document (id),
    position INTEGER NOT NULL,            -- of the last change in it
    changes  INTEGER NOT NULL,            -- how many
    bytes    BLOB NOT NULL
) STRICT;

-- Scope sets that cursors refer to.
CREATE TABLE scope_set (
    id   BLOB NOT NULL PRIMARY KEY,       -- first 8 bytes of the SHA-256 of body
    body BLOB NOT NULL                    -- CBOR
) STRICT, WITHOUT ROWID;

-- Refused bytes are kept: an honest phone with a bug must be recoverable.
CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY,
    digest      BLOB NOT NULL UNIQUE,     -- SHA-256 over device, document and change bytes: the same bytes, the same answer
    device      BLOB NOT NULL,
    account     BLOB NOT NULL,
    document    TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    verdict     TEXT NOT NULL CHECK (verdict IN ('quarantined', 'rejected')),
    reason      TEXT NOT NULL,
    batch       BLOB NOT NULL             -- the batch as CBOR, its keys left out
) STRICT;
