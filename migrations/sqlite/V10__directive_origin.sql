-- The change that made a directive, and so where it stands in the log and when it arrived. Rows that were there before have
-- none until `langso rebuild` derives them again.

ALTER TABLE directive ADD COLUMN actor BLOB;
ALTER TABLE directive ADD COLUMN seq INTEGER;
