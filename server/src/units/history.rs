//! The history of units: every period of a unit, what it came from and what it went into.
//!
//! Read alone: what changes units is [`super::change`].

use std::collections::HashMap;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension};
use sync_core::ids::UnitId;

use super::change::Period;
use super::eras;
use crate::policy::{Permit, Read};
use crate::realm::RealmError;

/// Everything that is known of one unit.
#[derive(Clone, Debug)]
pub struct History {
    /// Its periods, oldest first.
    pub periods: Vec<Dated>,
    /// The units that it inherited from, each with the day.
    pub predecessors: Vec<(UnitId, Date)>,
    /// The unit that inherited from it, with the day.
    pub successor: Option<(UnitId, Date)>,
}

/// A period, and the days for which it holds.
#[derive(Clone, Debug)]
pub struct Dated {
    /// How the unit is called, and where it is.
    pub period: Period,
    /// The first day.
    pub from: Date,
    /// The first day on which it no longer holds; `None`: open.
    pub to: Option<Date>,
}

/// The history of a unit that somebody may know: one in reach, or one that is or was above those.
///
/// # Errors
/// The store's, or a day whose units are no tree.
pub fn of(
    conn: &Connection,
    permit: &Permit<Read>,
    unit: UnitId,
    today: Date,
) -> Result<Option<History>, RealmError> {
    let known = permit.units().contains(&unit)
        || eras::eras(conn, today)?
            .iter()
            .any(|era| eras::known(&era.tree, permit).contains(&unit));
    let periods = periods(conn, unit)?;
    if !known || periods.is_empty() {
        return Ok(None);
    }
    let mut statement = conn
        .prepare_cached("SELECT unit, since FROM unit_successor WHERE successor = ? ORDER BY since, unit")?;
    let predecessors = statement.query_map([unit.to_bytes()], link)?;
    let successor = "SELECT successor, since FROM unit_successor WHERE unit = ?";
    let successor = conn.prepare_cached(successor)?.query_row([unit.to_bytes()], link);
    Ok(Some(History {
        periods,
        predecessors: predecessors
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?,
        successor: successor.optional()?.flatten(),
    }))
}

/// The last name of every unit there ever was.
///
/// # Errors
/// The store's.
pub fn names(conn: &Connection) -> rusqlite::Result<HashMap<UnitId, String>> {
    let mut statement = conn.prepare_cached("SELECT unit, name FROM unit_period ORDER BY valid_from")?;
    let rows = statement.query_map([], |row| Ok((UnitId::from_bytes(row.get(0)?), row.get(1)?)))?;
    rows.collect()
}

fn periods(conn: &Connection, unit: UnitId) -> rusqlite::Result<Vec<Dated>> {
    let mut statement = conn.prepare_cached(
        "SELECT level, code, name, parent, valid_from, valid_to FROM unit_period WHERE unit = ? ORDER BY valid_from",
    )?;
    let rows = statement.query_map([unit.to_bytes()], |row| {
        let period = Period {
            level: row.get(0)?,
            code: row.get(1)?,
            name: row.get(2)?,
            parent: row.get::<_, Option<[u8; 16]>>(3)?.map(UnitId::from_bytes),
        };
        let (from, to): (String, Option<String>) = (row.get(4)?, row.get(5)?);
        Ok(from.parse().ok().map(|from| Dated {
            period,
            from,
            to: to.and_then(|to| to.parse().ok()),
        }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

fn link(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<(UnitId, Date)>> {
    let since: String = row.get(1)?;
    let unit = UnitId::from_bytes(row.get(0)?);
    Ok(since.parse().ok().map(|since| (unit, since)))
}
