//! Opening the file: whose it is, which version it has, how it is flushed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

mod embedded {
    refinery::embed_migrations!("../migrations/sqlite");
}

/// "LNGS": what the header of our files says.
pub const APPLICATION_ID: i32 = 0x4c4e_4753;
/// How long a command beside the server waits for its turn.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A file that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It belongs to another program.
    #[error("{0} is not a file of this program")]
    Foreign(PathBuf),
    /// It was written by a newer version.
    #[error("the store is of version {found}, newer than {known}: update the program")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// It is damaged, or the disk does not answer.
    #[error("the store cannot be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A migration failed; the file is as it was.
    #[error("the store cannot be migrated: {0}")]
    Migration(#[from] refinery::Error),
}

impl OpenError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            OpenError::Foreign(_) => "store_foreign",
            OpenError::Newer { .. } => "store_newer",
            OpenError::Sqlite(_) => "store_unreadable",
            OpenError::Migration(_) => "store_migration",
        }
    }
}

/// A connection that may write, with everything set that a connection has to have.
///
/// # Errors
/// [`OpenError`]; a file that is not ours is left as it is.
pub fn open_connection(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    check_owner(&conn, path)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // A receipt means: on disk. NORMAL would lose the last commits in a power cut.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // What is erased is overwritten.
    conn.pragma_update(None, "secure_delete", true)?;
    // Every job has a savepoint, and what it may have to take back would go to a file: a tenth of all the work of a push.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    settle(&conn)?;
    Ok(conn)
}

/// What is the same for every connection.
fn settle(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(128);
    // Plans do not depend on what is bound: else a statement is prepared again at each use, a twentieth of a push.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    settle(&conn)?;
    Ok(conn)
}

/// An empty file becomes ours; any other has to be.
fn check_owner(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign = |_| OpenError::Foreign(path.to_owned());
    let owner: i32 = conn
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(foreign)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (owner, tables) {
        (APPLICATION_ID, _) => Ok(()),
        (0, 0) => Ok(conn.pragma_update(None, "application_id", APPLICATION_ID)?),
        _ => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// Whether the file is of an older version, so that whoever opens it migrates it.
///
/// # Errors
/// When it is there and cannot be read.
pub fn is_older(path: &Path) -> Result<bool, OpenError> {
    if !path.exists() {
        return Ok(false);
    }
    let found = version_of(&reader(path)?);
    Ok(found > 0 && found < newest(&embedded::migrations::runner()))
}

/// The newest version that is known here.
fn newest(runner: &refinery::Runner) -> i64 {
    let versions = runner.get_migrations().iter().map(|one| i64::from(one.version()));
    versions.max().unwrap_or(0)
}

/// The version of a file; 0 for one that is fresh or not ours.
fn version_of(conn: &Connection) -> i64 {
    let sql = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    conn.query_row(sql, [], |row| row.get(0)).unwrap_or(0)
}

pub(crate) fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    let runner = embedded::migrations::runner();
    let (found, known) = (version_of(conn), newest(&runner));
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    // All in one transaction, and that they were made: a death in between would leave a file that no start can migrate.
    runner.set_grouped(true).run(conn)?;
    Ok(())
}
