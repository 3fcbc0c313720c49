//! Opening the file: whose it is, which version wrote it, and with which key.
//!
//! Encryption is SQLCipher's (AES-256, and a MAC over each page), with a key that is random already: nothing is derived
//! from a password, so opening costs no time. Whether SQLCipher is linked is chosen where the app is built; a build
//! without it refuses a key rather than write in the clear. A store is one replica's: who opens it locks it, and a second
//! process is turned away.

use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use zeroize::Zeroizing;

use super::{Result, SqliteStore, SqliteStoreError};

mod embedded {
    refinery::embed_migrations!("../migrations/phone");
}

/// "LNGP": what the header of our files says.
const APPLICATION_ID: i32 = 0x4c4e_4750;
/// What every file in the clear begins with.
const CLEAR_HEADER: &[u8; 16] = b"SQLite format 3\0";
/// The smallest file that SQLCipher writes: one page.
const CIPHER_PAGE_BYTES: u64 = 4096;

/// What a store is encrypted with: 32 random bytes that the app keeps where the platform keeps keys.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl StoreKey {
    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// As SQLCipher takes a key that nothing is to be derived from.
    fn to_pragma(&self) -> Zeroizing<String> {
        let hex = Zeroizing::new(data_encoding::HEXLOWER.encode(&*self.0));
        Zeroizing::new(format!("x'{}'", *hex))
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(secret)")
    }
}

impl SqliteStore {
    /// Opens the file at `path`, in the clear, and makes or migrates it.
    ///
    /// # Errors
    /// [`SqliteStoreError`]; a file that is not ours is left as it is.
    pub fn open(path: &Path) -> Result<Self> {
        Self::start(connect(path)?, path)
    }

    /// Opens the encrypted file at `path`, and makes or migrates it. An empty file becomes a store with this key.
    ///
    /// # Errors
    /// [`SqliteStoreError`]; a file that is not ours, or is not opened by the key, is left as it is.
    pub fn open_encrypted(path: &Path, key: &StoreKey) -> Result<Self> {
        check_header(path)?;
        let conn = connect(path)?;
        // What is wrong with a key is told by the error, not on the standard error of somebody's app.
        conn.pragma_update(None, "cipher_log_level", "NONE")?;
        conn.pragma_update(None, "key", key.to_pragma().as_str())?;
        let cipher: rusqlite::Result<String> =
            conn.pragma_query_value(None, "cipher_version", |row| row.get(0));
        if cipher.is_err() {
            return Err(SqliteStoreError::NoCipher);
        }
        let read = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        });
        match read.as_ref().map_err(rusqlite::Error::sqlite_error_code) {
            Err(Some(ErrorCode::NotADatabase)) => return Err(SqliteStoreError::WrongKey),
            Ok(_) | Err(_) => read?,
        };
        Self::start(conn, path)
    }

    /// Encrypts the store with another key. If the process dies meanwhile, the old key or the new one opens it.
    ///
    /// # Errors
    /// [`SqliteStoreError`]; then the old key holds.
    pub fn rekey(&mut self, key: &StoreKey) -> Result<()> {
        Ok(self.conn.pragma_update(None, "rekey", key.to_pragma().as_str())?)
    }

    fn start(mut conn: Connection, path: &Path) -> Result<Self> {
        check_owner(&conn, path)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "secure_delete", true)?;
        conn.set_prepared_statement_cache_capacity(32);
        migrate(&mut conn)?;
        Ok(Self { conn })
    }
}

/// Nobody else has business with the file: whoever finds it locked is told so at once.
fn connect(path: &Path) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::default())?;
    conn.busy_timeout(Duration::ZERO)?;
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(conn)
}

/// Tells from a wrong key what no key opens: a file in the clear, and one that was cut short.
#[expect(clippy::disallowed_methods, reason = "this is a store")]
fn check_header(path: &Path) -> Result<()> {
    let Ok(file) = std::fs::File::open(path) else {
        return Ok(());
    };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut header = Vec::new();
    let read = file.take(CLEAR_HEADER.len() as u64).read_to_end(&mut header);
    if read.is_ok() && header == CLEAR_HEADER {
        return Err(SqliteStoreError::Foreign(path.to_owned()));
    }
    if (1..CIPHER_PAGE_BYTES).contains(&length) {
        return Err(SqliteStoreError::Damaged("file"));
    }
    Ok(())
}

/// An empty file becomes ours; any other has to be.
fn check_owner(conn: &Connection, path: &Path) -> Result<()> {
    let foreign = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => SqliteStoreError::Foreign(path.to_owned()),
        _ => error.into(),
    };
    let owner: i32 = conn
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(foreign)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (owner, tables) {
        (APPLICATION_ID, _) => Ok(()),
        (0, 0) => Ok(conn.pragma_update(None, "application_id", APPLICATION_ID)?),
        _ => Err(SqliteStoreError::Foreign(path.to_owned())),
    }
}

fn migrate(conn: &mut Connection) -> Result<()> {
    let runner = embedded::migrations::runner();
    let known = runner
        .get_migrations()
        .iter()
        .map(|migration| i64::from(migration.version()))
        .max()
        .unwrap_or(0);
    // The table is missing in a fresh file; in any other it has to be readable.
    let fresh: bool = conn.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')",
        [],
        |row| row.get(0),
    )?;
    let found = if fresh {
        0
    } else {
        let sql = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
        conn.query_row(sql, [], |row| row.get(0))?
    };
    if found > known {
        return Err(SqliteStoreError::Newer { found, known });
    }
    if found < known {
        // All in one transaction, and that they were made: a death in between would leave a file that no start can
        // migrate.
        runner.set_grouped(true).run(conn)?;
    }
    Ok(())
}

impl From<refinery::Error> for SqliteStoreError {
    /// A full disk is a full disk and a damaged page a damaged page, whatever was being done.
    fn from(error: refinery::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(inner) = cause {
            let sqlite = inner.downcast_ref::<rusqlite::Error>();
            match sqlite.and_then(rusqlite::Error::sqlite_error_code) {
                Some(ErrorCode::DiskFull) => return Self::Full,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => return Self::Damaged("page"),
                _ => cause = inner.source(),
            }
        }
        Self::Migration(error)
    }
}
