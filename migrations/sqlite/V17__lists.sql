-- Lists of many units are one list in order of time, with the units looked at in its index.
CREATE INDEX directive_by_time ON directive (issued_at DESC, record DESC, unit);
CREATE INDEX directive_by_draft ON directive (draft) WHERE draft IS NOT NULL;
CREATE INDEX remark_by_time ON remark (at DESC, record DESC, unit);

-- Remarks that ask for something and that nobody answered, kept where the rows of remarks are written.
CREATE TABLE remark_open (
    record BLOB PRIMARY KEY,
    unit   BLOB NOT NULL,                 -- which is spoken to
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO remark_open
SELECT record, unit, at FROM remark WHERE kind IN ('please_correct', 'question')
   AND NOT EXISTS (SELECT 1 FROM remark answer WHERE answer.answers = remark.record);
CREATE INDEX remark_open_by_unit ON remark_open (unit, at DESC, record DESC);
CREATE INDEX remark_open_by_time ON remark_open (at DESC, record DESC, unit);
