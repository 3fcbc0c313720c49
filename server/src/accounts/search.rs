//! Looking for accounts as a manager does: by unit, by name, one by one. No more of them is read than is shown, but where a
//! name is looked for.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use sync_core::folding;
use sync_core::ids::AccountId;

use super::{AccountView, RoleView};
use crate::policy::{Permit, Read};
use crate::realm;
use crate::records::within;

const ACCOUNT: &str = "SELECT a.id, a.username, a.display_name, a.disabled_at,
                         (SELECT count(*) FROM device d WHERE d.account = a.id AND d.revoked_at IS NULL)
                       FROM account a";

/// Accounts of which every typed word begins a word of the name or the username, after a username, at most `limit`.
///
/// # Errors
/// The store's.
pub fn search(
    conn: &Connection,
    permit: &Permit<Read>,
    typed: &str,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Vec<AccountView>> {
    let typed = folding::words(typed);
    those(conn, permit, after, limit, |account| {
        // Words of a name are told apart only where some are looked for.
        typed.is_empty() || {
            let words = folding::words(&format!("{} {}", account.name, account.username));
            let begun =
                |typed: &folding::Word| words.iter().any(|word| word.folded.starts_with(&typed.folded));
            typed.iter().all(begun)
        }
    })
}

/// One account, if it holds or held a role in the permit's units.
///
/// # Errors
/// The store's.
pub fn view(
    conn: &Connection,
    permit: &Permit<Read>,
    account: AccountId,
) -> rusqlite::Result<Option<AccountView>> {
    let mut statement = conn.prepare_cached(&format!("{ACCOUNT} WHERE a.id = ?"))?;
    let found = statement.query_map([account.to_bytes()], without_roles)?;
    let mut found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let Some((id, mut view)) = found.pop() else {
        return Ok(None);
    };
    let held = realm::held_by(conn, id)?;
    view.roles = held.iter().map(RoleView::of).collect();
    let in_reach = held.iter().any(|held| permit.units().contains(&held.grant.unit));
    Ok(in_reach.then_some(view))
}

/// Those that hold or held a role in the permit's units and fit, by username after one, at most `limit`.
///
/// # Errors
/// The store's.
pub(super) fn those(
    conn: &Connection,
    permit: &Permit<Read>,
    after: &str,
    limit: usize,
    fits: impl Fn(&AccountView) -> bool,
) -> rusqlite::Result<Vec<AccountView>> {
    let (sql, values) = those_query(permit, after);
    let mut statement = conn.prepare_cached(&sql)?;
    let accounts = statement.query_map(params_from_iter(values), without_roles)?;
    let mut views = Vec::new();
    for account in accounts {
        let (id, mut view) = account?;
        if !fits(&view) {
            continue;
        }
        view.roles = realm::held_by(conn, id)?.iter().map(RoleView::of).collect();
        views.push(view);
        if views.len() == limit {
            break;
        }
    }
    Ok(views)
}

fn those_query(permit: &Permit<Read>, after: &str) -> (String, Vec<Value>) {
    let (wheres, mut values) = within("r.unit", permit);
    values.insert(0, after.to_owned().into());
    let sql = format!(
        "{ACCOUNT} WHERE a.username > ? AND a.id IN (SELECT r.account FROM role r WHERE {wheres}) ORDER BY a.username"
    );
    (sql, values)
}

fn without_roles(row: &Row<'_>) -> rusqlite::Result<(AccountId, AccountView)> {
    let id = AccountId::from_bytes(row.get(0)?);
    let view = AccountView {
        id: id.to_string(),
        username: row.get(1)?,
        name: row.get(2)?,
        suspended_at_ms: row.get(3)?,
        roles: Vec::new(),
        devices: row.get(4)?,
    };
    Ok((id, view))
}

#[cfg(test)]
mod tests {
    use sync_core::ids::UnitId;

    use super::*;
    use crate::policy::console;
    use crate::store::migrate;

    #[test]
    fn no_account_out_of_reach_is_looked_at() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        for count in [1, 120] {
            let permit = console((0..count).map(|n| UnitId::from_parts(n, 0))).to_read();
            let (sql, values) = those_query(&permit, "lan");
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan = statement.query_map(params_from_iter(values), |row| row.get(3));
            let plan: Vec<String> = plan.unwrap().collect::<rusqlite::Result<_>>().unwrap();
            let scans = plan.iter().filter(|step| step.starts_with("SCAN"));
            assert_eq!(scans.count(), 0, "{plan:?}");
            assert!(plan.iter().any(|step| step.contains("role_by_unit")), "{plan:?}");
        }
    }
}
