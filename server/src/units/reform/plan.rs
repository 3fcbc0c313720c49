//! Deciding what becomes of whom. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;

use sync_core::ids::UnitId;

use super::{ReformRow, Unknown};
use crate::lines::RowError;
use crate::tree::{Tree, Unit};
use crate::units::UnitsError;
use crate::units::change::{Change, Period};

/// Operations in order, and which units they are about.
pub(super) struct Plan {
    pub(super) skipped: usize,
    pub(super) kept: usize,
    pub(super) merged: usize,
    pub(super) abolished: Vec<UnitId>,
    /// Old unit and where it goes.
    pub(super) moves: Vec<(UnitId, UnitId)>,
    pub(super) changes: Vec<Change>,
}

/// Decides what becomes of whom; nothing is done yet.
pub(super) fn plan(
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
        let mut refuse = |key, parts: &[(_, &dyn Display)]| bad.push(RowError::new(line, key, parts));
        if row.effective_from != day {
            refuse("line-other-day", &[("day", &day)]);
        }
        if !seen.insert(&row.old_code) {
            refuse("line-code-earlier", &[("code", &row.old_code)]);
            continue;
        }
        if *names.entry(&row.new_code).or_insert(&row.new_name) != &row.new_name {
            refuse("line-two-names", &[("code", &row.new_code)]);
        }
        match by_code.get(row.old_code.as_str()) {
            Some(unit) if unit.name == row.old_name => {
                groups.entry(&row.new_code).or_default().push((unit, row));
            }
            Some(unit) => refuse(
                "line-other-name",
                &[
                    ("code", &unit.code),
                    ("name", &unit.name),
                    ("said", &row.old_name),
                ],
            ),
            None if unknown == Unknown::Skip => skipped += 1,
            None => refuse("line-no-unit", &[("code", &row.old_code)]),
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
                .map(|unit| RowError::new(1, "line-left-out", &[("code", &unit.code), ("name", &unit.name)])),
        );
    }
    if groups.is_empty() {
        bad.push(RowError::new(1, "line-none-ours", &[]));
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
