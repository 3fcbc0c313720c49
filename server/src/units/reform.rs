//! A reform from a CSV file: `effective_from,old_code,old_name,new_code,new_name`, one line for each old unit.
//!
//! Old units of one new code become one new unit, with an identity of its own even where the code is that of one of
//! them: from that day the code means something else. An old unit that goes nowhere alone and keeps its code stays who it
//! is. What was above the old units – the district – is abolished, and the new ones hang where it hung. Hamlets follow
//! their commune. A file that names a unit by another name than we know it by is about something else, and refused.

mod plan;
mod roles;

use std::io::Read;

use jiff::civil::Date;
use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_core::ids::UnitId;
use unicode_normalization::UnicodeNormalization;

use super::change::{self, Change, ChangeError};
use super::{UnitsError, reader};
use crate::audit::{self, Act, By};
use crate::lines::{Problem, RowError};
use crate::policy::{Permit, Role, Write};
use crate::realm;
use crate::tree::Tree;
use plan::{Plan, plan};

/// One line.
#[derive(Clone, Debug, Deserialize)]
pub struct ReformRow {
    /// The first day on which the new unit holds.
    pub effective_from: Date,
    /// The code of the old unit on the day before.
    pub old_code: String,
    /// Its name then.
    pub old_name: String,
    /// The code of the unit that it went into.
    pub new_code: String,
    /// The name of that.
    pub new_name: String,
}

/// Where a role goes whose unit is abolished: one line of `username,role,old_code,new_code`.
#[derive(Clone, Debug, Deserialize)]
pub struct RoleRow {
    /// Whose role.
    pub username: String,
    /// Which.
    pub role: String,
    /// The code of the unit in which it is held until then.
    pub old_code: String,
    /// The code of the unit in which it is held from then on.
    pub new_code: String,
}

/// What to do with lines about units that are not in this realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The file is about this realm and nothing else: such a line is a mistake.
    Refuse,
    /// The file is about a whole province: what is not ours is passed over.
    Skip,
}

/// What a reform does, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The day.
    pub on: String,
    /// Lines about units that are not in this realm.
    pub skipped: usize,
    /// Units that stay who they are, and move up or get another name.
    pub kept: usize,
    /// Old units that ended.
    pub merged: usize,
    /// Units above them that ended.
    pub abolished: usize,
    /// Units below that follow.
    pub followed: usize,
    /// Each old unit and where it goes: code and name, records, directives.
    pub moves: Vec<Moved>,
    /// Accounts that could do something the day before, and nothing from then on: username, role, code of its unit.
    pub without_reach: Vec<(String, &'static str, String)>,
}

/// What becomes of one old unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Code and name until then.
    pub from: (String, String),
    /// Code and name from then on.
    pub to: (String, String),
    /// Records of it and of what is below it so far; they stay under the unit of their date.
    pub records: u64,
    /// Roles that are held in it on the day or later; its successor inherits them.
    pub roles: usize,
    /// Directives that it issued; its successor inherits the board with every open one.
    pub directives: u64,
}

/// Reads and checks a file.
///
/// # Errors
/// [`UnitsError`] names the lines.
pub fn parse(input: impl Read) -> Result<Vec<ReformRow>, UnitsError> {
    rows(input, |row: &mut ReformRow| {
        let texts = [
            &mut row.old_code,
            &mut row.old_name,
            &mut row.new_code,
            &mut row.new_name,
        ];
        for text in texts {
            *text = text.nfc().collect();
            if !(1..=super::TEXT_BYTES).contains(&text.len()) {
                return Err(Problem::new("line-reform-text", &[]));
            }
        }
        Ok(())
    })
}

/// Reads where roles go.
///
/// # Errors
/// [`UnitsError`] names the lines.
pub fn parse_roles(input: impl Read) -> Result<Vec<RoleRow>, UnitsError> {
    rows(input, |row: &mut RoleRow| {
        row.username = row.username.to_lowercase();
        let unknown = || Problem::new("line-no-role", &[("code", &row.role)]);
        Role::from_code(&row.role).map(drop).ok_or_else(unknown)
    })
}

fn rows<T: for<'de> Deserialize<'de>>(
    input: impl Read,
    check: impl Fn(&mut T) -> Result<(), Problem>,
) -> Result<Vec<T>, UnitsError> {
    let mut reader = reader(input)?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (row, line) in reader.deserialize::<T>().zip(2..) {
        let mut row = row?;
        match check(&mut row) {
            Ok(()) => good.push(row),
            Err(problem) => bad.push(RowError { line, problem }),
        }
    }
    if bad.is_empty() {
        Ok(good)
    } else {
        Err(UnitsError::Rows(bad))
    }
}

/// Does a reform of units that the permit holds for. The caller commits it, or rolls back what was only tried.
///
/// # Errors
/// [`UnitsError`] names the lines; nothing is to be kept of it.
pub fn reform(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    rows: &[ReformRow],
    role_rows: &[RoleRow],
    unknown: Unknown,
    by: &By,
    fresh: impl FnMut() -> UnitId,
) -> Result<Report, UnitsError> {
    let day = rows
        .first()
        .map(|row| row.effective_from)
        .ok_or_else(|| one(1, "line-none"))?;
    let before_day = day.yesterday().map_err(|_| one(2, "line-no-day-before"))?;
    let before = realm::tree(tx, before_day).map_err(ChangeError::from)?;
    let plan = plan(rows, &before, unknown, fresh)?;
    let held_before = realm::held_roles(tx)?;
    let new: Vec<UnitId> = plan.changes.iter().flat_map(Change::new_units).collect();
    for change in &plan.changes {
        change::in_reach(change, permit, by, &new)?;
        change::apply(tx, day, change)?;
    }
    change::check(tx, day)?;
    roles::move_roles(tx, role_rows, &before, day)?;
    let after = realm::tree(tx, day).map_err(ChangeError::from)?;
    let held_after = realm::held_roles(tx)?;
    roles::keep_an_admin(&held_after, &after, day)?;
    let mut report = Report {
        on: day.to_string(),
        skipped: plan.skipped,
        kept: plan.kept,
        merged: plan.merged,
        abolished: plan.abolished.len(),
        followed: followed(&plan, &before),
        without_reach: roles::without_reach(tx, &held_before, &held_after, &before, &after, day)?,
        moves: Vec::new(),
    };
    for (old, new) in &plan.moves {
        let roles = roles::held_in(&held_before, *old, day);
        report.moves.push(Moved {
            roles,
            ..moved(tx, *old, *new, &before, &after)?
        });
    }
    let told = json!({
        "on": report.on, "kept": report.kept, "merged": report.merged, "abolished": report.abolished,
        "without_reach": report.without_reach.len(),
    });
    let change = audit::Change::now("units", told);
    audit::record(tx, by, Act::UnitsReformed, &change)?;
    Ok(report)
}

fn followed(plan: &Plan, before: &Tree) -> usize {
    plan.moves
        .iter()
        .map(|(old, _)| before.subtree(*old).len() - 1)
        .sum()
}

fn moved(
    conn: &Connection,
    old: UnitId,
    new: UnitId,
    before: &Tree,
    after: &Tree,
) -> rusqlite::Result<Moved> {
    let called = |tree: &Tree, id| {
        tree.unit(id)
            .map_or_else(Default::default, |unit| (unit.code.clone(), unit.name.clone()))
    };
    let mut records = 0;
    for unit in before.subtree(old) {
        let sql = "SELECT count(*) FROM assistance WHERE unit = ?";
        let of_unit: u64 = conn
            .prepare_cached(sql)?
            .query_row([unit.to_bytes()], |row| row.get(0))?;
        records += of_unit;
    }
    let sql = "SELECT count(DISTINCT directive) FROM directive WHERE unit = ?";
    let directives = conn
        .prepare_cached(sql)?
        .query_row([old.to_bytes()], |row| row.get(0))?;
    Ok(Moved {
        from: called(before, old),
        to: called(after, new),
        records,
        roles: 0,
        directives,
    })
}

fn one(line: u64, key: &'static str) -> UnitsError {
    UnitsError::Rows(vec![RowError::new(line, key, &[])])
}

#[cfg(test)]
mod tests;
