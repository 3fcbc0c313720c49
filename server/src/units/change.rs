//! Dated operations on units: what a decree says, from the day on which it holds. History is never edited.
//!
//! An operation ends the period that holds on its day and begins another. What was merged or abolished leaves to its
//! successor what it had – documents, boards, open directives, and the roles held in it. Afterwards the tree of that day
//! and of every later one must still be a tree in which no two units have one code; if not, nothing was done.

use std::collections::HashMap;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::ids::{AccountId, UnitId};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use super::{TEXT_BYTES, UnitsError};
use crate::audit::{self, Act, By};
use crate::policy::{Grant, Permit, Write};
use crate::realm::{self, RealmError};

/// What becomes of units on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A unit that was not there.
    Create {
        /// Its identity, new.
        unit: UnitId,
        /// How it is called.
        period: Period,
    },
    /// Another name, and another code if one is given.
    Rename {
        /// Which unit.
        unit: UnitId,
        /// Its new name.
        name: String,
        /// Its new code.
        code: Option<String>,
    },
    /// Another unit above it; it takes along what is below.
    Move {
        /// Which unit.
        unit: UnitId,
        /// The unit above it; `None`: none.
        parent: Option<UnitId>,
    },
    /// Units go into another, which exists; what is below them comes along, and the roles held in them.
    Merge {
        /// Which units.
        units: Vec<UnitId>,
        /// Into which one.
        into: UnitId,
    },
    /// A unit is divided; the first of the new ones inherits from it and gets what is below.
    Split {
        /// Which unit.
        unit: UnitId,
        /// Into what, the main successor first; of its level, where it was.
        into: Vec<(UnitId, Part)>,
    },
    /// A unit with nothing below it ends. Without an heir what it had is the unit's above it, and roles held in it end.
    Abolish {
        /// Which unit.
        unit: UnitId,
        /// Who inherits.
        heir: Option<UnitId>,
    },
}

/// How a unit is called for some time, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// What kind of unit.
    pub level: String,
    /// Official code; empty where there is none.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The unit above it.
    pub parent: Option<UnitId>,
}

/// A part of a unit that is divided.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct Part {
    /// Official code; empty where there is none.
    #[serde(default)]
    #[schema(examples("15367.12"))]
    pub code: String,
    /// Its name.
    #[schema(examples("Thôn Đồng Minh 2"))]
    pub name: String,
}

/// An operation that cannot be done. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such unit on the day.
    #[error("unit {0} does not exist on {1}")]
    NotThen(UnitId, Date),
    /// Something is already known of the unit for a later day.
    #[error("unit {0} has a change after {1}: history is not edited")]
    Later(UnitId, Date),
    /// There are units below it.
    #[error("there are units below {0}: move them first")]
    NotEmpty(UnitId),
    /// A name, code or level is empty or too long.
    #[error("a level and a name have 1 to {TEXT_BYTES} bytes, a code at most as many")]
    Text,
    /// Two units would have one code on one day.
    #[error("two units would have the code {0} on {1}")]
    Code(String, Date),
    /// A unit cannot go into itself, or into nothing.
    #[error("a unit goes into others")]
    IntoItself,
    /// A unit that it is about is not in reach.
    #[error("no such unit")]
    OutOfReach,
    /// What comes out is no tree.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl From<ChangeError> for UnitsError {
    fn from(error: ChangeError) -> Self {
        UnitsError::Change(error)
    }
}

/// Does one operation, checks what came out, and writes it into the audit. One that makes units has been done if they are
/// there: the same form was sent twice.
///
/// # Errors
/// [`ChangeError`]; the caller rolls back.
pub fn change(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    day: Date,
    change: &Change,
    by: &By,
) -> Result<(), ChangeError> {
    in_reach(change, permit, by, &[])?;
    let known = "SELECT 1 FROM unit WHERE id = ?";
    for unit in change.new_units() {
        if tx.prepare_cached(known)?.exists([unit.to_bytes()])? {
            return Ok(());
        }
    }
    apply(tx, day, change)?;
    check(tx, day)?;
    let change_of = audit::Change::now(
        change.unit(),
        json!({ "on": day.to_string(), "change": change.told() }),
    );
    Ok(audit::record(tx, by, Act::UnitChanged, &change_of)?)
}

/// Whether a permit holds for everything that an operation is about. `new` are the units that operations before it made.
///
/// # Errors
/// [`ChangeError::OutOfReach`].
pub(super) fn in_reach(
    change: &Change,
    permit: &Permit<Write>,
    by: &By,
    new: &[UnitId],
) -> Result<(), ChangeError> {
    let held = |unit: &UnitId| permit.units().contains(unit) || new.contains(unit);
    let reached = match change.involves() {
        Some(units) => units.iter().all(held),
        // A unit at the top is under nobody who could have given leave: it is the console's.
        None => by.account.is_none(),
    };
    if reached {
        Ok(())
    } else {
        Err(ChangeError::OutOfReach)
    }
}

/// Does one operation; [`check`] comes after the last one.
pub(super) fn apply(tx: &Transaction<'_>, day: Date, change: &Change) -> Result<(), ChangeError> {
    match change {
        Change::Create { unit, period } => create(tx, day, *unit, period),
        Change::Rename { unit, name, code } => {
            let mut period = period_on(tx, *unit, day)?;
            period.name.clone_from(name);
            period.code = code.clone().unwrap_or(period.code);
            replace(tx, day, *unit, Some(&period))
        }
        Change::Move { unit, parent } => {
            let period = Period {
                parent: *parent,
                ..period_on(tx, *unit, day)?
            };
            replace(tx, day, *unit, Some(&period))
        }
        Change::Merge { units, into } => {
            if units.contains(into) || units.is_empty() {
                return Err(ChangeError::IntoItself);
            }
            units.iter().try_for_each(|unit| pass_on(tx, day, *unit, *into))
        }
        Change::Split { unit, into } => {
            let (heir, _) = into.first().ok_or(ChangeError::IntoItself)?;
            let whole = period_on(tx, *unit, day)?;
            for (unit, part) in into {
                let period = Period {
                    code: part.code.clone(),
                    name: part.name.clone(),
                    ..whole.clone()
                };
                create(tx, day, *unit, &period)?;
            }
            pass_on(tx, day, *unit, *heir)
        }
        Change::Abolish { unit, heir } => {
            if !children(tx, *unit, day)?.is_empty() {
                return Err(ChangeError::NotEmpty(*unit));
            }
            match heir {
                Some(heir) => pass_on(tx, day, *unit, *heir),
                None => {
                    let parent = period_on(tx, *unit, day)?.parent;
                    replace(tx, day, *unit, None)?;
                    if let Some(parent) = parent {
                        succeed(tx, *unit, parent, day)?;
                    }
                    end_roles(tx, *unit, day).map_err(Into::into)
                }
            }
        }
    }
}

/// Everything that a unit has goes to another, and it ends.
fn pass_on(tx: &Transaction<'_>, day: Date, unit: UnitId, heir: UnitId) -> Result<(), ChangeError> {
    // What ended already has nothing left to pass on.
    period_on(tx, unit, day)?;
    period_on(tx, heir, day)?;
    for child in children(tx, unit, day)? {
        let period = Period {
            parent: Some(heir),
            ..period_on(tx, child, day)?
        };
        replace(tx, day, child, Some(&period))?;
    }
    replace(tx, day, unit, None)?;
    succeed(tx, unit, heir, day)?;
    for (account, grant) in open_roles(tx, unit, day)? {
        let there = Grant { unit: heir, ..grant };
        realm::grant(tx, account, there, day)?;
    }
    Ok(end_roles(tx, unit, day)?)
}

/// Writes down who inherits what a unit had that ends.
fn succeed(tx: &Transaction<'_>, unit: UnitId, heir: UnitId, day: Date) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO unit_successor (unit, successor, since) VALUES (?, ?, ?)")?
        .execute(params![unit.to_bytes(), heir.to_bytes(), day.to_string()])?;
    Ok(())
}

fn create(tx: &Transaction<'_>, day: Date, unit: UnitId, period: &Period) -> Result<(), ChangeError> {
    tx.prepare_cached("INSERT INTO unit (id) VALUES (?)")?
        .execute([unit.to_bytes()])?;
    begin(tx, day, unit, period)
}

/// Ends what holds of a unit on a day, and begins something else from that day on.
fn replace(
    tx: &Transaction<'_>,
    day: Date,
    unit: UnitId,
    period: Option<&Period>,
) -> Result<(), ChangeError> {
    let day_text = day.to_string();
    let later = "SELECT 1 FROM unit_period WHERE unit = ?1 AND (valid_from > ?2 OR valid_to > ?2)";
    if tx
        .prepare_cached(later)?
        .exists(params![unit.to_bytes(), day_text])?
    {
        return Err(ChangeError::Later(unit, day));
    }
    // What began on this very day never held for one: it is taken back.
    tx.prepare_cached("DELETE FROM unit_period WHERE unit = ? AND valid_from = ?")?
        .execute(params![unit.to_bytes(), day_text])?;
    tx.prepare_cached("UPDATE unit_period SET valid_to = ?2 WHERE unit = ?1 AND valid_to IS NULL")?
        .execute(params![unit.to_bytes(), day_text])?;
    match period {
        Some(period) => begin(tx, day, unit, period),
        None => Ok(()),
    }
}

fn begin(tx: &Transaction<'_>, day: Date, unit: UnitId, period: &Period) -> Result<(), ChangeError> {
    let nfc = |text: &str| text.trim().nfc().collect::<String>();
    let (level, name, code) = (nfc(&period.level), nfc(&period.name), period.code.trim());
    let fits = [&level, &name]
        .iter()
        .all(|text| (1..=TEXT_BYTES).contains(&text.len()));
    if !fits || code.len() > TEXT_BYTES {
        return Err(ChangeError::Text);
    }
    tx.prepare_cached(
        "INSERT INTO unit_period (unit, valid_from, level, code, name, parent) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        unit.to_bytes(),
        day.to_string(),
        level,
        code,
        name,
        period.parent.map(UnitId::to_bytes)
    ])?;
    Ok(())
}

/// What holds of a unit on a day.
pub(super) fn period_on(conn: &Connection, unit: UnitId, day: Date) -> Result<Period, ChangeError> {
    conn.prepare_cached(
        "SELECT level, code, name, parent FROM unit_period
         WHERE unit = ?1 AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2)",
    )?
    .query_row(params![unit.to_bytes(), day.to_string()], |row| {
        Ok(Period {
            level: row.get(0)?,
            code: row.get(1)?,
            name: row.get(2)?,
            parent: row.get::<_, Option<[u8; 16]>>(3)?.map(UnitId::from_bytes),
        })
    })
    .optional()?
    .ok_or(ChangeError::NotThen(unit, day))
}

fn children(conn: &Connection, unit: UnitId, day: Date) -> rusqlite::Result<Vec<UnitId>> {
    let mut statement = conn.prepare_cached(
        "SELECT unit FROM unit_period WHERE parent = ?1 AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2)",
    )?;
    let rows = statement.query_map(params![unit.to_bytes(), day.to_string()], |row| {
        row.get(0).map(UnitId::from_bytes)
    })?;
    rows.collect()
}

/// Roles held in a unit on a day or later.
fn open_roles(conn: &Connection, unit: UnitId, day: Date) -> rusqlite::Result<Vec<(AccountId, Grant)>> {
    let mut statement = conn.prepare_cached(
        "SELECT account, unit, role, valid_from, valid_to, personal FROM role
         WHERE unit = ?1 AND (valid_to IS NULL OR valid_to > ?2)",
    )?;
    let rows = statement.query_map(params![unit.to_bytes(), day.to_string()], |row| {
        let account = AccountId::from_bytes(row.get(0)?);
        Ok(realm::held(row)?.map(|held| (account, held.grant)))
    })?;
    rows.filter_map(Result::transpose).collect()
}

fn end_roles(tx: &Transaction<'_>, unit: UnitId, day: Date) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE role SET valid_to = max(valid_from, ?2) WHERE unit = ?1 AND (valid_to IS NULL OR valid_to > ?2)",
    )?
    .execute(params![unit.to_bytes(), day.to_string()])?;
    Ok(())
}

/// Whether the units of a day, and of every later one, are a tree in which each code is one unit's.
pub(super) fn check(conn: &Connection, day: Date) -> Result<(), ChangeError> {
    let later = realm::turning_days(conn, day, Date::MAX)?;
    for day in std::iter::once(day).chain(later) {
        let tree = realm::tree(conn, day)?;
        let mut codes: HashMap<&str, UnitId> = HashMap::new();
        for unit in tree.units().filter(|unit| !unit.code.is_empty()) {
            if codes.insert(&unit.code, unit.id).is_some() {
                return Err(ChangeError::Code(unit.code.clone(), day));
            }
        }
    }
    Ok(())
}

impl Change {
    /// Units that there were not before.
    pub fn new_units(&self) -> Vec<UnitId> {
        match self {
            Change::Create { unit, .. } => vec![*unit],
            Change::Split { into, .. } => into.iter().map(|(unit, _)| *unit).collect(),
            Change::Rename { .. } | Change::Move { .. } | Change::Merge { .. } | Change::Abolish { .. } => {
                Vec::new()
            }
        }
    }

    /// The units that one must manage to do it; `None` for what happens at the top of the realm.
    fn involves(&self) -> Option<Vec<UnitId>> {
        match self {
            Change::Create { period, .. } => Some(vec![period.parent?]),
            Change::Move { unit, parent } => Some(vec![*unit, (*parent)?]),
            Change::Rename { unit, .. } | Change::Split { unit, .. } => Some(vec![*unit]),
            Change::Merge { units, into } => Some(units.iter().chain([into]).copied().collect()),
            Change::Abolish { unit, heir } => Some([*unit].into_iter().chain(*heir).collect()),
        }
    }

    /// The unit that it is about.
    fn unit(&self) -> UnitId {
        match self {
            Change::Create { unit, .. }
            | Change::Rename { unit, .. }
            | Change::Move { unit, .. }
            | Change::Split { unit, .. }
            | Change::Abolish { unit, .. }
            | Change::Merge { into: unit, .. } => *unit,
        }
    }

    /// As it stands in the audit. Names of units are nobody's personal data.
    fn told(&self) -> Value {
        let id = |unit: &UnitId| unit.to_string();
        match self {
            Change::Create { period, .. } => json!({ "create": period.told() }),
            Change::Rename { name, code, .. } => json!({ "rename": name, "code": code }),
            Change::Move { parent, .. } => json!({ "move": parent.as_ref().map(id) }),
            Change::Merge { units, into } => {
                json!({ "merge": units.iter().map(id).collect::<Vec<_>>(), "into": id(into) })
            }
            Change::Split { into, .. } => {
                json!({ "split": into.iter().map(|(unit, _)| id(unit)).collect::<Vec<_>>() })
            }
            Change::Abolish { heir, .. } => json!({ "abolish": true, "heir": heir.as_ref().map(id) }),
        }
    }
}

impl Period {
    fn told(&self) -> Value {
        json!({
            "level": self.level, "code": self.code, "name": self.name,
            "parent": self.parent.map(|parent| parent.to_string()),
        })
    }
}
