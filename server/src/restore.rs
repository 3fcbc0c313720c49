//! Restoring a backup: the store goes back in time, and says so.
//!
//! A restore begins a new epoch, with its parent and the log position at which it branched: phones that knew the old one
//! are sent back to that position, and offer what they had delivered since. The store that was there is kept beside it.

pub mod undone;

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;

use crate::audit::{self, Act, By, Head};
use crate::backup::{self, BackupError, sync_dir, with_suffix};
use crate::log;
use crate::realm;
use crate::store::{APPLICATION_ID, OpenError, Store, WriteError};

/// A restore that was not made. The store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is damaged or cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The file is no store of ours.
    #[error("{0} is not a backup of this program")]
    Foreign(PathBuf),
    /// It cannot be opened or migrated.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new epoch could not be written.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The disk.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The last log position that the backup has.
    pub at: u64,
    /// Where the store is kept that was there before.
    pub kept: Option<PathBuf>,
}

/// Puts `backup` in the place of the store at `store`, as a new epoch. Nobody may have the store open.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(store: &Path, backup: &Path, epoch: [u8; 8], now_ms: i64) -> Result<Restored, RestoreError> {
    let io = |error| RestoreError::Io(store.to_owned(), error);
    backup::check(backup)?;
    check_owner(backup)?;
    let fresh = with_suffix(store, ".restoring");
    for suffix in ["", "-wal", "-shm"] {
        remove(&with_suffix(&fresh, suffix)).map_err(io)?;
    }
    std::fs::copy(backup, &fresh).map_err(io)?;
    let replaced = audit_head(store);
    let at = {
        let opened = Store::open(&fresh)?;
        let branched = opened.write_blocking(move |tx| {
            let at = log::head(tx)?;
            realm::branch(tx, epoch, at, now_ms)?;
            // What was done since the backup is gone from this chain: it says where the other one ended.
            let restored = audit::Change {
                subject: "store".to_owned(),
                before: replaced.map(|head| json!({ "audit": head.to_string() })),
                after: Some(json!({ "audit": audit::head(tx)?.to_string(), "position": at })),
            };
            audit::record(tx, &By::console(now_ms), Act::Restored, &restored)?;
            Ok(at)
        });
        branched.map_err(|error: WriteError<rusqlite::Error>| RestoreError::Failed(error.to_string()))?
    };
    File::open(&fresh).and_then(|file| file.sync_all()).map_err(io)?;
    let kept = keep_old(store, now_ms).map_err(io)?;
    std::fs::rename(&fresh, store).map_err(io)?;
    sync_dir(store).map_err(io)?;
    Ok(Restored { at, kept })
}

/// Where the audit of the store that is there ends, if that can be read.
fn audit_head(store: &Path) -> Option<Head> {
    let conn = Connection::open_with_flags(store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    audit::head(&conn).ok()
}

fn check_owner(backup: &Path) -> Result<(), RestoreError> {
    let conn = Connection::open_with_flags(backup, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(BackupError::from)?;
    let owner: i32 = conn
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(BackupError::from)?;
    if owner == APPLICATION_ID {
        Ok(())
    } else {
        Err(RestoreError::Foreign(backup.to_owned()))
    }
}

/// Gives the store that is there another name, and what waits in its log with it. The first name stays until the new
/// store takes it, so that there is a store at every moment.
fn keep_old(store: &Path, now_ms: i64) -> std::io::Result<Option<PathBuf>> {
    if !store.exists() {
        return Ok(None);
    }
    let kept = with_suffix(store, &format!(".before-restore-{now_ms}"));
    // Whoever opens it takes over what waits in its log. A store that does not open keeps its log beside it.
    if let Ok(conn) = Connection::open(store) {
        drop(conn.pragma_update(None, "wal_checkpoint", "TRUNCATE"));
    }
    std::fs::hard_link(store, &kept)?;
    for suffix in ["-wal", "-shm"] {
        let old = with_suffix(store, suffix);
        if old.exists() {
            std::fs::rename(old, with_suffix(&kept, suffix))?;
        }
    }
    Ok(Some(kept))
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
