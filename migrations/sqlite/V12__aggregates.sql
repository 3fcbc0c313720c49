-- Sums of the records, kept where their rows are written: overviews, charts and reports read these and no record.
CREATE TABLE daily (
    unit      BLOB NOT NULL,
    day       INTEGER NOT NULL,           -- of the help in Vietnam: days since 1970-01-01
    category  TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    records   INTEGER NOT NULL,           -- that were not taken back; people and stars are of these alone
    people    INTEGER NOT NULL,
    retracted INTEGER NOT NULL,
    stars_1   INTEGER NOT NULL,           -- records whose citizen was satisfied so much
    stars_2   INTEGER NOT NULL,
    stars_3   INTEGER NOT NULL,
    stars_4   INTEGER NOT NULL,
    stars_5   INTEGER NOT NULL,
    PRIMARY KEY (unit, day, category, outcome)
) STRICT, WITHOUT ROWID;
INSERT INTO daily
SELECT unit, (occurred_at + 25200000) / 86400000, category, outcome,
       count(*) FILTER (WHERE retracted_reason IS NULL),
       coalesce(sum(people) FILTER (WHERE retracted_reason IS NULL), 0),
       count(retracted_reason),
       count(*) FILTER (WHERE retracted_reason IS NULL AND satisfaction = 1),
       count(*) FILTER (WHERE retracted_reason IS NULL AND satisfaction = 2),
       count(*) FILTER (WHERE retracted_reason IS NULL AND satisfaction = 3),
       count(*) FILTER (WHERE retracted_reason IS NULL AND satisfaction = 4),
       count(*) FILTER (WHERE retracted_reason IS NULL AND satisfaction = 5)
FROM assistance GROUP BY 1, 2, 3, 4;

-- A list in order of time looks at units in the index; what is filtered by is in one that begins with it.
DROP INDEX assistance_by_time;
CREATE INDEX assistance_by_time ON assistance (occurred_at DESC, record DESC, unit);
CREATE INDEX assistance_by_category ON assistance (category, occurred_at DESC, record DESC, unit);
CREATE INDEX assistance_by_outcome ON assistance (outcome, occurred_at DESC, record DESC, unit);
CREATE INDEX assistance_retracted ON assistance (occurred_at DESC, record DESC, unit) WHERE retracted_reason IS NOT NULL;
