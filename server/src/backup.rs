//! Backups: one file that holds the store as it was at one moment, made while the server goes on.
//!
//! `VACUUM INTO` reads inside one transaction, so that the copy is of one moment, and writers never wait for it. What
//! was copied is checked before the file gets its name. The keys are not in it: they belong into another place.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// How the backups of a running server are called: this, the time, and `.db`.
const PREFIX: &str = "langso-";

/// A backup that was not made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there already.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// There is nothing to back up.
    #[error("{0}: there is no store")]
    Missing(PathBuf),
    /// The store cannot be read, or the copy not be written.
    #[error("the backup failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The copy is not what it should be.
    #[error("the copy is damaged: {0}")]
    Damaged(String),
    /// The disk.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
}

/// Copies the store at `store` into the new file `to`. When it returns, the copy is checked and on disk.
///
/// # Errors
/// [`BackupError`].
pub fn back_up(store: &Path, to: &Path) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    if !store.exists() {
        return Err(BackupError::Missing(store.to_owned()));
    }
    let partial = with_suffix(to, ".partial");
    let io = |error| BackupError::Io(to.to_owned(), error);
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        Ok(()) | Err(_) => {}
    }
    let conn = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.execute("VACUUM INTO ?", [partial.to_string_lossy()])?;
    check(&partial)?;
    File::open(&partial)
        .and_then(|file| file.sync_all())
        .map_err(io)?;
    std::fs::rename(&partial, to).map_err(io)?;
    sync_dir(to).map_err(io)
}

/// Whether a file is a whole store, as far as it can tell by itself.
///
/// # Errors
/// [`BackupError::Damaged`].
pub fn check(path: &Path) -> Result<(), BackupError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(BackupError::Damaged(found))
    }
}

/// Makes the next backup of a series in `dir`, named by its time, and deletes the oldest beyond `keep` of them.
///
/// # Errors
/// [`BackupError`]; older backups are left as they are.
pub fn next_of_series(store: &Path, dir: &Path, keep: usize, now_ms: i64) -> Result<PathBuf, BackupError> {
    let io = |error| BackupError::Io(dir.to_owned(), error);
    std::fs::create_dir_all(dir).map_err(io)?;
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let path = dir.join(format!("{PREFIX}{}.db", time.strftime("%Y%m%dT%H%M%SZ")));
    back_up(store, &path)?;
    let mut series = series(dir).map_err(io)?;
    series.sort();
    for old in series.iter().rev().skip(keep.max(1)) {
        std::fs::remove_file(old).map_err(io)?;
    }
    Ok(path)
}

/// The backups of the series that are in `dir`; other files are nobody's business.
fn series(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let ours = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_suffix("Z.db"))
            .is_some_and(|time| {
                time.len() == 15 && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'T')
            })
    };
    let entries = std::fs::read_dir(dir)?.collect::<std::io::Result<Vec<_>>>()?;
    Ok(entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(ours)
        .collect())
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The name of a file survives a power cut only once its directory is on disk.
pub(crate) fn sync_dir(path: &Path) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_series_keeps_the_newest_and_touches_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("langso.db");
        let _store = Store::open(&path).unwrap();
        let backups = dir.path().join("backups");
        std::fs::create_dir(&backups).unwrap();
        std::fs::write(backups.join("langso-by-hand.db"), b"mine").unwrap();
        for n in 0..5 {
            next_of_series(&path, &backups, 3, n * 3_600_000).unwrap();
        }
        let mut left: Vec<String> = std::fs::read_dir(&backups)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let expected = [
            "langso-19700101T020000Z.db",
            "langso-19700101T030000Z.db",
            "langso-19700101T040000Z.db",
            "langso-by-hand.db",
        ];
        assert_eq!(left, expected);
        assert!(
            Store::open(&backups.join(expected[0])).is_ok(),
            "it is a store of its own"
        );
        let again = next_of_series(&path, &backups, 3, 4 * 3_600_000);
        assert!(matches!(again, Err(BackupError::Exists(_))));
    }
}
