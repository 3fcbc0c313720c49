-- What records are found by: words in the index of SQLite's full-text search. Follows from the rows, and from the keys.

-- Which record a row of the index is. In the order of these numbers records stand in the order of time.
CREATE TABLE search_record (
    id     INTEGER PRIMARY KEY,           -- UTC ms of the help × 2^20, and 20 bits of the record's id
    record BLOB NOT NULL UNIQUE
) STRICT;
-- Of each record its unit, procedure and category, and the words of its personal data – blinded: this file has no key.
-- Neither the text nor the order of words is kept.
CREATE VIRTUAL TABLE search USING fts5 (tokens, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');
-- The same index, read word by word.
CREATE VIRTUAL TABLE search_token USING fts5vocab (search, instance);
