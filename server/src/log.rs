//! The change log in SQL: append, read back, find again. The truth of this server.
//!
//! Functions over one connection, so that the writer can run many of them in one transaction. What may be appended is
//! decided before ([`sync_core::admission`]); here a plan is only executed if the document still is what it was made for.

mod advance;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use sync_core::digest::DigestSum;
use sync_core::document::Document;
use sync_core::ids::{AccountId, ActorId, ChangeHash, Class, DeviceId, DocumentId, RecordId, Scope, UnitId};
use sync_core::preflight::is_intact;
use sync_core::signature::Signature;

use crate::policy::{Permit, Write};

pub use advance::{Advance, document_id, period_code};

/// The log is compressed at this level: entries are read far more often than written, and most of them are small.
const ZSTD_LEVEL: i32 = 3;
/// No stored entry inflates to more than this.
const ENTRY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One admitted batch on its way into the log.
#[derive(Debug)]
pub struct Append {
    /// Leave to append to the document's unit.
    pub permit: Permit<Write>,
    /// Its document.
    pub document: DocumentId,
    /// Who delivered it.
    pub device: DeviceId,
    /// Whose edits they are.
    pub account: AccountId,
    /// When it arrived, UTC milliseconds.
    pub received_at: i64,
    /// Signature algorithm.
    pub alg: u8,
    /// The batch's signature …
    pub signature: Signature,
    /// … and what it covers in place of the keys.
    pub keys_digest: [u8; 32],
    /// Changes of the batch that were here already, by their place in it: the signature covers them too.
    pub known: Vec<(u16, ChangeHash)>,
    /// The heads that the document must have.
    pub before: Vec<ChangeHash>,
    /// The heads that it gets.
    pub after: Vec<ChangeHash>,
    /// The new changes, in causal order.
    pub changes: Vec<AppendChange>,
}

/// One change of an [`Append`].
#[derive(Debug)]
pub struct AppendChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// Its actor.
    pub actor: ActorId,
    /// Its place in the sequence of the actor.
    pub seq: u64,
    /// The chunk.
    pub bytes: Vec<u8>,
    /// The record that it creates, with its key as it is stored.
    pub key: Option<(RecordId, Vec<u8>)>,
}

/// Where an [`Append`] went.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// The position of its first change.
    pub first: u64,
    /// What it did to the document.
    pub advance: Advance,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The document is no longer what the plan was made for.
    #[error("the plan is stale")]
    Stale,
    /// The permit is for other units: a bug, and no reason to write.
    #[error("the permit is for other units")]
    Permit,
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The changes could not be compressed.
    #[error(transparent)]
    Compress(#[from] std::io::Error),
}

/// One stored batch.
#[derive(Debug)]
pub struct Entry {
    /// The position of its first change.
    pub first: u64,
    /// The position of its last change.
    pub last: u64,
    /// The row of its document.
    pub document: i64,
    /// Its changes.
    pub changes: Vec<Vec<u8>>,
}

/// Who delivered a stored batch, and what they signed.
#[derive(Debug)]
pub struct Delivery {
    /// On which device.
    pub device: DeviceId,
    /// Whose edits they are.
    pub account: AccountId,
    /// The batch's signature …
    pub signature: Signature,
    /// … and what it covers in place of the keys.
    pub keys_digest: [u8; 32],
    /// Changes of the batch that were here already, by their place in it.
    pub known: Vec<(u16, ChangeHash)>,
}

/// A stored document that cannot be rebuilt from the log.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// An entry does not inflate.
    #[error("entry {0} is damaged")]
    Entry(u64),
    /// A change does not apply.
    #[error("entry {0} does not apply: {1}")]
    Refused(u64, sync_core::admission::Refusal),
}

/// The last position of the log.
pub fn head(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT coalesce(max(last), 0) FROM entry")?
        .query_row([], |row| row.get(0))
}

/// Every document that has changes.
pub fn documents(conn: &Connection) -> rusqlite::Result<Vec<Advance>> {
    let sql = "SELECT s.unit, s.class, d.period, d.scope, d.id, d.position, d.heads
               FROM document d JOIN scope s ON s.id = d.scope ORDER BY d.id";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let document = document_of_row(row)?;
        let heads = split_heads(row.get_ref(6)?.as_blob()?);
        Ok(Advance {
            document,
            scope_row: row.get(3)?,
            row: row.get(4)?,
            last: row.get(5)?,
            digest: DigestSum::of_document(&document, &heads),
        })
    })?;
    rows.collect()
}

/// Executes a plan by compare-and-set.
///
/// # Errors
/// [`AppendError::Stale`] if the document has other heads than the plan was made for; then nothing was written.
pub fn append(tx: &Transaction<'_>, plan: &Append) -> Result<Appended, AppendError> {
    if !plan.permit.units().contains(&plan.document.unit()) {
        return Err(AppendError::Permit);
    }
    let (scope_row, row) = document_row(tx, plan)?;
    let first = head(tx)? + 1;
    let last = first + plan.changes.len() as u64 - 1;
    tx.prepare_cached(
        "INSERT INTO entry (last, first, document, scope, device, account, received_at, alg, signature, keys_digest, known, changes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        last,
        first,
        row,
        scope_row,
        plan.device.to_bytes(),
        plan.account.to_bytes(),
        plan.received_at,
        plan.alg,
        plan.signature.0,
        plan.keys_digest,
        plan.known.iter().flat_map(|(place, hash)| place.to_be_bytes().into_iter().chain(hash.0)).collect::<Vec<u8>>(),
        pack(plan.changes.iter().map(|change| change.bytes.as_slice()))?,
    ])?;
    for (change, position) in plan.changes.iter().zip(first..) {
        index_change(tx, row, plan.device, change, position)?;
    }
    tx.prepare_cached("UPDATE document SET heads = ?, changes = changes + ?, position = ? WHERE id = ?")?
        .execute(params![join_heads(&plan.after), plan.changes.len(), last, row])?;
    let digest = DigestSum::of_document(&plan.document, &plan.after);
    Ok(Appended {
        first,
        advance: Advance {
            document: plan.document,
            scope_row,
            row,
            last,
            digest,
        },
    })
}

/// The rows of the scope and the document, made at the first append; they must be what the plan was made for.
fn document_row(tx: &Transaction<'_>, plan: &Append) -> Result<(i64, i64), AppendError> {
    let scope = plan.document.scope();
    if let Some((scope_row, row, heads)) = find_document(tx, plan.document)? {
        let same = heads == join_heads(&plan.before);
        return if same {
            Ok((scope_row, row))
        } else {
            Err(AppendError::Stale)
        };
    }
    if plan.before != [Document::genesis_hash(plan.document)] {
        return Err(AppendError::Stale);
    }
    tx.prepare_cached("INSERT OR IGNORE INTO scope (unit, class) VALUES (?, ?)")?
        .execute(params![scope.unit.to_bytes(), scope.class.code()])?;
    let scope_row: i64 = tx
        .prepare_cached("SELECT id FROM scope WHERE unit = ? AND class = ?")?
        .query_row(params![scope.unit.to_bytes(), scope.class.code()], |row| {
            row.get(0)
        })?;
    tx.prepare_cached(
        "INSERT INTO document (scope, period, heads, changes, position) VALUES (?, ?, ?, 0, 0)",
    )?
    .execute(params![
        scope_row,
        period_code(plan.document.period()),
        join_heads(&plan.before)
    ])?;
    Ok((scope_row, tx.last_insert_rowid()))
}

/// Scope row, document row and heads of a document that has changes.
pub fn find_document(conn: &Connection, id: DocumentId) -> rusqlite::Result<Option<(i64, i64, Vec<u8>)>> {
    conn.prepare_cached(
        "SELECT d.scope, d.id, d.heads FROM document d JOIN scope s ON s.id = d.scope
         WHERE s.unit = ? AND s.class = ? AND d.period = ?",
    )?
    .query_row(
        params![id.unit().to_bytes(), id.class().code(), period_code(id.period())],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
    .optional()
}

fn index_change(
    tx: &Transaction<'_>,
    document: i64,
    device: DeviceId,
    change: &AppendChange,
    position: u64,
) -> rusqlite::Result<()> {
    let find = "SELECT id FROM actor WHERE document = ? AND actor = ?";
    let known: Option<i64> = tx
        .prepare_cached(find)?
        .query_row(params![document, change.actor.to_bytes()], |row| row.get(0))
        .optional()?;
    let actor = match known {
        Some(actor) => actor,
        None => {
            tx.prepare_cached("INSERT INTO actor (document, actor, device) VALUES (?, ?, ?)")?
                .execute(params![document, change.actor.to_bytes(), device.to_bytes()])?;
            tx.last_insert_rowid()
        }
    };
    tx.prepare_cached("INSERT INTO change (actor, seq, position) VALUES (?, ?, ?)")?
        .execute(params![actor, change.seq, position])?;
    if let Some((record, wrapped)) = &change.key {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO record_key (record, document, position, wrapped) VALUES (?, ?, ?, ?)",
        )?
        .execute(params![record.to_bytes(), document, position, wrapped])?;
    }
    Ok(())
}

/// Which device each actor of a document belongs to.
pub fn owners(conn: &Connection, document: i64) -> rusqlite::Result<Vec<(ActorId, DeviceId)>> {
    let mut statement = conn.prepare_cached("SELECT actor, device FROM actor WHERE document = ?")?;
    let rows = statement.query_map([document], |row| {
        Ok((
            ActorId::from(row.get_ref(0)?.as_blob()?),
            DeviceId::from_bytes(row.get(1)?),
        ))
    })?;
    rows.collect()
}

/// Entries of a document with changes in `(after, until]`, in order, to be read one at a time.
pub fn entries_of_document(
    conn: &Connection,
    document: i64,
    after: u64,
    until: u64,
    mut each: impl FnMut(Entry) -> std::ops::ControlFlow<()>,
) -> Result<(), ReplayError> {
    let mut statement = conn.prepare_cached(
        "SELECT first, last, document, changes FROM entry WHERE document = ? AND last > ? AND first <= ? ORDER BY last",
    )?;
    let mut rows = statement.query(params![document, after, until])?;
    while let Some(row) = rows.next()? {
        if each(entry(row)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// One entry by the position of its last change.
pub fn entry_at(conn: &Connection, last: u64) -> Result<Entry, ReplayError> {
    let mut statement =
        conn.prepare_cached("SELECT first, last, document, changes FROM entry WHERE last = ?")?;
    let mut rows = statement.query([last])?;
    match rows.next()? {
        Some(row) => entry(row),
        None => Err(ReplayError::Entry(last)),
    }
}

/// Who delivered the entry whose last change has this position.
pub fn delivery(conn: &Connection, last: u64) -> rusqlite::Result<Delivery> {
    let sql = "SELECT device, account, signature, keys_digest, known FROM entry WHERE last = ?";
    conn.prepare_cached(sql)?.query_row([last], |row| {
        let known = row.get_ref(4)?.as_blob()?.as_chunks::<34>().0;
        let known = known
            .iter()
            .map(|[high, low, hash @ ..]| (u16::from_be_bytes([*high, *low]), ChangeHash(*hash)));
        Ok(Delivery {
            device: DeviceId::from_bytes(row.get(0)?),
            account: AccountId::from_bytes(row.get(1)?),
            signature: Signature(row.get(2)?),
            keys_digest: row.get(3)?,
            known: known.collect(),
        })
    })
}

/// The device and the position that an actor's change was written down with.
pub fn written_down(
    conn: &Connection,
    document: i64,
    actor: &ActorId,
    seq: u64,
) -> rusqlite::Result<Option<(DeviceId, u64)>> {
    conn.prepare_cached(
        "SELECT a.device, c.position FROM change c JOIN actor a ON a.id = c.actor
         WHERE a.document = ? AND a.actor = ? AND c.seq = ?",
    )?
    .query_row(params![document, actor.to_bytes(), seq], |row| {
        Ok((DeviceId::from_bytes(row.get(0)?), row.get(1)?))
    })
    .optional()
}

/// The last positions of at most `limit` entries of a scope after a position.
pub fn entries_of_scope(
    conn: &Connection,
    scope: i64,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<u64>> {
    let mut statement =
        conn.prepare_cached("SELECT last FROM entry WHERE scope = ? AND last > ? ORDER BY last LIMIT ?")?;
    let rows = statement.query_map(params![scope, after, limit], |row| row.get(0))?;
    rows.collect()
}

/// The document of a row.
pub fn document_by_row(conn: &Connection, row: i64) -> rusqlite::Result<DocumentId> {
    conn.prepare_cached(
        "SELECT s.unit, s.class, d.period FROM document d JOIN scope s ON s.id = d.scope WHERE d.id = ?",
    )?
    .query_row([row], document_of_row)
}

fn document_of_row(row: &Row<'_>) -> rusqlite::Result<DocumentId> {
    let unit = UnitId::from_bytes(row.get(0)?);
    let damaged = || rusqlite::Error::IntegralValueOutOfRange(1, 0);
    let class = Class::from_code(row.get(1)?).ok_or_else(damaged)?;
    document_id(Scope { unit, class }, row.get(2)?).ok_or_else(damaged)
}

fn entry(row: &Row<'_>) -> Result<Entry, ReplayError> {
    let last = row.get(1)?;
    let packed = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
    let changes = unpack(packed).ok_or(ReplayError::Entry(last))?;
    Ok(Entry {
        first: row.get(0)?,
        last,
        document: row.get(2)?,
        changes,
    })
}

/// Heads as they stand in a column: 32 bytes each, ascending.
pub fn join_heads(heads: &[ChangeHash]) -> Vec<u8> {
    heads.iter().flat_map(|head| head.0).collect()
}

/// The heads of a column.
pub fn split_heads(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes
        .as_chunks::<32>()
        .0
        .iter()
        .copied()
        .map(ChangeHash)
        .collect()
}

fn pack<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    for chunk in chunks {
        plain.extend((chunk.len() as u32).to_be_bytes());
        plain.extend(chunk);
    }
    zstd::bulk::compress(&plain, ZSTD_LEVEL)
}

fn unpack(packed: &[u8]) -> Option<Vec<Vec<u8>>> {
    let size = zstd::bulk::Decompressor::upper_bound(packed)?.min(ENTRY_BYTES_MAX);
    let plain = zstd::bulk::decompress(packed, size).ok()?;
    let (mut rest, mut chunks) = (plain.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (chunk, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        chunks.push(chunk.to_vec());
        rest = after;
    }
    rest.is_empty().then_some(chunks)
}

/// The stored snapshot of a document, and the position at which it was made.
pub fn snapshot(conn: &Connection, document: i64) -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
    conn.prepare_cached("SELECT position, bytes FROM snapshot WHERE document = ? AND length(bytes) > 0")?
        .query_row([document], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The same if it is of a position in `(after, until]`, of at most `bytes` bytes, and smaller than the entries after
/// `after` that it stands for.
pub fn snapshot_within(
    conn: &Connection,
    document: i64,
    after: u64,
    until: u64,
    bytes: i64,
) -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
    // The lengths of blobs stand in their rows: nothing is read that is not sent.
    conn.prepare_cached(
        "SELECT position, bytes FROM snapshot s
         WHERE document = ?1 AND position > ?2 AND position <= ?3 AND length(bytes) <= ?4
           AND length(bytes) < (SELECT sum(length(changes)) FROM entry
                                WHERE document = ?1 AND last > ?2 AND last <= s.position)",
    )?
    .query_row(params![document, after, until, bytes], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
    .optional()
    // A phone could not load a damaged one, and would ask for it again and again.
    .map(|found: Option<(u64, Vec<u8>)>| found.filter(|(_, bytes)| is_intact(bytes)))
}

/// Documents of which so much was written since their last snapshot that a new one pays: as much again as it holds,
/// and no less than `least` changes. The ones with most to gain first.
pub fn snapshots_due(conn: &Connection, least: u64, limit: usize) -> rusqlite::Result<Vec<DocumentId>> {
    let mut statement = conn.prepare_cached(
        "SELECT c.unit, c.class, d.period FROM document d JOIN scope c ON c.id = d.scope
         LEFT JOIN snapshot s ON s.document = d.id
         WHERE d.changes - coalesce(s.changes, 0) >= max(?1, coalesce(s.changes, 0))
         ORDER BY d.changes - coalesce(s.changes, 0) DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![least, limit], document_of_row)?;
    rows.collect()
}

/// Stores the snapshot of a document that has these heads; nothing if it has moved on.
pub fn put_snapshot(
    tx: &Transaction<'_>,
    document: i64,
    heads: &[ChangeHash],
    bytes: &[u8],
) -> rusqlite::Result<usize> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO snapshot (document, position, changes, bytes)
         SELECT id, position, changes, ?3 FROM document WHERE id = ?1 AND heads = ?2",
    )?
    .execute(params![document, join_heads(heads), bytes])
}

/// There can be no snapshot of a document that has these heads: another one is due when it is twice as large. The one before,
/// if there is one, stays.
pub fn put_off_snapshot(
    tx: &Transaction<'_>,
    document: i64,
    heads: &[ChangeHash],
) -> rusqlite::Result<usize> {
    tx.prepare_cached(
        "INSERT INTO snapshot (document, position, changes, bytes)
         SELECT id, position, changes, x'' FROM document WHERE id = ?1 AND heads = ?2
         ON CONFLICT (document) DO UPDATE SET changes = excluded.changes",
    )?
    .execute(params![document, join_heads(heads)])
}
