//! Accounts: people, whether they hold a role or not.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sync_core::ids::AccountId;

/// An account with the roles that it holds now.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The name that its pages greet.
    pub display_name: String,
    /// Argon2id, as a PHC string; without one there is no login.
    pub password_hash: Option<String>,
}

/// Adds an account; its roles are granted separately.
///
/// # Errors
/// The store's; a taken username violates a constraint.
pub fn add_account(
    tx: &Transaction<'_>,
    account: &Account,
    username: &str,
    now_ms: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO account (id, username, display_name, password_hash, created_at) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![
        account.id.to_bytes(),
        username,
        account.display_name,
        account.password_hash,
        now_ms
    ])?;
    Ok(())
}

/// The account of a username, unless it is disabled.
///
/// # Errors
/// The store's.
pub fn account_by_username(conn: &Connection, username: &str) -> rusqlite::Result<Option<Account>> {
    let sql =
        "SELECT id, display_name, password_hash FROM account WHERE username = ? AND disabled_at IS NULL";
    conn.prepare_cached(sql)?
        .query_row([username], |row| {
            Ok(Account {
                id: AccountId::from_bytes(row.get(0)?),
                display_name: row.get(1)?,
                password_hash: row.get(2)?,
            })
        })
        .optional()
}

/// The account of a username, suspended or not.
///
/// # Errors
/// The store's.
pub fn account_id(conn: &Connection, username: &str) -> rusqlite::Result<Option<AccountId>> {
    conn.prepare_cached("SELECT id FROM account WHERE username = ?")?
        .query_row([username], |row| row.get(0).map(AccountId::from_bytes))
        .optional()
}

/// The name that an account logs in with; empty if there is none.
///
/// # Errors
/// The store's.
pub fn username(conn: &Connection, account: AccountId) -> rusqlite::Result<String> {
    let name = conn
        .prepare_cached("SELECT username FROM account WHERE id = ?")?
        .query_row([account.to_bytes()], |row| row.get(0))
        .optional()?;
    Ok(name.unwrap_or_default())
}

/// The password of an account as it is stored.
///
/// # Errors
/// The store's.
pub fn password_hash(conn: &Connection, account: AccountId) -> rusqlite::Result<Option<String>> {
    let hash = conn
        .prepare_cached("SELECT password_hash FROM account WHERE id = ?")?
        .query_row([account.to_bytes()], |row| row.get(0))
        .optional()?;
    Ok(hash.flatten())
}

/// What an account is called, if it exists.
///
/// # Errors
/// The store's.
pub fn display_name(conn: &Connection, account: AccountId) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT display_name FROM account WHERE id = ?")?
        .query_row([account.to_bytes()], |row| row.get(0))
        .optional()
}
