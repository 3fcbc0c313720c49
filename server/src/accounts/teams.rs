//! Accounts and codes made by the dozen: a team for every hamlet, a code for every phone.

use sync_core::ids::AccountId;

use super::fresh_account;
use crate::audit::{self, Act, By, Change};
use crate::clock::{Clock, day_of, random};
use crate::enrolment;
use crate::policy::{Grant, Role};
use crate::realm::{self, Account, RealmError};
use crate::store::{Store, WriteError};
use crate::tree::{Tree, Unit};

/// Why none were made.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
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
pub fn add_teams(store: &Store) -> Result<Vec<Team>, AccountsError> {
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
/// The store's, or [`AccountsError::NoRole`].
pub fn add_codes(store: &Store, account: AccountId, count: u32) -> Result<Vec<String>, AccountsError> {
    let codes: Vec<String> = (0..count).map(|_| enrolment::code_of(random())).collect();
    let (stored, now_ms) = (codes.clone(), Clock::system().now_ms());
    let held = store
        .read_blocking(|conn| realm::held_by(conn, account))
        .map_err(RealmError::from)?;
    let held = held.iter().find(|held| held.on(day_of(now_ms)));
    let unit = held.ok_or(AccountsError::NoRole)?.grant.unit;
    store.write_blocking(move |tx| {
        let made = Change::now(
            account,
            serde_json::json!({ "codes": stored.len(), "unit": unit.to_string() }),
        );
        audit::record(tx, &By::console(now_ms), Act::CodeMade, &made)?;
        stored
            .iter()
            .try_for_each(|code| enrolment::add_code(tx, code, account, unit, now_ms))
    })?;
    Ok(codes)
}
