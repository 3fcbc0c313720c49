//! Units as they stand on a day.

use jiff::civil::Date;
use rusqlite::Connection;
use sync_core::ids::UnitId;

use super::RealmError;
use crate::tree::{Tree, Unit};

/// The tree as it stands on a day.
///
/// # Errors
/// [`RealmError::Tree`] if the rows of the day are no tree.
pub fn tree(conn: &Connection, day: Date) -> Result<Tree, RealmError> {
    let mut statement = conn.prepare_cached(
        "SELECT unit, level, code, name, parent FROM unit_period
         WHERE valid_from <= ?1 AND (valid_to IS NULL OR valid_to > ?1)",
    )?;
    let units = statement.query_map([day.to_string()], |row| {
        Ok(Unit {
            id: UnitId::from_bytes(row.get(0)?),
            level: row.get(1)?,
            code: row.get(2)?,
            name: row.get(3)?,
            parent: row.get::<_, Option<[u8; 16]>>(4)?.map(UnitId::from_bytes),
        })
    })?;
    let tree = Tree::new(units.collect::<rusqlite::Result<Vec<_>>>()?)?;
    let mut statement = conn.prepare_cached("SELECT unit, successor FROM unit_successor WHERE since <= ?")?;
    let pairs = statement.query_map([day.to_string()], |row| {
        Ok((UnitId::from_bytes(row.get(0)?), UnitId::from_bytes(row.get(1)?)))
    })?;
    let tree = tree.with_successors(pairs.collect::<rusqlite::Result<Vec<_>>>()?);
    let mut statement = conn.prepare_cached(
        "SELECT unit FROM unit_period WHERE valid_from <= ?1
         EXCEPT SELECT unit FROM unit_period WHERE valid_from <= ?1 AND (valid_to IS NULL OR valid_to > ?1)
         EXCEPT SELECT unit FROM unit_successor WHERE since <= ?1",
    )?;
    let ended = statement.query_map([day.to_string()], |row| row.get(0).map(UnitId::from_bytes))?;
    Ok(tree.with_orphans(ended.collect::<rusqlite::Result<Vec<_>>>()?))
}

/// The days on which the tree became another, after `after` and up to `day`, ascending.
///
/// # Errors
/// The store's.
pub fn turning_days(conn: &Connection, after: Date, day: Date) -> rusqlite::Result<Vec<Date>> {
    let mut statement = conn.prepare_cached(
        "SELECT valid_from FROM unit_period WHERE valid_from > ?1 AND valid_from <= ?2
         UNION SELECT valid_to FROM unit_period WHERE valid_to > ?1 AND valid_to <= ?2 ORDER BY 1",
    )?;
    let days = statement.query_map([after.to_string(), day.to_string()], |row| {
        row.get::<_, String>(0)
    })?;
    days.filter_map(|day| day.map(|day| day.parse().ok()).transpose())
        .collect()
}

/// Every unit there ever was.
///
/// # Errors
/// The store's.
pub fn all_units(conn: &Connection) -> rusqlite::Result<Vec<UnitId>> {
    let mut statement = conn.prepare_cached("SELECT id FROM unit")?;
    let units = statement.query_map([], |row| row.get(0).map(UnitId::from_bytes))?;
    units.collect()
}
