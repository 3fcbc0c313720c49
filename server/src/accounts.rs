//! Accounts and codes made by the dozen: a team for every hamlet, a code for every phone.

use sync_core::ids::AccountId;

use crate::clock::{Clock, day_of, random, random_bits};
use crate::enrolment;
use crate::policy::{Grant, Role};
use crate::realm::{self, Account as AccountRow, RealmError};
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
            let account = AccountRow {
                id: fresh_account(),
                display_name: unit.name.clone(),
                password_hash: None,
            };
            realm::add_account(tx, &account, &username, now_ms)?;
            realm::grant(tx, account.id, Grant::new(unit.id, Role::Member), day_of(now_ms))?;
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

/// Fresh codes for an account.
///
/// # Errors
/// The store's.
pub fn add_codes(store: &Store, account: AccountId, count: u32) -> Result<Vec<String>, AccountsError> {
    let codes: Vec<String> = (0..count).map(|_| enrolment::code_of(random())).collect();
    let (stored, now_ms) = (codes.clone(), Clock::system().now_ms());
    store.write_blocking(move |tx| {
        stored
            .iter()
            .try_for_each(|code| enrolment::add_code(tx, code, account, now_ms))
    })?;
    Ok(codes)
}

/// A fresh id for an account.
pub fn fresh_account() -> AccountId {
    AccountId::from_parts(Clock::system().now_ms() as u64, random_bits())
}
