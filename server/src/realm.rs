//! The realm in SQL: units, accounts, roles, devices and codes. Primary tables, unlike everything that follows the log.

mod accounts;
mod devices;
mod roles;
mod units;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sync_core::ids::RealmId;
use sync_core::protocol::{Epoch, EpochBranch, EpochInfo};

use crate::tree::TreeError;
pub use accounts::{
    Account, account_by_username, account_id, add_account, display_name, password_hash, username,
};
pub use devices::{Device, add_device, add_returned, device, keep_key, returned_device, signing_key};
pub(crate) use roles::held;
pub use roles::{Held, grant, held_by, held_roles, revoke};
pub use units::{all_units, tree, turning_days};

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
