-- The lives of this store. A restore begins a new one; `meta.epoch` names the current one.
CREATE TABLE epoch (
    id       BLOB NOT NULL PRIMARY KEY,
    parent   BLOB NOT NULL,
    at       INTEGER NOT NULL,            -- the last log position that both have
    began_at INTEGER NOT NULL             -- UTC ms
) STRICT, WITHOUT ROWID;

-- What was decided about a quarantined batch, and what is needed to merge it after all.
ALTER TABLE quarantine ADD COLUMN keys BLOB;             -- CBOR, each key wrapped by the master key
ALTER TABLE quarantine ADD COLUMN joins INTEGER;         -- the quarantined batch that it stands on
ALTER TABLE quarantine ADD COLUMN outcome TEXT CHECK (outcome IN ('released', 'discarded'));
ALTER TABLE quarantine ADD COLUMN outcome_reason TEXT;
ALTER TABLE quarantine ADD COLUMN decided_at INTEGER;
ALTER TABLE quarantine ADD COLUMN number INTEGER;        -- of the decision, counting up: what a cursor names
CREATE UNIQUE INDEX quarantine_by_number ON quarantine (number) WHERE number IS NOT NULL;
CREATE INDEX quarantine_by_device ON quarantine (device, number);
CREATE INDEX quarantine_by_joined ON quarantine (joins) WHERE joins IS NOT NULL;
CREATE TABLE quarantine_change (
    hash       BLOB NOT NULL,
    quarantine INTEGER NOT NULL REFERENCES quarantine (id),
    PRIMARY KEY (hash, quarantine)
) STRICT, WITHOUT ROWID;
