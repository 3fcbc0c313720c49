-- The realm: who and where. These tables are primary; directory and catalogue documents are derived from them.

-- Single facts of this store: 'realm' (16-byte id), 'epoch' (8 bytes), 'created_at' (integer) …
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- A unit is an identity; what it is called, its code, level and parent hold for a period.
CREATE TABLE unit (
    id BLOB PRIMARY KEY                   -- 16 bytes
) STRICT, WITHOUT ROWID;
CREATE TABLE unit_period (
    unit       BLOB NOT NULL REFERENCES unit (id),
    valid_from TEXT NOT NULL,             -- first day, YYYY-MM-DD
    valid_to   TEXT,                      -- first day on which it no longer holds; NULL: open
    level      TEXT NOT NULL,             -- province, district, commune, hamlet …: data, not code
    code       TEXT NOT NULL,             -- official code, text: it has leading zeros; '' where there is none
    name       TEXT NOT NULL,             -- NFC, with its kind ("Thôn Bái Xuân")
    parent     BLOB REFERENCES unit (id),
    PRIMARY KEY (unit, valid_from)
) STRICT, WITHOUT ROWID;
CREATE INDEX unit_period_by_parent ON unit_period (parent);
CREATE INDEX unit_period_by_code ON unit_period (code);
-- Who inherits from a unit that is no more: its records, its board, its open directives.
CREATE TABLE unit_successor (
    unit      BLOB PRIMARY KEY REFERENCES unit (id),
    successor BLOB NOT NULL REFERENCES unit (id),
    since     TEXT NOT NULL               -- first day, YYYY-MM-DD
) STRICT, WITHOUT ROWID;

-- What records may say, from the realm's catalogue; the catalogue's document is derived from it.
CREATE TABLE catalogue (
    kind     TEXT NOT NULL CHECK (kind IN ('category', 'procedure', 'channel', 'outcome')),
    code     TEXT NOT NULL,
    record   BLOB NOT NULL UNIQUE,        -- its record in the document, 16 bytes
    name_vi  TEXT NOT NULL,
    name_en  TEXT,
    parent   TEXT,                        -- of a procedure: the code of its category
    weight   INTEGER,
    valid_to TEXT,                        -- first day on which it is no longer chosen, YYYY-MM-DD
    PRIMARY KEY (kind, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id            BLOB PRIMARY KEY,       -- 16 bytes
    username      TEXT NOT NULL UNIQUE,   -- lower case
    display_name  TEXT NOT NULL,
    password_hash TEXT,                   -- Argon2id PHC string; NULL: no browser login
    created_at    INTEGER NOT NULL,       -- UTC ms, as every *_at
    disabled_at   INTEGER
) STRICT, WITHOUT ROWID;
-- A role is held in a unit for a period and reaches the unit's subtree as of the day.
CREATE TABLE role (
    account    BLOB NOT NULL REFERENCES account (id),
    unit       BLOB NOT NULL REFERENCES unit (id),
    role       TEXT NOT NULL CHECK (role IN ('member', 'official', 'leader', 'admin', 'auditor')),
    valid_from TEXT NOT NULL,             -- first day, YYYY-MM-DD
    valid_to   TEXT,                      -- first day on which it is no longer held; NULL: open
    personal   INTEGER NOT NULL CHECK (personal IN (0, 1)),  -- whether citizens' data is read by it
    PRIMARY KEY (account, unit, role, valid_from)
) STRICT, WITHOUT ROWID;
CREATE INDEX role_by_unit ON role (unit);

CREATE TABLE device (
    id          BLOB PRIMARY KEY,         -- 16 bytes
    account     BLOB NOT NULL REFERENCES account (id),
    public_key  BLOB NOT NULL,            -- Ed25519, 32 bytes, never a weak one
    enrolled_at INTEGER NOT NULL,
    revoked_at  INTEGER,                  -- from then on it may only deliver, into quarantine
    lost_at     INTEGER,                  -- when it was reported lost; then it is revoked too
    name        TEXT NOT NULL DEFAULT ''  -- what people call it
) STRICT, WITHOUT ROWID;
CREATE INDEX device_by_account ON device (account);
-- What the health board shows; written by the exchange.
CREATE TABLE device_health (
    device           BLOB PRIMARY KEY REFERENCES device (id),
    last_sync_at     INTEGER NOT NULL,
    clock_offset_ms  INTEGER NOT NULL,    -- device clock minus server clock
    unsent           INTEGER,
    oldest_unsent_at INTEGER,
    free_storage     INTEGER,
    app_version      TEXT
) STRICT, WITHOUT ROWID;
-- The token of the exchange: which one is current, and which it retired.
CREATE TABLE device_token (
    device   BLOB PRIMARY KEY REFERENCES device (id),
    current  BLOB NOT NULL,
    previous BLOB,
    copied_at INTEGER                     -- when a retired token was presented
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment_code (
    digest     BLOB PRIMARY KEY,          -- SHA-256 of the code; the code itself is shown once
    account    BLOB NOT NULL REFERENCES account (id),
    unit       BLOB NOT NULL REFERENCES unit (id),  -- in which the account must still hold a role
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    device     BLOB REFERENCES device (id),
    replaces   BLOB REFERENCES device (id)  -- revoked when the code is used
) STRICT, WITHOUT ROWID;
CREATE TABLE session (
    digest     BLOB PRIMARY KEY,          -- SHA-256 of the cookie
    account    BLOB NOT NULL REFERENCES account (id),
    csrf       TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- One-time codes with which a password is set.
CREATE TABLE password_reset (
    digest     BLOB PRIMARY KEY,
    account    BLOB NOT NULL REFERENCES account (id),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Nonces given to devices whose clock is refused; each is taken once.
CREATE TABLE nonce (
    nonce      BLOB PRIMARY KEY,
    device     BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Assertions already used, until they expire.
CREATE TABLE used_assertion (
    digest     BLOB PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which authority an answer was given under: any change of who may do what moves it on, whoever makes the change.
INSERT INTO meta (key, value) VALUES ('authority', 1);
CREATE TRIGGER unit_period_insert_moves_authority AFTER INSERT ON unit_period
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER unit_period_update_moves_authority AFTER UPDATE ON unit_period
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER unit_period_delete_moves_authority AFTER DELETE ON unit_period
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER unit_successor_insert_moves_authority AFTER INSERT ON unit_successor
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER unit_successor_update_moves_authority AFTER UPDATE ON unit_successor
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER unit_successor_delete_moves_authority AFTER DELETE ON unit_successor
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER account_insert_moves_authority AFTER INSERT ON account
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER account_update_moves_authority AFTER UPDATE ON account
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER account_delete_moves_authority AFTER DELETE ON account
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER role_insert_moves_authority AFTER INSERT ON role
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER role_update_moves_authority AFTER UPDATE ON role
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER role_delete_moves_authority AFTER DELETE ON role
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
