-- What the server has to publish: documents whose tables have changed. Whoever changes a table leaves a row here by these
-- triggers, and the writer publishes and takes them away in the same transaction; so nothing is forgotten, and a change
-- made by other hands is published with the next one.

CREATE TABLE unpublished (
    class INTEGER NOT NULL,               -- 6: the directory of the unit; 7: the catalogue, at every root, for the unit of zeros
    unit  BLOB NOT NULL,
    PRIMARY KEY (class, unit)
) STRICT, WITHOUT ROWID;

INSERT INTO unpublished SELECT 6, id FROM unit;
INSERT INTO unpublished VALUES (7, zeroblob(16));

-- Not `OR IGNORE`: the statement that fires a trigger has the last word about conflicts, and an upsert knows no other.
CREATE TRIGGER unit_period_insert_publishes AFTER INSERT ON unit_period
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT new.unit AS unit UNION SELECT new.parent) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
    INSERT INTO unpublished SELECT 7, unit FROM (SELECT zeroblob(16) AS unit WHERE new.parent IS NULL) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 7 AND unit = changed.unit);
END;
CREATE TRIGGER unit_period_update_publishes AFTER UPDATE ON unit_period
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT new.unit AS unit UNION SELECT new.parent UNION SELECT old.parent) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER unit_period_delete_publishes AFTER DELETE ON unit_period
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT old.unit AS unit UNION SELECT old.parent) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER unit_successor_insert_publishes AFTER INSERT ON unit_successor
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT new.unit AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER unit_successor_update_publishes AFTER UPDATE ON unit_successor
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT new.unit AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER unit_successor_delete_publishes AFTER DELETE ON unit_successor
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT old.unit AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER role_insert_publishes AFTER INSERT ON role
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT new.unit AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER role_update_publishes AFTER UPDATE ON role
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT new.unit AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER role_delete_publishes AFTER DELETE ON role
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT old.unit AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER account_name_publishes AFTER UPDATE OF display_name ON account
BEGIN
    INSERT INTO unpublished SELECT 6, unit FROM (SELECT DISTINCT unit FROM role WHERE account = new.id) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 6 AND unit = changed.unit);
END;
CREATE TRIGGER catalogue_insert_publishes AFTER INSERT ON catalogue
BEGIN
    INSERT INTO unpublished SELECT 7, unit FROM (SELECT zeroblob(16) AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 7 AND unit = changed.unit);
END;
CREATE TRIGGER catalogue_update_publishes AFTER UPDATE ON catalogue
BEGIN
    INSERT INTO unpublished SELECT 7, unit FROM (SELECT zeroblob(16) AS unit) AS changed
        WHERE unit IS NOT NULL AND NOT EXISTS (SELECT 1 FROM unpublished WHERE class = 7 AND unit = changed.unit);
END;

-- A running server takes in what was published beside it when authority moves; a catalogue moves it too.
CREATE TRIGGER catalogue_insert_moves_authority AFTER INSERT ON catalogue
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
CREATE TRIGGER catalogue_update_moves_authority AFTER UPDATE ON catalogue
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'authority'; END;
