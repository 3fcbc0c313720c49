//! The phone's store on disk: one SQLite file, encrypted where it is on a phone.
//!
//! Every method that writes is one transaction, flushed before it returns (`synchronous=FULL`). What is erased is
//! overwritten (`secure_delete`). The file is refused if it belongs to another program or a newer version.

mod open;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params_from_iter};

use super::{
    Credentials, DocumentSummary, ListQuery, LocalStore, OwnChange, Pending, Refused, SavedEdit,
    StoredChange, StoredDocument, SyncState, Update,
};
use crate::digest::DigestSum;
use crate::ids::{ChangeHash, Class, DocumentId, RecordId};
use crate::projection::RowChange;
use crate::seal::{KeySeed, RecordKey};
pub use open::StoreKey;

/// What can go wrong with the file, by what the app can do about it.
#[derive(Debug, thiserror::Error)]
pub enum SqliteStoreError {
    /// It belongs to another program.
    #[error("{0} is not a file of this program")]
    Foreign(PathBuf),
    /// A newer version of the app wrote it: update.
    #[error("the store is of version {found}, newer than {known}")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The key does not open it – or its first page is damaged, which looks the same.
    #[error("the key does not open the store")]
    WrongKey,
    /// The app was built without encryption.
    #[error("this build cannot encrypt")]
    NoCipher,
    /// It is open already, here or in another process.
    #[error("the store is in use")]
    InUse,
    /// The disk is full: nothing was changed; free some space.
    #[error("the disk is full")]
    Full,
    /// A stored value cannot be read.
    #[error("a stored {0} is damaged")]
    Damaged(&'static str),
    /// The file does not migrate; it is as it was.
    #[error("the store cannot be migrated: {0}")]
    Migration(#[source] refinery::Error),
    /// Anything else that SQLite says.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for SqliteStoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            // A quota, or a limit on the size of files: SQLite calls only one of the ways to be full by that name.
            Some(ErrorCode::SystemIoFailure) if is_write(&error) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged("page"),
            _ => Self::Sqlite(error),
        }
    }
}

fn is_write(error: &rusqlite::Error) -> bool {
    let failure = error.sqlite_error();
    failure.is_some_and(|failure| failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE)
}

impl SqliteStoreError {
    /// A stable code for apps.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Foreign(_) => "store_foreign",
            Self::Newer { .. } => "store_newer",
            Self::WrongKey => "store_wrong_key",
            Self::NoCipher => "store_no_cipher",
            Self::InUse => "store_in_use",
            Self::Full => "store_full",
            Self::Damaged(_) => "store_damaged",
            Self::Migration(_) => "store_migration",
            Self::Sqlite(_) => "store_failed",
        }
    }
}

type Result<T> = std::result::Result<T, SqliteStoreError>;

/// A phone's store in one file.
#[derive(Debug)]
pub struct SqliteStore {
    conn: Connection,
}

impl LocalStore for SqliteStore {
    type Error = SqliteStoreError;

    fn credentials(&self) -> Result<Option<Credentials>> {
        let sql = "SELECT body FROM credentials WHERE id = 1";
        let body: Option<Vec<u8>> = self.conn.query_row(sql, [], |row| row.get(0)).optional()?;
        body.map(|body| minicbor::decode(&body).map_err(|_| SqliteStoreError::Damaged("credentials")))
            .transpose()
    }

    fn keep_credentials(&mut self, credentials: &Credentials) -> Result<()> {
        let body = minicbor::to_vec(credentials).unwrap_or_default();
        let sql = "INSERT OR REPLACE INTO credentials (id, body) VALUES (1, ?)";
        self.conn.prepare_cached(sql)?.execute([body])?;
        Ok(())
    }

    fn state(&self) -> Result<SyncState> {
        let sql = "SELECT body FROM state WHERE id = 1";
        let body: Option<Vec<u8>> = self.conn.query_row(sql, [], |row| row.get(0)).optional()?;
        let state = body.map(|body| minicbor::decode(&body).map_err(|_| SqliteStoreError::Damaged("state")));
        Ok(state.transpose()?.unwrap_or_default())
    }

    fn documents(&self) -> Result<Vec<DocumentSummary>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT d.name, d.confirmed_heads, count(c.made_at) - count(c.refused), count(c.refused), min(c.made_at)
             FROM document d
             LEFT JOIN change c ON c.document = d.id AND c.made_at IS NOT NULL AND c.verdict IS NULL
             GROUP BY d.id",
        )?;
        let mut rows = statement.query([])?;
        let mut summaries = Vec::new();
        while let Some(row) = rows.next()? {
            let id = document_id(&row.get::<_, String>(0)?)?;
            let digest = DigestSum::of_document(
                &id,
                &heads(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?),
            );
            summaries.push(DocumentSummary {
                id,
                digest,
                pending: row.get(2)?,
                refused: row.get(3)?,
                oldest_pending_ms: row.get(4)?,
            });
        }
        Ok(summaries)
    }

    fn document(&self, id: DocumentId) -> Result<Option<StoredDocument>> {
        type Found = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);
        let found: Option<Found> = self
            .conn
            .prepare_cached("SELECT id, snapshot, seed, confirmed_heads FROM document WHERE name = ?")?
            .query_row([id.to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((row, snapshot, seed, confirmed)) = found else {
            return Ok(None);
        };
        let mut statement = self.conn.prepare_cached(
            "SELECT hash, bytes, record, made_at, refused, shown, verdict FROM change
             WHERE document = ? ORDER BY place",
        )?;
        let changes = statement
            .query_map([row], |row| stored_change(id.class(), row))?
            .collect::<rusqlite::Result<_>>()?;
        let seed: Option<[u8; 32]> = seed.and_then(|seed| seed.try_into().ok());
        let seed = seed.map(KeySeed::from_bytes);
        Ok(Some(StoredDocument {
            snapshot,
            changes,
            confirmed_heads: heads(&confirmed),
            seed,
        }))
    }

    fn document_of(&self, record: RecordId) -> Result<Option<DocumentId>> {
        let sql = "SELECT d.name FROM record_row r JOIN document d ON d.id = r.document WHERE r.record = ?";
        let name: Option<String> = self
            .conn
            .prepare_cached(sql)?
            .query_row([record.to_bytes()], |row| row.get(0))
            .optional()?;
        name.map(|name| document_id(&name)).transpose()
    }

    fn aside(&self) -> Result<Vec<(DocumentId, StoredChange)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT c.hash, c.bytes, c.record, c.made_at, c.refused, c.shown, c.verdict, d.name
             FROM change c JOIN document d ON d.id = c.document WHERE c.refused IS NOT NULL",
        )?;
        let mut rows = statement.query([])?;
        let mut aside = Vec::new();
        while let Some(row) = rows.next()? {
            let id = document_id(&row.get::<_, String>(7)?)?;
            aside.push((id, stored_change(id.class(), row)?));
        }
        Ok(aside)
    }

    fn own(&self, id: DocumentId) -> Result<Vec<OwnChange>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT o.hash, o.record, o.offered FROM own o JOIN document d ON d.id = o.document
             WHERE d.name = ? ORDER BY o.place",
        )?;
        let own = statement.query_map([id.to_string()], |row| {
            Ok(OwnChange {
                hash: ChangeHash(row.get(0)?),
                record: RecordId::from_bytes(row.get(1)?),
                offered: row.get(2)?,
            })
        })?;
        Ok(own.collect::<rusqlite::Result<_>>()?)
    }

    fn offering(&self) -> Result<Vec<DocumentId>> {
        let sql = "SELECT name FROM document WHERE id IN (SELECT document FROM own WHERE offered = 1)";
        let mut statement = self.conn.prepare_cached(sql)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        names.map(|name| document_id(&name?)).collect()
    }

    fn key(&self, record: RecordId) -> Result<Option<RecordKey>> {
        let sql = "SELECT key FROM record_key WHERE record = ?";
        let key = self
            .conn
            .prepare_cached(sql)?
            .query_row([record.to_bytes()], |row| row.get(0))
            .optional()?;
        Ok(key.map(RecordKey::from_bytes))
    }

    fn rows(&self, class: Class, query: ListQuery) -> Result<Vec<RowChange>> {
        let (mut sql, mut values) = (
            "SELECT body FROM record_row WHERE class = ?".to_owned(),
            vec![Value::from(class.code())],
        );
        let mut and = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                sql.push_str(" AND ");
                sql.push_str(condition);
                values.push(value);
            }
        };
        and("unit = ?", query.unit.map(|unit| unit.to_bytes().to_vec().into()));
        and(
            "about = ?",
            query.about.map(|about| about.to_bytes().to_vec().into()),
        );
        and("at >= ?", query.from_ms.map(Value::from));
        and("at < ?", query.until_ms.map(Value::from));
        and("in_conflict = ?", query.in_conflict.map(Value::from));
        if let Some(after) = query.after {
            sql.push_str(" AND (at, record) < (?, ?)");
            values.extend([after.at_ms.into(), after.record.to_bytes().to_vec().into()]);
        }
        sql.push_str(" ORDER BY at DESC, record DESC LIMIT ?");
        values.push(
            query
                .limit
                .map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
                .into(),
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            list.push(RowChange::from_bytes(class, body).ok_or(SqliteStoreError::Damaged("record"))?);
        }
        Ok(list)
    }

    fn unsent(&self) -> Result<BTreeMap<RecordId, Option<String>>> {
        let sql = "SELECT record, max(refused) FROM change WHERE made_at IS NOT NULL AND verdict IS NULL GROUP BY record";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((RecordId::from_bytes(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn save_edit(&mut self, edit: &SavedEdit) -> Result<()> {
        let tx = self.conn.transaction()?;
        write::save_edit(&tx, edit)?;
        Ok(tx.commit()?)
    }

    fn apply(&mut self, update: &Update) -> Result<()> {
        let tx = self.conn.transaction()?;
        write::apply(&tx, update)?;
        Ok(tx.commit()?)
    }
}

fn stored_change(class: Class, row: &Row<'_>) -> rusqlite::Result<StoredChange> {
    let record: Option<[u8; 16]> = row.get(2)?;
    let made_at: Option<i64> = row.get(3)?;
    let shown: Option<Vec<u8>> = row.get(5)?;
    let code: Option<String> = row.get(4)?;
    let verdict = row.get(6)?;
    let refused = code.map(|code| Refused {
        code,
        shown: shown.and_then(|shown| RowChange::from_bytes(class, &shown)),
        verdict,
    });
    let pending = record.zip(made_at).map(|(record, made_at_ms)| Pending {
        record: RecordId::from_bytes(record),
        made_at_ms,
        refused,
    });
    Ok(StoredChange {
        hash: ChangeHash(row.get(0)?),
        bytes: row.get(1)?,
        pending,
    })
}

fn document_id(name: &str) -> Result<DocumentId> {
    name.parse().map_err(|_| SqliteStoreError::Damaged("document id"))
}

fn heads(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes
        .as_chunks::<32>()
        .0
        .iter()
        .copied()
        .map(ChangeHash)
        .collect()
}
