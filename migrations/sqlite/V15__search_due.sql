-- Records that the index of the search does not have as their rows are now. They are indexed in the quiet, many at a time,
-- and before a search answers: who delivers waits for rows alone.
CREATE TABLE search_due (record BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
-- A store from before there was an index.
INSERT INTO search_due SELECT record FROM assistance WHERE record NOT IN (SELECT record FROM search_record);
