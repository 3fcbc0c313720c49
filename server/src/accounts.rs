//! People: accounts, the roles that they hold, posts that go from one to the next. Each act asks for a permit and is
//! written into the audit in the transaction that does it.
//!
//! Whoever manages accounts manages those whose every role lies in reach: who reaches further is nobody's below. Nobody
//! changes their own roles – an admin could otherwise take the right to citizens' data.

mod import;
mod search;

use jiff::civil::Date;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde_json::{Value, json};
use sync_core::ids::{AccountId, UnitId};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use crate::audit::{self, Act, By, Change};
use crate::clock::{Clock, day_of, random_bits};
use crate::policy::{Grant, Permit, Personal, Read, Role, Write};
use crate::realm::{self, Account};
use crate::store::WriteError;

pub use import::{ImportError, PersonRow, import, parse};
pub use search::{search, view};

/// Longest username and name, in bytes.
const TEXT_BYTES: usize = 200;

/// Why an act was not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account, or it is not in reach.
    #[error("no such account")]
    NotFound,
    /// The unit is not in reach.
    #[error("the unit is not in reach")]
    OutOfReach,
    /// The username is taken.
    #[error("the username is taken")]
    Taken,
    /// A username is a word of `a-z 0-9 . _ -`, a name has 1 to 200 bytes.
    #[error("a username is a word of a-z 0-9 . _ -, a name has 1 to {TEXT_BYTES} bytes")]
    Text,
    /// Nobody changes their own roles.
    #[error("nobody changes their own roles")]
    Own,
    /// The account does not hold that role there.
    #[error("the account does not hold that role there")]
    NotHeld,
    /// The last admin would be gone.
    #[error("the last admin would be gone")]
    LastAdmin,
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// One account as a manager sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// Its id.
    #[schema(value_type = AccountId)]
    pub id: String,
    /// What it logs in with.
    #[schema(examples("truong.thon.01"))]
    pub username: String,
    /// The person's name.
    #[schema(examples("Nguyễn Văn An"))]
    pub name: String,
    /// Since when it is suspended, UTC milliseconds.
    pub suspended_at_ms: Option<i64>,
    /// Its roles, past ones too.
    pub roles: Vec<RoleView>,
    /// Devices that are enrolled and not revoked.
    pub devices: u32,
}

/// One role as a manager sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RoleView {
    /// Which.
    #[schema(value_type = Role)]
    pub role: &'static str,
    /// Where it is held.
    #[schema(value_type = UnitId)]
    pub unit: String,
    /// The first day.
    #[schema(value_type = Date)]
    pub from: String,
    /// The first day on which it is no longer held.
    #[schema(value_type = Option<Date>)]
    pub to: Option<String>,
    /// Whether it reads citizens' data.
    pub personal: bool,
}

/// A fresh id for an account.
pub fn fresh_account() -> AccountId {
    AccountId::from_parts(Clock::system().now_ms() as u64, random_bits())
}

/// Adds a person with a role. `id` is fresh; somebody who has it and that username already was added by the same form.
///
/// # Errors
/// [`AccountError`].
pub fn add(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    id: AccountId,
    username: &str,
    name: &str,
    grant: Grant,
) -> Result<(), AccountError> {
    reaches(permit, grant.unit)?;
    add_known(tx, by, id, username, name)?;
    give(tx, by, id, grant, day_of(by.now_ms))
}

/// Adds a person without a role, under an id that is theirs.
///
/// # Errors
/// [`AccountError`].
pub(crate) fn add_known(
    tx: &Transaction<'_>,
    by: &By,
    id: AccountId,
    username: &str,
    name: &str,
) -> Result<(), AccountError> {
    let (username, name) = (
        username.trim().to_lowercase(),
        name.trim().nfc().collect::<String>(),
    );
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let fits = |text: &str| (1..=TEXT_BYTES).contains(&text.len());
    if !fits(&username) || !fits(&name) || !username.chars().all(is_word) {
        return Err(AccountError::Text);
    }
    match realm::account_id(tx, &username)? {
        Some(known) if known == id => return Ok(()),
        Some(_) => return Err(AccountError::Taken),
        None if !realm::username(tx, id)?.is_empty() => return Err(AccountError::Taken),
        None => {}
    }
    let account = Account {
        id,
        display_name: name,
        password_hash: None,
    };
    realm::add_account(tx, &account, &username, by.now_ms)?;
    Ok(audit::record(tx, by, Act::AccountAdded, &Change::of(id))?)
}

/// Gives a role from a day on.
///
/// # Errors
/// [`AccountError`].
pub fn grant(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    account: AccountId,
    grant: Grant,
    from: Date,
) -> Result<(), AccountError> {
    managed(tx, permit, by, account)?;
    others(by, account)?;
    reaches(permit, grant.unit)?;
    give(tx, by, account, grant, from)
}

/// Ends a role on a day, the first on which it is no longer held.
///
/// # Errors
/// [`AccountError`].
pub fn end_role(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    account: AccountId,
    (unit, role): (UnitId, Role),
    day: Date,
) -> Result<(), AccountError> {
    managed(tx, permit, by, account)?;
    others(by, account)?;
    reaches(permit, unit)?;
    if realm::revoke(tx, account, unit, role, &day.to_string())? == 0 {
        return Err(AccountError::NotHeld);
    }
    keep_an_admin(tx, by)?;
    let before = json!({ "role": role.code(), "unit": unit.to_string() });
    let after = json!({ "ends": day.to_string() });
    Ok(told(tx, by, Act::RoleEnded, account, Some(before), after)?)
}

/// A post goes from one person to another on a day. Records keep their author; devices keep their account.
///
/// # Errors
/// [`AccountError`].
pub fn hand_over(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    (from, to): (AccountId, AccountId),
    (unit, role): (UnitId, Role),
    day: Date,
) -> Result<(), AccountError> {
    reaches(permit, unit)?;
    for account in [from, to] {
        managed(tx, permit, by, account)?;
        others(by, account)?;
    }
    let held = realm::held_by(tx, from)?;
    let held = held
        .iter()
        .find(|held| held.on(day) && held.grant.unit == unit && held.grant.role == role);
    let grant = held.ok_or(AccountError::NotHeld)?.grant;
    realm::revoke(tx, from, unit, role, &day.to_string())?;
    realm::grant(tx, to, grant, day)?;
    let post = json!({ "role": role.code(), "unit": unit.to_string(), "from": from.to_string(), "on": day.to_string() });
    Ok(told(tx, by, Act::PostHandedOver, to, None, post)?)
}

/// Suspends an account: its sessions end, it reads nothing more, its devices may only deliver.
///
/// # Errors
/// [`AccountError`].
pub fn suspend(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    account: AccountId,
) -> Result<(), AccountError> {
    managed(tx, permit, by, account)?;
    others(by, account)?;
    tx.prepare_cached("UPDATE account SET disabled_at = ?2 WHERE id = ?1 AND disabled_at IS NULL")?
        .execute(params![account.to_bytes(), by.now_ms])?;
    tx.prepare_cached("DELETE FROM session WHERE account = ?")?
        .execute([account.to_bytes()])?;
    keep_an_admin(tx, by)?;
    Ok(audit::record(
        tx,
        by,
        Act::AccountSuspended,
        &Change::of(account),
    )?)
}

/// Takes a suspension back.
///
/// # Errors
/// [`AccountError`].
pub fn resume(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    account: AccountId,
) -> Result<(), AccountError> {
    managed(tx, permit, by, account)?;
    others(by, account)?;
    tx.prepare_cached("UPDATE account SET disabled_at = NULL WHERE id = ?")?
        .execute([account.to_bytes()])?;
    Ok(audit::record(tx, by, Act::AccountResumed, &Change::of(account))?)
}

/// Accounts that hold or held a role in the permit's units, by username.
///
/// # Errors
/// The store's.
pub fn list(conn: &Connection, permit: &Permit<Read>) -> rusqlite::Result<Vec<AccountView>> {
    page(conn, permit, None, usize::MAX)
}

/// Those of them after a username, at most `limit`.
///
/// # Errors
/// The store's.
pub fn page(
    conn: &Connection,
    permit: &Permit<Read>,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<AccountView>> {
    search::those(conn, permit, after.unwrap_or_default(), limit, |_| true)
}

impl RoleView {
    fn of(held: &realm::Held) -> Self {
        Self {
            role: held.grant.role.code(),
            unit: held.grant.unit.to_string(),
            from: held.from.to_string(),
            to: held.to.map(|to| to.to_string()),
            personal: held.grant.personal == Personal::Read,
        }
    }
}

/// Whether a permit to manage accounts holds for this one: every role that it has, or had last, is in reach.
///
/// # Errors
/// [`AccountError::NotFound`] if it does not, as if the account did not exist.
pub fn managed(
    conn: &Connection,
    permit: &Permit<Write>,
    by: &By,
    account: AccountId,
) -> Result<(), AccountError> {
    let known = "SELECT 1 FROM account WHERE id = ?";
    if !conn.prepare_cached(known)?.exists([account.to_bytes()])? {
        return Err(AccountError::NotFound);
    }
    let (held, today) = (realm::held_by(conn, account)?, day_of(by.now_ms));
    let mut now: Vec<_> = held
        .iter()
        .filter(|held| held.to.is_none_or(|to| to > today))
        .collect();
    if now.is_empty() {
        now.extend(held.iter().max_by_key(|held| held.to));
    }
    let within = now.iter().all(|held| permit.units().contains(&held.grant.unit));
    // Who never held a role is the console's.
    let ever = !now.is_empty() || by.account.is_none();
    if within && ever {
        Ok(())
    } else {
        Err(AccountError::NotFound)
    }
}

fn reaches(permit: &Permit<Write>, unit: UnitId) -> Result<(), AccountError> {
    let reached = permit.units().contains(&unit);
    reached.then_some(()).ok_or(AccountError::OutOfReach)
}

fn others(by: &By, account: AccountId) -> Result<(), AccountError> {
    if by.account == Some(account) {
        Err(AccountError::Own)
    } else {
        Ok(())
    }
}

fn give(
    tx: &Transaction<'_>,
    by: &By,
    account: AccountId,
    grant: Grant,
    from: Date,
) -> Result<(), AccountError> {
    if !realm::grant(tx, account, grant, from)? {
        return Ok(());
    }
    let after = json!({
        "role": grant.role.code(), "unit": grant.unit.to_string(), "from": from.to_string(),
        "personal": grant.personal == Personal::Read,
    });
    Ok(told(tx, by, Act::RoleGranted, account, None, after)?)
}

/// On the server's own console one may end what one likes; from anywhere else somebody has to be left who can undo it.
fn keep_an_admin(tx: &Transaction<'_>, by: &By) -> Result<(), AccountError> {
    if by.account.is_none() {
        return Ok(());
    }
    let sql = "SELECT 1 FROM role r JOIN account a ON a.id = r.account
               WHERE r.role = 'admin' AND a.disabled_at IS NULL AND r.valid_from <= ?1
                 AND (r.valid_to IS NULL OR r.valid_to > ?1)";
    let left = tx.prepare_cached(sql)?.exists([day_of(by.now_ms).to_string()])?;
    if left {
        Ok(())
    } else {
        Err(AccountError::LastAdmin)
    }
}

fn told(
    tx: &Transaction<'_>,
    by: &By,
    act: Act,
    account: AccountId,
    before: Option<Value>,
    after: Value,
) -> rusqlite::Result<()> {
    let change = Change {
        subject: account.to_string(),
        before,
        after: Some(after),
    };
    audit::record(tx, by, act, &change)
}

/// What a failed write says.
pub fn failure(error: &WriteError<AccountError>) -> String {
    match error {
        WriteError::Job(error) => error.to_string(),
        other => other.to_string(),
    }
}
