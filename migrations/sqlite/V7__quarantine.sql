-- Quarantine is looked at by unit: by the official who is responsible for what was delivered, whatever became of the unit.
ALTER TABLE quarantine ADD COLUMN unit TEXT
    GENERATED ALWAYS AS (substr(document, instr(document, '/') + 1, 26)) VIRTUAL;  -- as text, as in the document's id
CREATE INDEX quarantine_by_unit ON quarantine (unit, id);

-- Devices that this store does not know – it was restored from a day before they were enrolled –, and that have shown the
-- realm's own signature under their enrolment. They deliver, into quarantine, until somebody admits them.
CREATE TABLE returned_device (
    id          BLOB PRIMARY KEY,         -- 16 bytes
    account     BLOB NOT NULL,            -- may be unknown here too
    public_key  BLOB NOT NULL,            -- Ed25519, 32 bytes
    enrolled_at INTEGER NOT NULL,         -- as the statement says
    returned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
