//! Teams: an account for that of every hamlet, a code for every phone – made by the dozen.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction};
use sha2::{Digest, Sha256};
use sync_core::ids::{AccountId, UnitId};

use crate::accounts::{AccountError, fresh_account, list};
use crate::audit::{self, Act, By, Change};
use crate::clock::{Clock, day_of, random};
use crate::codes;
use crate::devices;
use crate::policy::{Grant, Permit, Read, Role, Write};
use crate::realm::{self, Account, RealmError};
use crate::store::{Store, WriteError};
use crate::tree::{Tree, Unit};

/// Why none were made.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The store failed.
    #[error(transparent)]
    Write(#[from] WriteError<rusqlite::Error>),
    /// An account without a role has no unit to enrol a device for.
    #[error("the account holds no role")]
    NoRole,
}

/// The account of a lowest unit's team.
#[derive(Debug)]
pub struct Team {
    /// The unit.
    pub unit: Unit,
    /// Its account.
    pub account: AccountId,
    /// The account's username.
    pub username: String,
}

/// An account for the team of each lowest unit, made where there is none.
///
/// # Errors
/// The store's.
pub fn add_teams(store: &Store) -> Result<Vec<Team>, TeamError> {
    let now_ms = Clock::system().now_ms();
    let tree: Tree = store.read_blocking(|conn| realm::tree(conn, day_of(now_ms)))?;
    let leaves: Vec<Unit> = tree.leaves().cloned().collect();
    let teams = store.write_blocking(move |tx| {
        let teams = leaves.into_iter().map(|unit| {
            let username = format!("to-{}", unit.code.to_lowercase());
            if let Some(account) = realm::account_by_username(tx, &username)? {
                return Ok(Team {
                    unit,
                    account: account.id,
                    username,
                });
            }
            let account = Account {
                id: fresh_account(),
                display_name: unit.name.clone(),
                password_hash: None,
            };
            realm::add_account(tx, &account, &username, now_ms)?;
            realm::grant(tx, account.id, Grant::new(unit.id, Role::Member), day_of(now_ms))?;
            let made = Change::now(account.id, serde_json::json!({ "team": unit.id.to_string() }));
            audit::record(tx, &By::console(now_ms), Act::AccountAdded, &made)?;
            Ok(Team {
                unit,
                account: account.id,
                username,
            })
        });
        teams.collect::<rusqlite::Result<Vec<Team>>>()
    })?;
    Ok(teams)
}

/// Fresh codes for an account, bound to the unit of its first role of the day.
///
/// # Errors
/// The store's, or [`TeamError::NoRole`].
pub fn add_codes(store: &Store, account: AccountId, count: u32) -> Result<Vec<String>, TeamError> {
    let codes: Vec<String> = (0..count).map(|_| codes::code_of(random())).collect();
    let (stored, now_ms) = (codes.clone(), Clock::system().now_ms());
    let held = store
        .read_blocking(|conn| realm::held_by(conn, account))
        .map_err(RealmError::from)?;
    let held = held.iter().find(|held| held.on(day_of(now_ms)));
    let unit = held.ok_or(TeamError::NoRole)?.grant.unit;
    store.write_blocking(move |tx| {
        let made = Change::now(
            account,
            serde_json::json!({ "codes": stored.len(), "unit": unit.to_string() }),
        );
        audit::record(tx, &By::console(now_ms), Act::CodeMade, &made)?;
        stored
            .iter()
            .try_for_each(|code| codes::add(tx, code, account, unit, now_ms))
    })?;
    Ok(codes)
}

/// A lowest unit whose team has no phone yet.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The unit.
    pub unit: UnitId,
    /// Who of its team gets the first one, and the name; `None`: nobody holds a role there.
    pub person: Option<(AccountId, String)>,
}

/// The lowest units of a permit in which nobody has a phone, in the order of the tree.
///
/// # Errors
/// The store's.
pub fn waiting(
    conn: &Connection,
    permit: &Permit<Read>,
    tree: &Tree,
    now_ms: i64,
) -> rusqlite::Result<Vec<Waiting>> {
    let today = day_of(now_ms).to_string();
    let mut teams: BTreeMap<String, Vec<(AccountId, String, u32)>> = BTreeMap::new();
    for account in list(conn, permit)? {
        let Ok(id) = account.id.parse::<AccountId>() else {
            continue;
        };
        let held = account.roles.iter().filter(|role| {
            let now = role.from <= today && role.to.as_ref().is_none_or(|to| *to > today);
            now && role.role == Role::Member.code() && account.suspended_at_ms.is_none()
        });
        for role in held {
            let member = (id, account.name.clone(), account.devices);
            teams.entry(role.unit.clone()).or_default().push(member);
        }
    }
    let lowest = |id: &UnitId| tree.children(*id).is_empty() && permit.units().contains(id);
    let units = tree
        .roots()
        .iter()
        .flat_map(|root| in_order(tree, *root))
        .filter(lowest);
    let of = |unit: UnitId| {
        let team = teams.remove(&unit.to_string()).unwrap_or_default();
        let has_phone = team.iter().any(|(.., devices)| *devices > 0);
        (!has_phone).then(|| Waiting {
            unit,
            person: team.into_iter().map(|(id, name, _)| (id, name)).next(),
        })
    };
    Ok(units.filter_map(of).collect())
}

/// A unit and everything below it, each followed by what is below it.
fn in_order(tree: &Tree, root: UnitId) -> Vec<UnitId> {
    let (mut open, mut units) = (vec![root], Vec::new());
    while let Some(unit) = open.pop() {
        units.push(unit);
        open.extend(tree.children(unit).iter().rev());
    }
    units
}

/// A code for everybody who waits for a first phone, with the unit and the name that it is for. The same `seed` makes the
/// same codes: what is sent twice makes no second ones.
///
/// # Errors
/// [`AccountError`].
pub fn codes_for(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    waiting: &[Waiting],
    seed: [u8; 16],
) -> Result<Vec<(UnitId, String, String)>, AccountError> {
    let mut codes = Vec::new();
    for team in waiting {
        let Some((account, name)) = &team.person else {
            continue;
        };
        let digest: [u8; 32] = Sha256::new_with_prefix(seed)
            .chain_update(account.to_bytes())
            .finalize()
            .into();
        let code = codes::code_of(digest.first_chunk().copied().unwrap_or(seed));
        match devices::add_code(tx, permit, by, *account, team.unit, &code, None) {
            Ok(()) => codes.push((team.unit, name.clone(), code)),
            // Whoever reaches further than the permit gets a phone from who manages them.
            Err(AccountError::NotFound | AccountError::OutOfReach) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(codes)
}
