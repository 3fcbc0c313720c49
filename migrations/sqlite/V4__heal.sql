-- The lives of this store. A restore begins a new one; `meta.epoch` names the current one.
CREATE TABLE epoch (
    id       BLOB NOT NULL PRIMARY KEY,
    parent   BLOB NOT NULL,
    at       INTEGER NOT NULL,            -- the last log position that both have
    began_at INTEGER NOT NULL             -- UTC ms
) STRICT, WITHOUT ROWID;
