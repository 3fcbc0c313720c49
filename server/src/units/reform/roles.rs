//! Where roles go whose unit ends, and who is left without any.

use std::collections::HashMap;
use std::fmt::Display;

use jiff::civil::Date;
use rusqlite::{Connection, Transaction};
use sync_core::ids::{AccountId, UnitId};

use super::{RoleRow, one};
use crate::lines::RowError;
use crate::policy::{Action, Grant, Role, permit_write};
use crate::realm::{self, Held};
use crate::tree::Tree;
use crate::units::{self, UnitsError};

/// Roles of abolished units go where the file says.
pub(super) fn move_roles(
    tx: &Transaction<'_>,
    rows: &[RoleRow],
    before: &Tree,
    day: Date,
) -> Result<(), UnitsError> {
    let mut bad = Vec::new();
    for (row, line) in rows.iter().zip(2..) {
        let mut refuse = |key| {
            let parts: &[(_, &dyn Display)] = &[("name", &row.username), ("day", &day)];
            bad.push(RowError::new(line, key, parts));
        };
        let account = realm::account_by_username(tx, &row.username)?;
        let old = before.units().find(|unit| unit.code == row.old_code);
        let new = units::by_code(tx, &row.new_code, &day.to_string())?;
        let (Some(account), Some(old), Some(new)) = (account, old, new) else {
            refuse("line-role-unknown");
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
            None => refuse("line-role-not-held"),
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(UnitsError::Rows(bad))
    }
}

/// A reform after which nobody could set things right is not done.
pub(super) fn keep_an_admin(
    held: &HashMap<AccountId, Vec<Held>>,
    after: &Tree,
    day: Date,
) -> Result<(), UnitsError> {
    let manages = |held: &Vec<Held>| {
        let grants: Vec<Grant> = held
            .iter()
            .filter(|held| open(held, day))
            .map(|held| held.grant)
            .collect();
        permit_write(&grants, after, Action::ManageAccounts, None).is_some()
    };
    let any_admin = held.values().flatten().any(|held| held.grant.role == Role::Admin);
    if any_admin && !held.values().any(manages) {
        return Err(one(1, "line-no-admin"));
    }
    Ok(())
}

/// Held on a day or later: a decree of last month is entered today, and is about who holds a post today.
fn open(held: &Held, day: Date) -> bool {
    held.to.is_none_or(|to| to > day.max(held.from))
}

/// How many roles are held in a unit on a day or later.
pub(super) fn held_in(held: &HashMap<AccountId, Vec<Held>>, unit: UnitId, day: Date) -> usize {
    let of_unit = |held: &&Held| held.grant.unit == unit && open(held, day);
    held.values().flatten().filter(of_unit).count()
}

pub(super) fn without_reach(
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
