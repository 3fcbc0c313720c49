//! The realm in SQL: units, accounts, roles, devices and codes. Primary tables, unlike everything that follows the log.

use std::collections::HashMap;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sync_core::ids::{AccountId, DeviceId, RealmId, UnitId};
use sync_core::protocol::{Epoch, EpochBranch, EpochInfo};
use sync_core::signature::PublicKey;

use crate::policy::{Grant, Personal, Role};
use crate::tree::{Tree, TreeError, Unit};

/// Rows that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The units of the day are no tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The store was never made a realm.
    #[error("the store holds no realm")]
    Missing,
}

/// Who this store is.
#[derive(Clone, Copy, Debug)]
pub struct RealmInfo {
    /// The realm.
    pub id: RealmId,
    /// This life of the store.
    pub epoch: EpochInfo,
}

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

/// A device as it was enrolled.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub account: AccountId,
    /// Its key.
    pub key: PublicKey,
    /// When, UTC milliseconds.
    pub enrolled_at: i64,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Makes the store a realm if it is none; tells who it is.
///
/// # Errors
/// The store's.
pub fn init(tx: &Transaction<'_>, id: RealmId, epoch: [u8; 8]) -> rusqlite::Result<()> {
    let mut put = tx.prepare("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)")?;
    put.execute(params!["realm", id.to_bytes()])?;
    put.execute(params!["epoch", epoch])?;
    Ok(())
}

/// Who this store is.
///
/// # Errors
/// [`RealmError::Missing`] before [`init`].
pub fn info(conn: &Connection) -> Result<RealmInfo, RealmError> {
    let id: Option<[u8; 16]> = meta(conn, "realm")?;
    let epoch: Option<[u8; 8]> = meta(conn, "epoch")?;
    let (id, epoch) = id.zip(epoch).ok_or(RealmError::Missing)?;
    Ok(RealmInfo {
        id: RealmId::from_bytes(id),
        epoch: EpochInfo {
            id: Epoch(epoch),
            parent: parent_of(conn, Epoch(epoch))?,
        },
    })
}

fn parent_of(conn: &Connection, epoch: Epoch) -> rusqlite::Result<Option<EpochBranch>> {
    conn.prepare_cached("SELECT parent, at FROM epoch WHERE id = ?")?
        .query_row([epoch.0], |row| {
            Ok(EpochBranch {
                id: Epoch(row.get(0)?),
                at: row.get(1)?,
            })
        })
        .optional()
}

/// Begins a new life of the store, which shares its log with the one before up to `at`.
///
/// # Errors
/// The store's.
pub fn branch(tx: &Transaction<'_>, epoch: [u8; 8], at: u64, now_ms: i64) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO epoch (id, parent, at, began_at) SELECT ?, value, ?, ? FROM meta WHERE key = 'epoch'",
        params![epoch, at, now_ms],
    )?;
    tx.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", [epoch])?;
    Ok(())
}

/// Up to which position the log is that of an earlier epoch; `None` if this store does not come from it.
///
/// # Errors
/// The store's.
pub fn shared_with(conn: &Connection, current: Epoch, earlier: Epoch) -> rusqlite::Result<Option<u64>> {
    let (mut epoch, mut shared) = (current, u64::MAX);
    while epoch != earlier {
        let Some(branch) = parent_of(conn, epoch)? else {
            return Ok(None);
        };
        shared = shared.min(branch.at);
        epoch = branch.id;
    }
    Ok(Some(shared))
}

fn meta<T: rusqlite::types::FromSql>(conn: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    conn.prepare_cached("SELECT value FROM meta WHERE key = ?")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// Moves on with every change of units, accounts and roles.
///
/// # Errors
/// The store's.
pub fn authority_version(conn: &Connection) -> rusqlite::Result<i64> {
    Ok(meta(conn, "authority")?.unwrap_or(0))
}

/// The tree as it stands on a day.
///
/// # Errors
/// [`RealmError::Tree`] if the rows of the day are no tree.
pub fn tree(conn: &Connection, day: Date) -> Result<Tree, RealmError> {
    let mut statement = conn.prepare_cached(
        "SELECT unit, level, code, name, parent FROM unit_period
         WHERE valid_from <= ?1 AND (valid_to IS NULL OR valid_to > ?1)",
    )?;
    let units = statement.query_map([day.to_string()], |row| {
        Ok(Unit {
            id: UnitId::from_bytes(row.get(0)?),
            level: row.get(1)?,
            code: row.get(2)?,
            name: row.get(3)?,
            parent: row.get::<_, Option<[u8; 16]>>(4)?.map(UnitId::from_bytes),
        })
    })?;
    let tree = Tree::new(units.collect::<rusqlite::Result<Vec<_>>>()?)?;
    let mut statement = conn.prepare_cached("SELECT unit, successor FROM unit_successor WHERE since <= ?")?;
    let pairs = statement.query_map([day.to_string()], |row| {
        Ok((UnitId::from_bytes(row.get(0)?), UnitId::from_bytes(row.get(1)?)))
    })?;
    let tree = tree.with_successors(pairs.collect::<rusqlite::Result<Vec<_>>>()?);
    let mut statement = conn.prepare_cached(
        "SELECT unit FROM unit_period WHERE valid_from <= ?1
         EXCEPT SELECT unit FROM unit_period WHERE valid_from <= ?1 AND (valid_to IS NULL OR valid_to > ?1)
         EXCEPT SELECT unit FROM unit_successor WHERE since <= ?1",
    )?;
    let ended = statement.query_map([day.to_string()], |row| row.get(0).map(UnitId::from_bytes))?;
    Ok(tree.with_orphans(ended.collect::<rusqlite::Result<Vec<_>>>()?))
}

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

/// What an account is called, if it exists.
///
/// # Errors
/// The store's.
pub fn display_name(conn: &Connection, account: AccountId) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT display_name FROM account WHERE id = ?")?
        .query_row([account.to_bytes()], |row| row.get(0))
        .optional()
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

/// The days on which the tree became another, after `after` and up to `day`, ascending.
///
/// # Errors
/// The store's.
pub fn turning_days(conn: &Connection, after: Date, day: Date) -> rusqlite::Result<Vec<Date>> {
    let mut statement = conn.prepare_cached(
        "SELECT valid_from FROM unit_period WHERE valid_from > ?1 AND valid_from <= ?2
         UNION SELECT valid_to FROM unit_period WHERE valid_to > ?1 AND valid_to <= ?2 ORDER BY 1",
    )?;
    let days = statement.query_map([after.to_string(), day.to_string()], |row| {
        row.get::<_, String>(0)
    })?;
    days.filter_map(|day| day.map(|day| day.parse().ok()).transpose())
        .collect()
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

/// Every unit there ever was.
///
/// # Errors
/// The store's.
pub fn all_units(conn: &Connection) -> rusqlite::Result<Vec<UnitId>> {
    let mut statement = conn.prepare_cached("SELECT id FROM unit")?;
    let units = statement.query_map([], |row| row.get(0).map(UnitId::from_bytes))?;
    units.collect()
}

/// A device.
///
/// # Errors
/// The store's.
pub fn device(conn: &Connection, id: DeviceId) -> rusqlite::Result<Option<Device>> {
    let sql = "SELECT account, public_key, enrolled_at, revoked_at IS NOT NULL FROM device WHERE id = ?";
    let row = conn
        .prepare_cached(sql)?
        .query_row([id.to_bytes()], |row| {
            Ok((row.get(0)?, row.get::<_, [u8; 32]>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    Ok(row.and_then(|(account, key, enrolled_at, revoked)| {
        let (account, key) = (AccountId::from_bytes(account), PublicKey::from_bytes(key).ok()?);
        Some(Device {
            id,
            account,
            key,
            enrolled_at,
            revoked,
        })
    }))
}

/// The key with which a device signs. The server's own replica is the device that bears the realm's id; it signs with the
/// realm's key.
///
/// # Errors
/// The store's.
pub fn signing_key(conn: &Connection, id: DeviceId) -> rusqlite::Result<Option<PublicKey>> {
    let realm: Option<[u8; 16]> = meta(conn, "realm")?;
    if realm == Some(id.to_bytes()) {
        let key: Option<[u8; 32]> = meta(conn, "realm_key")?;
        return Ok(key.and_then(|key| PublicKey::from_bytes(key).ok()));
    }
    Ok(device(conn, id)?.map(|device| device.key))
}

/// Writes down the key with which the server's own replica signs.
///
/// # Errors
/// The store's.
pub fn keep_key(tx: &Transaction<'_>, key: PublicKey) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('realm_key', ?)")?
        .execute([key.to_bytes()])?;
    Ok(())
}

/// Adds a device.
///
/// # Errors
/// The store's.
pub fn add_device(tx: &Transaction<'_>, device: &Device) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO device (id, account, public_key, enrolled_at) VALUES (?, ?, ?, ?)")?
        .execute(params![
            device.id.to_bytes(),
            device.account.to_bytes(),
            device.key.to_bytes(),
            device.enrolled_at
        ])?;
    Ok(())
}
