//! The two steps that write, inside the transaction of the caller.

use rusqlite::{OptionalExtension, Transaction, params};

use super::Result;
use crate::ids::{ChangeHash, DocumentId, RecordId};
use crate::local_store::{DocumentUpdate, SavedEdit, StoredChange, Update};
use crate::projection::RowChange;
use crate::seal::RecordKey;

pub(super) fn save_edit(tx: &Transaction<'_>, edit: &SavedEdit) -> Result<()> {
    let document = document_row(tx, edit.document)?;
    tx.prepare_cached("UPDATE document SET seed = ? WHERE id = ?")?
        .execute(params![edit.seed.to_bytes(), document])?;
    put_change(tx, document, &edit.change)?;
    if let (Some(key), Some(pending)) = (&edit.key, &edit.change.pending) {
        put_key(tx, pending.record, key)?;
    }
    put_rows(tx, document, &edit.rows)
}

pub(super) fn apply(tx: &Transaction<'_>, update: &Update) -> Result<()> {
    let state = minicbor::to_vec(&update.state).unwrap_or_default();
    tx.prepare_cached("INSERT OR REPLACE INTO state (id, body) VALUES (1, ?)")?
        .execute([state])?;
    for document in &update.documents {
        apply_document(tx, document)?;
    }
    for record in &update.erased {
        tx.prepare_cached("DELETE FROM record_key WHERE record = ?")?
            .execute([record.to_bytes()])?;
        tx.prepare_cached("INSERT OR IGNORE INTO erased (record) VALUES (?)")?
            .execute([record.to_bytes()])?;
    }
    for (record, key) in &update.keys {
        put_key(tx, *record, key)?;
    }
    for id in &update.gone {
        forget(tx, *id)?;
    }
    Ok(())
}

fn apply_document(tx: &Transaction<'_>, update: &DocumentUpdate) -> Result<()> {
    let document = document_row(tx, update.id)?;
    let confirm =
        "UPDATE change SET record = NULL, made_at = NULL, refused = NULL WHERE document = ? AND hash = ?";
    for hash in &update.confirmed {
        tx.prepare_cached(confirm)?.execute(params![document, hash.0])?;
    }
    let refuse = "UPDATE change SET refused = ? WHERE document = ? AND hash = ? AND made_at IS NOT NULL";
    for (hash, code) in &update.refused {
        tx.prepare_cached(refuse)?
            .execute(params![code, document, hash.0])?;
    }
    if let Some(snapshot) = &update.snapshot {
        tx.prepare_cached("UPDATE document SET snapshot = ? WHERE id = ?")?
            .execute(params![snapshot, document])?;
        tx.prepare_cached("DELETE FROM change WHERE document = ? AND made_at IS NULL")?
            .execute([document])?;
    }
    for (hash, bytes) in &update.new {
        let change = StoredChange {
            hash: *hash,
            bytes: bytes.clone(),
            pending: None,
        };
        put_change(tx, document, &change)?;
    }
    let heads: Vec<u8> = update.confirmed_heads.iter().flat_map(|head| head.0).collect();
    tx.prepare_cached(
        "UPDATE document SET confirmed_heads = ?1,
           seed = iif(EXISTS (SELECT 1 FROM change WHERE document = ?2 AND made_at IS NOT NULL), seed, NULL)
         WHERE id = ?2",
    )?
    .execute(params![heads, document])?;
    put_rows(tx, document, &update.rows)
}

/// Drops a document that may no longer be read – unless something in it has no receipt.
fn forget(tx: &Transaction<'_>, id: DocumentId) -> Result<()> {
    let Some(document) = find_document(tx, id)? else {
        return Ok(());
    };
    let pending = "SELECT EXISTS (SELECT 1 FROM change WHERE document = ? AND made_at IS NOT NULL)";
    if tx
        .prepare_cached(pending)?
        .query_row([document], |row| row.get(0))?
    {
        return Ok(());
    }
    let keys = "DELETE FROM record_key WHERE record IN (SELECT record FROM record_row WHERE document = ?)";
    let steps = [
        keys,
        "DELETE FROM record_row WHERE document = ?",
        "DELETE FROM change WHERE document = ?",
        "DELETE FROM document WHERE id = ?",
    ];
    for step in steps {
        tx.prepare_cached(step)?.execute([document])?;
    }
    Ok(())
}

fn find_document(tx: &Transaction<'_>, id: DocumentId) -> Result<Option<i64>> {
    let sql = "SELECT id FROM document WHERE name = ?";
    Ok(tx
        .prepare_cached(sql)?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?)
}

fn document_row(tx: &Transaction<'_>, id: DocumentId) -> Result<i64> {
    if let Some(row) = find_document(tx, id)? {
        return Ok(row);
    }
    let sql = "INSERT INTO document (name, confirmed_heads) VALUES (?, x'')";
    tx.prepare_cached(sql)?.execute([id.to_string()])?;
    Ok(tx.last_insert_rowid())
}

fn put_change(tx: &Transaction<'_>, document: i64, change: &StoredChange) -> Result<()> {
    let ChangeHash(hash) = change.hash;
    let pending = change.pending.as_ref();
    tx.prepare_cached(
        "INSERT OR IGNORE INTO change (document, hash, bytes, record, made_at, refused) VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        document,
        hash,
        change.bytes,
        pending.map(|pending| pending.record.to_bytes()),
        pending.map(|pending| pending.made_at_ms),
        pending.and_then(|pending| pending.refused.as_deref()),
    ])?;
    Ok(())
}

/// The first key of a record wins; that of an erased one never comes back.
fn put_key(tx: &Transaction<'_>, record: RecordId, key: &RecordKey) -> Result<()> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO record_key (record, key)
         SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM erased WHERE record = ?1)",
    )?
    .execute(params![record.to_bytes(), key.to_bytes()])?;
    Ok(())
}

fn put_rows(tx: &Transaction<'_>, document: i64, rows: &[RowChange]) -> Result<()> {
    for row in rows {
        tx.prepare_cached(
            "INSERT OR REPLACE INTO record_row (record, document, class, unit, about, at, in_conflict, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            row.record().to_bytes(),
            document,
            row.document().class().code(),
            row.document().unit().to_bytes(),
            row.about().map(RecordId::to_bytes),
            row.at_ms(),
            !row.conflicts().is_empty(),
            row.to_bytes(),
        ])?;
    }
    Ok(())
}
