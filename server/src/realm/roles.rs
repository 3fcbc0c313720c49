//! Roles, each held in a unit for a period.

use std::collections::HashMap;

use jiff::civil::Date;
use rusqlite::{Connection, Transaction, params};
use sync_core::ids::{AccountId, UnitId};

use crate::policy::{Grant, Personal, Role};

/// A role, and the days for which it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The role.
    pub grant: Grant,
    /// The first day.
    pub from: Date,
    /// The first day on which it is no longer held; `None`: open.
    pub to: Option<Date>,
}

impl Held {
    /// Whether it is held on a day.
    pub fn on(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }
}

/// Every role, past ones too, of every account that is not suspended.
///
/// # Errors
/// The store's.
pub fn held_roles(conn: &Connection) -> rusqlite::Result<HashMap<AccountId, Vec<Held>>> {
    let mut statement = conn.prepare_cached(
        "SELECT r.account, r.unit, r.role, r.valid_from, r.valid_to, r.personal
         FROM role r JOIN account a ON a.id = r.account WHERE a.disabled_at IS NULL",
    )?;
    let rows = statement.query_map([], |row| Ok((AccountId::from_bytes(row.get(0)?), held(row)?)))?;
    let mut roles: HashMap<AccountId, Vec<Held>> = HashMap::new();
    for row in rows {
        let (account, held) = row?;
        roles.entry(account).or_default().extend(held);
    }
    Ok(roles)
}

/// Every role of an account, past ones too.
///
/// # Errors
/// The store's.
pub fn held_by(conn: &Connection, account: AccountId) -> rusqlite::Result<Vec<Held>> {
    let mut statement = conn.prepare_cached(
        "SELECT account, unit, role, valid_from, valid_to, personal FROM role WHERE account = ? ORDER BY valid_from",
    )?;
    let rows = statement.query_map([account.to_bytes()], held)?;
    rows.filter_map(Result::transpose).collect()
}

/// A row of account, unit, role, first day, end and personal.
pub(crate) fn held(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Held>> {
    let (role, from, to): (String, String, Option<String>) = (row.get(2)?, row.get(3)?, row.get(4)?);
    let personal = if row.get(5)? {
        Personal::Read
    } else {
        Personal::Sealed
    };
    let unit = UnitId::from_bytes(row.get(1)?);
    Ok(Role::from_code(&role).and_then(|role| {
        Some(Held {
            grant: Grant { unit, role, personal },
            from: from.parse().ok()?,
            to: to.map(|to| to.parse()).transpose().ok()?,
        })
    }))
}

/// Grants a role from a day on; to whom already holds it then, nothing happens. `true`: it is new.
///
/// # Errors
/// The store's.
pub fn grant(tx: &Transaction<'_>, account: AccountId, grant: Grant, from: Date) -> rusqlite::Result<bool> {
    let (account, unit, role) = (account.to_bytes(), grant.unit.to_bytes(), grant.role.code());
    let from = from.to_string();
    let held = "SELECT 1 FROM role WHERE account = ?1 AND unit = ?2 AND role = ?3 AND personal = ?5
                AND valid_from <= ?4 AND (valid_to IS NULL OR valid_to > ?4)";
    let personal = grant.personal == Personal::Read;
    if tx
        .prepare_cached(held)?
        .exists(params![account, unit, role, from, personal])?
    {
        return Ok(false);
    }
    // The same role with another right to citizens' data takes its place.
    revoke(tx, AccountId::from_bytes(account), grant.unit, grant.role, &from)?;
    tx.prepare_cached(
        "INSERT INTO role (account, unit, role, valid_from, personal) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET valid_to = NULL, personal = excluded.personal",
    )?
    .execute(params![account, unit, role, from, personal])?;
    Ok(true)
}

/// Ends a role on a day, the first on which it is no longer held. Gives how many periods that ended.
///
/// # Errors
/// The store's.
pub fn revoke(
    tx: &Transaction<'_>,
    account: AccountId,
    unit: UnitId,
    role: Role,
    day: &str,
) -> rusqlite::Result<usize> {
    tx.prepare_cached(
        "UPDATE role SET valid_to = max(valid_from, ?4)
         WHERE account = ?1 AND unit = ?2 AND role = ?3 AND (valid_to IS NULL OR valid_to > ?4)",
    )?
    .execute(params![account.to_bytes(), unit.to_bytes(), role.code(), day])
}
