//! Passwords: changed by their owners, set anew by a one-time code that somebody who manages the account made.
//!
//! A code is shown once and stored as its digest; it is good for a day and for one password. Whoever forgot the last
//! admin's password goes to the server's own console ([`recover`]): who can run commands there has the data anyway.

use jiff::civil::Date;
use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use sync_core::ids::{AccountId, UnitId};

use crate::accounts::{AccountError, managed};
use crate::audit::{self, Act, By, Change};
use crate::clock::day_of;
use crate::policy::{Grant, Permit, Role, Write};
use crate::realm::{self, RealmError};
use crate::session;

/// How long a one-time code is good for.
pub const RESET_TTL_MS: i64 = 24 * 3600 * 1000;
/// A password has at least so many characters …
pub const PASSWORD_MIN: usize = 10;
/// … and at most so many bytes.
pub const PASSWORD_BYTES: usize = 256;

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has at least {PASSWORD_MIN} characters and at most {PASSWORD_BYTES} bytes")]
    Length,
    /// The old password is wrong.
    #[error("the old password is wrong")]
    Wrong,
    /// There is no such code, or it was used, or is too old.
    #[error("the one-time code is not good")]
    Code,
    /// The account cannot be managed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Whether a password may be one.
///
/// # Errors
/// [`PasswordError::Length`].
pub fn check(password: &str) -> Result<(), PasswordError> {
    let fits = password.chars().count() >= PASSWORD_MIN && password.len() <= PASSWORD_BYTES;
    fits.then_some(()).ok_or(PasswordError::Length)
}

/// Sets a password's hash. Every session of the account ends but the one that `keep`s on.
///
/// # Errors
/// The store's.
pub fn set(
    tx: &Transaction<'_>,
    by: &By,
    account: AccountId,
    hash: &str,
    keep: Option<&str>,
) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE account SET password_hash = ? WHERE id = ?")?
        .execute(params![hash, account.to_bytes()])?;
    session::end_others(tx, account, keep)?;
    tx.prepare_cached("DELETE FROM password_reset WHERE account = ?")?
        .execute([account.to_bytes()])?;
    audit::record(tx, by, Act::PasswordChanged, &Change::of(account))
}

/// Stores a one-time code for an account that is managed by `permit`.
///
/// # Errors
/// [`AccountError`].
pub fn add_reset(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    account: AccountId,
    code: &str,
) -> Result<(), AccountError> {
    managed(tx, permit, by, account)?;
    store_reset(tx, account, code, by.now_ms)?;
    Ok(audit::record(tx, by, Act::PasswordReset, &Change::of(account))?)
}

fn store_reset(tx: &Transaction<'_>, account: AccountId, code: &str, now_ms: i64) -> rusqlite::Result<()> {
    // The last one counts.
    tx.prepare_cached("DELETE FROM password_reset WHERE account = ? OR expires_at <= ?")?
        .execute(params![account.to_bytes(), now_ms])?;
    tx.prepare_cached("INSERT INTO password_reset (digest, account, expires_at) VALUES (?, ?, ?)")?
        .execute(params![digest(code), account.to_bytes(), now_ms + RESET_TTL_MS])?;
    Ok(())
}

/// Takes a one-time code and sets the password's hash. Gives whose it is.
///
/// # Errors
/// [`PasswordError::Code`].
pub fn reset(tx: &Transaction<'_>, by: &By, code: &str, hash: &str) -> Result<AccountId, PasswordError> {
    let sql = "SELECT r.account FROM password_reset r JOIN account a ON a.id = r.account
               WHERE r.digest = ? AND r.expires_at > ? AND a.disabled_at IS NULL";
    let account = tx
        .prepare_cached(sql)?
        .query_row(params![digest(code), by.now_ms], |row| row.get(0))
        .optional()?;
    let account = AccountId::from_bytes(account.ok_or(PasswordError::Code)?);
    let by = By {
        account: Some(account),
        ..by.clone()
    };
    set(tx, &by, account, hash, None)?;
    Ok(account)
}

/// Lets somebody in again as an admin of the whole realm, on the server's own console: no longer suspended, admin at the
/// top from that day on, and with a one-time code.
///
/// # Errors
/// [`PasswordError`].
pub fn recover(tx: &Transaction<'_>, by: &By, account: AccountId, code: &str) -> Result<(), PasswordError> {
    let day: Date = day_of(by.now_ms);
    tx.prepare_cached("UPDATE account SET disabled_at = NULL WHERE id = ?")?
        .execute([account.to_bytes()])?;
    let roots: Vec<UnitId> = realm::tree(tx, day)?.roots().to_vec();
    for root in roots {
        realm::grant(tx, account, Grant::new(root, Role::Admin), day)?;
    }
    store_reset(tx, account, code, by.now_ms)?;
    Ok(audit::record(tx, by, Act::AdminRecovered, &Change::of(account))?)
}

/// What is stored of a code, however it was typed.
fn digest(code: &str) -> [u8; 32] {
    let typed: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    Sha256::digest(format!("langso-reset-1{typed}")).into()
}
