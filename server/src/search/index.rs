//! The index of records, from their rows and keys. The transaction that writes a row notes that it is due; it is indexed in
//! the quiet, or before the next search answers ([`super::catch_up`]).
//!
//! A row whose key was destroyed and that is put again has no personal words any more, so erasure is one more `put`.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};
use sync_core::ids::{DocumentId, RecordId};
use sync_core::seal::{SealedField, open};

use super::{Blinder, Fit, terms, token};
use crate::log;

/// So many bits of a row's number tell records of one millisecond apart.
const RECORD_BITS: u32 = 20;

/// The number that rows of this time begin with.
pub(super) fn first_of(occurred_at_ms: i64) -> i64 {
    occurred_at_ms.clamp(0, i64::MAX >> RECORD_BITS) << RECORD_BITS
}

/// Notes that a record is to be indexed again.
///
/// # Errors
/// The store's.
pub(crate) fn note(tx: &Transaction<'_>, record: RecordId) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO search_due (record) VALUES (?)")?
        .execute([record.to_bytes()])?;
    Ok(())
}

/// Whether a record is to be indexed.
///
/// # Errors
/// The store's.
pub(super) fn is_due(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM search_due LIMIT 1")?
        .exists([])
}

/// Indexes records that are due, at most so many. Gives how many there were: fewer than `most` if none is left.
///
/// # Errors
/// The store's.
pub(super) fn put_due(tx: &Transaction<'_>, blinder: &Blinder, most: usize) -> rusqlite::Result<usize> {
    let due: Vec<[u8; 16]> = tx
        .prepare_cached("SELECT record FROM search_due ORDER BY record LIMIT ?")?
        .query_map([most], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for record in &due {
        put(tx, blinder, RecordId::from_bytes(*record))?;
        tx.prepare_cached("DELETE FROM search_due WHERE record = ?")?
            .execute([record])?;
    }
    Ok(due.len())
}

/// Indexes a record as its row is now.
///
/// # Errors
/// The store's.
pub(super) fn put(tx: &Transaction<'_>, blinder: &Blinder, record: RecordId) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(&format!("{ROWS} WHERE record = ?"))?;
    let row = statement
        .query_row([record.to_bytes()], IndexRow::of)
        .optional()?;
    drop(statement);
    let known: Option<i64> = tx
        .prepare_cached("SELECT id FROM search_record WHERE record = ?")?
        .query_row([record.to_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        tx.prepare_cached("DELETE FROM search WHERE rowid = ?")?
            .execute([id])?;
        tx.prepare_cached("DELETE FROM search_record WHERE id = ?")?
            .execute([id])?;
    }
    row.map_or(Ok(()), |row| insert(tx, blinder, &row))
}

fn insert(tx: &Transaction<'_>, blinder: &Blinder, row: &IndexRow) -> rusqlite::Result<()> {
    let mut id = row.number();
    let mut taken = tx.prepare_cached("SELECT 1 FROM search_record WHERE id = ?")?;
    while taken.exists([id])? {
        id += 1;
    }
    tx.prepare_cached("INSERT INTO search_record (id, record) VALUES (?, ?)")?
        .execute(params![id, row.record.to_bytes()])?;
    let tokens = Vec::from_iter(row.tokens(tx, blinder)?).join(" ");
    tx.prepare_cached("INSERT INTO search (rowid, tokens) VALUES (?, ?)")?
        .execute(params![id, tokens])?;
    Ok(())
}

/// Indexes every record again. What was deleted before is not even a hole afterwards.
///
/// # Errors
/// The store's.
pub fn rebuild(tx: &Transaction<'_>, blinder: &Blinder) -> rusqlite::Result<()> {
    tx.execute_batch(
        "INSERT INTO search (search) VALUES ('delete-all'); DELETE FROM search_record; DELETE FROM search_due",
    )?;
    let mut statement = tx.prepare(&format!("{ROWS} ORDER BY record"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        insert(tx, blinder, &IndexRow::of(row)?)?;
    }
    Ok(())
}

/// Whether the index is that of the rows, each of its tokens and no other – but for records that are due.
///
/// # Errors
/// The store's.
pub fn is_whole(conn: &Connection, blinder: &Blinder) -> rusqlite::Result<bool> {
    let (mut expected, mut records) = (Sum::default(), 0);
    let mut statement = conn.prepare(&format!(
        "{ROWS} WHERE record NOT IN (SELECT record FROM search_due)"
    ))?;
    let mut rows = statement.query([])?;
    let mut find = conn.prepare("SELECT id FROM search_record WHERE record = ?")?;
    while let Some(row) = rows.next()? {
        let row = IndexRow::of(row)?;
        let id: Option<i64> = find
            .query_row([row.record.to_bytes()], |row| row.get(0))
            .optional()?;
        let Some(id) = id.filter(|id| *id >= row.number() && *id < first_of(row.occurred_at_ms + 1)) else {
            return Ok(false);
        };
        records += 1;
        for token in row.tokens(conn, blinder)? {
            expected.add(id, &token);
        }
    }
    let due = "SELECT id FROM search_record WHERE record IN (SELECT record FROM search_due)";
    let sql = format!("SELECT count(*) FROM search_record WHERE id NOT IN ({due})");
    let known: i64 = conn.query_row(&sql, [], |row| row.get(0))?;
    let mut found = Sum::default();
    let mut statement = conn.prepare(&format!(
        "SELECT doc, term FROM search_token WHERE doc NOT IN ({due})"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        found.add(row.get(0)?, row.get_ref(1)?.as_str()?);
    }
    Ok(known == records && expected == found)
}

/// Sums up what is in an index, in any order.
#[derive(Default, PartialEq, Eq)]
struct Sum(u128);

impl Sum {
    fn add(&mut self, id: i64, token: &str) {
        let mut hash = Sha256::new();
        hash.update(id.to_be_bytes());
        hash.update(token);
        let [sum @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]: [u8; 32] = hash.finalize().into();
        self.0 = self.0.wrapping_add(u128::from_be_bytes(sum));
    }
}

const ROWS: &str = "SELECT record, document, unit, occurred_at, category, procedure, citizen_name, citizen_phone, \
                    citizen_id, note FROM assistance";

/// What of a row is indexed.
struct IndexRow {
    record: RecordId,
    document: i64,
    unit: [u8; 16],
    occurred_at_ms: i64,
    category: String,
    procedure: Option<String>,
    sealed: Vec<(SealedField, Vec<u8>)>,
}

impl IndexRow {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut sealed = Vec::new();
        for (field, column) in SealedField::ALL.into_iter().zip(6..) {
            sealed.extend(row.get::<_, Option<Vec<u8>>>(column)?.map(|bytes| (field, bytes)));
        }
        Ok(Self {
            record: RecordId::from_bytes(row.get(0)?),
            document: row.get(1)?,
            unit: row.get(2)?,
            occurred_at_ms: row.get(3)?,
            category: row.get(4)?,
            procedure: row.get(5)?,
            sealed,
        })
    }

    /// Where it belongs in the index, if no other is there.
    fn number(&self) -> i64 {
        let [.., a, b, c] = self.record.to_bytes();
        let bits = i64::from(u32::from_be_bytes([0, a, b, c]) & ((1 << RECORD_BITS) - 1));
        first_of(self.occurred_at_ms) | bits
    }

    /// Each once.
    fn tokens(&self, conn: &Connection, blinder: &Blinder) -> rusqlite::Result<BTreeSet<String>> {
        let mut tokens = BTreeSet::from([unit(&self.unit), category(&self.category)]);
        tokens.extend(self.procedure.as_deref().map(procedure));
        for text in self.opened(conn, blinder)? {
            for word in terms(&text) {
                tokens.insert(blinder.token(Fit::Folded, &word));
                tokens.insert(blinder.token(Fit::Exact, &word));
            }
        }
        Ok(tokens)
    }

    /// The texts of the sealed fields. A record whose key is gone has none.
    fn opened(&self, conn: &Connection, blinder: &Blinder) -> rusqlite::Result<Vec<String>> {
        if self.sealed.is_empty() {
            return Ok(Vec::new());
        }
        let key = conn
            .prepare_cached("SELECT wrapped FROM record_key WHERE record = ?")?
            .query_row([self.record.to_bytes()], |row| {
                Ok(blinder
                    .master
                    .unwrap_key(row.get_ref(0)?.as_blob()?, self.record)
                    .ok())
            })
            .optional()?;
        let Some(key) = key.flatten() else {
            return Ok(Vec::new());
        };
        let document: DocumentId = log::document_by_row(conn, self.document)?;
        let texts = self.sealed.iter();
        let texts = texts.filter_map(|(field, bytes)| open(&key, &document, self.record, *field, bytes).ok());
        Ok(texts.collect())
    }
}

pub(super) fn unit(id: &[u8; 16]) -> String {
    token('u', id)
}

pub(super) fn category(code: &str) -> String {
    token('c', code.as_bytes())
}

pub(super) fn procedure(code: &str) -> String {
    token('p', code.as_bytes())
}
