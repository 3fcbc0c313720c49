//! A reform from a CSV file: `effective_from,old_code,old_name,new_code,new_name`, one line for each old unit.
//!
//! Old units of one new code become one new unit, with an identity of its own even where the code is that of one of
//! them: from that day the code means something else. An old unit that goes nowhere alone and keeps its code stays who it
//! is. What was above the old units – the district – is abolished, and the new ones hang where it hung. Hamlets follow
//! their commune. A file that names a unit by another name than we know it by is about something else, and refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use jiff::civil::Date;
use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_core::ids::{AccountId, UnitId};
use unicode_normalization::UnicodeNormalization;

use super::change::{self, Change, ChangeError, Period};
use super::{RowError, UnitsError, reader};
use crate::audit::{self, Act, By};
use crate::policy::{Action, Grant, Role, permit_write};
use crate::realm::{self, Held};
use crate::tree::{Tree, Unit};

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
    /// Directives that it issued; its successor inherits the board with every open one.
    pub directives: u64,
}

/// Operations in order, and which units they are about.
struct Plan {
    skipped: usize,
    kept: usize,
    merged: usize,
    abolished: Vec<UnitId>,
    /// Old unit and where it goes.
    moves: Vec<(UnitId, UnitId)>,
    changes: Vec<Change>,
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
                return Err("a code or a name is empty or too long".to_owned());
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
        Role::from_code(&row.role).map_or_else(|| Err(format!("there is no role {}", row.role)), |_| Ok(()))
    })
}

fn rows<T: for<'de> Deserialize<'de>>(
    input: impl Read,
    check: impl Fn(&mut T) -> Result<(), String>,
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

/// Does a reform. The caller commits it, or rolls back what was only tried.
///
/// # Errors
/// [`UnitsError`] names the lines; nothing is to be kept of it.
pub fn reform(
    tx: &Transaction<'_>,
    rows: &[ReformRow],
    roles: &[RoleRow],
    unknown: Unknown,
    by: &By,
    fresh: impl FnMut() -> UnitId,
) -> Result<Report, UnitsError> {
    let day = rows
        .first()
        .map(|row| row.effective_from)
        .ok_or_else(|| one(1, "there is no line"))?;
    let before_day = day.yesterday().map_err(|_| one(2, "there is no day before"))?;
    let before = realm::tree(tx, before_day).map_err(ChangeError::from)?;
    let plan = plan(rows, &before, unknown, fresh)?;
    let held_before = realm::held_roles(tx)?;
    for change in &plan.changes {
        change::apply(tx, day, change)?;
    }
    change::check(tx, day)?;
    move_roles(tx, roles, &before, day)?;
    let after = realm::tree(tx, day).map_err(ChangeError::from)?;
    let held_after = realm::held_roles(tx)?;
    keep_an_admin(&held_after, &after, day)?;
    let mut report = Report {
        on: day.to_string(),
        skipped: plan.skipped,
        kept: plan.kept,
        merged: plan.merged,
        abolished: plan.abolished.len(),
        followed: followed(&plan, &before),
        without_reach: without_reach(tx, &held_before, &held_after, &before, &after, day)?,
        moves: Vec::new(),
    };
    for (old, new) in &plan.moves {
        report.moves.push(moved(tx, *old, *new, &before, &after)?);
    }
    let told = json!({
        "on": report.on, "kept": report.kept, "merged": report.merged, "abolished": report.abolished,
        "without_reach": report.without_reach.len(),
    });
    let change = audit::Change::now("units", told);
    audit::record(tx, by, Act::UnitsReformed, &change)?;
    Ok(report)
}

/// Decides what becomes of whom; nothing is done yet.
fn plan(
    rows: &[ReformRow],
    before: &Tree,
    unknown: Unknown,
    mut fresh: impl FnMut() -> UnitId,
) -> Result<Plan, UnitsError> {
    let by_code: HashMap<&str, &Unit> = before.units().map(|unit| (unit.code.as_str(), unit)).collect();
    let (mut groups, mut bad) = (BTreeMap::<&str, Vec<(&Unit, &ReformRow)>>::new(), Vec::new());
    let (mut seen, mut names) = (BTreeSet::new(), HashMap::new());
    let (mut skipped, day) = (0, rows.first().map(|row| row.effective_from).unwrap_or_default());
    for (row, line) in rows.iter().zip(2..) {
        let mut refuse = |problem: String| bad.push(RowError { line, problem });
        if row.effective_from != day {
            refuse(format!("another day than {day}: one file, one day"));
        }
        if !seen.insert(&row.old_code) {
            refuse(format!("the code {} stands on an earlier line", row.old_code));
            continue;
        }
        if *names.entry(&row.new_code).or_insert(&row.new_name) != &row.new_name {
            refuse(format!("the new code {} has two names", row.new_code));
        }
        match by_code.get(row.old_code.as_str()) {
            Some(unit) if unit.name == row.old_name => {
                groups.entry(&row.new_code).or_default().push((unit, row));
            }
            Some(unit) => refuse(format!("{} is {}, not {}", unit.code, unit.name, row.old_name)),
            None if unknown == Unknown::Skip => skipped += 1,
            None => refuse(format!("there is no unit with the code {}", row.old_code)),
        }
    }
    let leaving: BTreeSet<UnitId> = groups.values().flatten().map(|(unit, _)| unit.id).collect();
    let abolished: BTreeSet<UnitId> = leaving.iter().filter_map(|id| before.unit(*id)?.parent).collect();
    for parent in &abolished {
        let staying = before
            .children(*parent)
            .iter()
            .filter(|child| !leaving.contains(child));
        bad.extend(
            staying
                .filter_map(|child| before.unit(*child))
                .map(|unit| RowError {
                    line: 1,
                    problem: format!(
                        "{} {} is not in the file, although what is above it is abolished",
                        unit.code, unit.name
                    ),
                }),
        );
    }
    if groups.is_empty() {
        bad.push(RowError {
            line: 1,
            problem: "no line is about a unit of this realm".to_owned(),
        });
    }
    if !bad.is_empty() {
        return Err(UnitsError::Rows(bad));
    }
    let mut plan = Plan {
        skipped,
        kept: 0,
        merged: 0,
        abolished: abolished.into_iter().collect(),
        moves: Vec::new(),
        changes: Vec::new(),
    };
    let (mut creates, mut merges) = (Vec::new(), Vec::new());
    for (new_code, group) in groups {
        let Some((first, row)) = group.first() else {
            continue;
        };
        let parent = first.parent.and_then(|parent| before.unit(parent)?.parent);
        if let [(only, row)] = group.as_slice()
            && only.code == row.new_code
        {
            plan.kept += 1;
            plan.moves.push((only.id, only.id));
            if only.parent.is_some() {
                creates.push(Change::Move {
                    unit: only.id,
                    parent,
                });
            }
            if only.name != row.new_name {
                let name = row.new_name.clone();
                creates.push(Change::Rename {
                    unit: only.id,
                    name,
                    code: None,
                });
            }
            continue;
        }
        let into = fresh();
        let period = Period {
            level: first.level.clone(),
            code: new_code.to_owned(),
            name: row.new_name.clone(),
            parent,
        };
        creates.push(Change::Create { unit: into, period });
        let units: Vec<UnitId> = group.iter().map(|(unit, _)| unit.id).collect();
        plan.merged += units.len();
        plan.moves.extend(units.iter().map(|unit| (*unit, into)));
        merges.push(Change::Merge { units, into });
    }
    let ends = plan.abolished.iter().map(|unit| Change::Abolish {
        unit: *unit,
        heir: None,
    });
    plan.changes = creates.into_iter().chain(merges).chain(ends).collect();
    Ok(plan)
}

/// Roles of abolished units go where the file says.
fn move_roles(tx: &Transaction<'_>, rows: &[RoleRow], before: &Tree, day: Date) -> Result<(), UnitsError> {
    let mut bad = Vec::new();
    for (row, line) in rows.iter().zip(2..) {
        let mut refuse = |problem: String| bad.push(RowError { line, problem });
        let account = realm::account_by_username(tx, &row.username)?;
        let old = before.units().find(|unit| unit.code == row.old_code);
        let new = super::by_code(tx, &row.new_code, &day.to_string())?;
        let (Some(account), Some(old), Some(new)) = (account, old, new) else {
            refuse("there is no such account, old code or new code".to_owned());
            continue;
        };
        let held = realm::held_by(tx, account.id)?;
        let role = held.iter().find(|held| {
            let ended = held.to == Some(day.max(held.from));
            held.grant.unit == old.id && held.grant.role.code() == row.role && ended
        });
        match role {
            Some(held) => drop(realm::grant(
                tx,
                account.id,
                Grant {
                    unit: new,
                    ..held.grant
                },
                day,
            )?),
            None => refuse(format!("{} holds no such role that ends on {day}", row.username)),
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(UnitsError::Rows(bad))
    }
}

/// A reform after which nobody could set things right is not done.
fn keep_an_admin(held: &HashMap<AccountId, Vec<Held>>, after: &Tree, day: Date) -> Result<(), UnitsError> {
    let manages = |held: &Vec<Held>| {
        let grants: Vec<Grant> = held
            .iter()
            .filter(|held| held.on(day))
            .map(|held| held.grant)
            .collect();
        permit_write(&grants, after, Action::ManageAccounts, None).is_some()
    };
    let any_admin = held.values().flatten().any(|held| held.grant.role == Role::Admin);
    if any_admin && !held.values().any(manages) {
        return Err(one(
            1,
            "no admin would be left: say with --roles where the role goes",
        ));
    }
    Ok(())
}

/// Held on a day or later: a decree of last month is entered today, and is about who holds a post today.
fn open(held: &Held, day: Date) -> bool {
    held.to.is_none_or(|to| to > day.max(held.from))
}

fn without_reach(
    conn: &Connection,
    held_before: &HashMap<AccountId, Vec<Held>>,
    held_after: &HashMap<AccountId, Vec<Held>>,
    before: &Tree,
    after: &Tree,
    day: Date,
) -> Result<Vec<(String, &'static str, String)>, UnitsError> {
    let reaches = |held: &Held, tree: &Tree| open(held, day) && tree.unit(held.grant.unit).is_some();
    let mut lost = Vec::new();
    for (account, held) in held_before {
        let had = held.iter().find(|held| reaches(held, before));
        let has = held_after
            .get(account)
            .is_some_and(|held| held.iter().any(|held| reaches(held, after)));
        if let Some(had) = had.filter(|_| !has) {
            let code = before
                .unit(had.grant.unit)
                .map_or_else(String::new, |unit| unit.code.clone());
            lost.push((realm::username(conn, *account)?, had.grant.role.code(), code));
        }
    }
    lost.sort();
    Ok(lost)
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
        directives,
    })
}

fn one(line: u64, problem: &str) -> UnitsError {
    UnitsError::Rows(vec![RowError {
        line,
        problem: problem.to_owned(),
    }])
}

#[cfg(test)]
mod tests;
