//! Looking for accounts as a manager does: by unit, by name, one by one.

use rusqlite::Connection;
use sync_core::folding;
use sync_core::ids::AccountId;

use super::{AccountView, list};
use crate::policy::{Permit, Read};

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
    let fits = |account: &AccountView| {
        let words = folding::words(&format!("{} {}", account.name, account.username));
        let begun = |typed: &folding::Word| words.iter().any(|word| word.folded.starts_with(&typed.folded));
        typed.iter().all(begun)
    };
    let found = list(conn, permit)?.into_iter();
    let found = found.filter(|account| account.username.as_str() > after && fits(account));
    Ok(found.take(limit).collect())
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
    let id = account.to_string();
    Ok(list(conn, permit)?.into_iter().find(|account| account.id == id))
}
