//! The two steps that write, inside the transaction of the caller.

use rusqlite::{OptionalExtension, Transaction, params};

use super::Result;
use crate::ids::{ChangeHash, DocumentId, RecordId};
use crate::local_store::{Confirmed, DocumentUpdate, Offer, SavedEdit, StoredChange, Update};
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
    if let Some(offer) = update.offer {
        put_offer(tx, offer)?;
    }
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
    if let Some(before) = update.forget_own_before_ms {
        tx.prepare_cached("DELETE FROM own WHERE delivered_at < ?")?
            .execute([before])?;
    }
    Ok(())
}

fn apply_document(tx: &Transaction<'_>, update: &DocumentUpdate) -> Result<()> {
    let document = document_row(tx, update.id)?;
    for confirmed in &update.confirmed {
        confirm(tx, document, confirmed)?;
    }
    for hash in &update.dropped {
        drop_change(tx, *hash)?;
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
    for change in &update.pending {
        put_change(tx, document, change)?;
        tx.prepare_cached("DELETE FROM own WHERE hash = ?")?
            .execute([change.hash.0])?;
    }
    let heads: Vec<u8> = update.confirmed_heads.iter().flat_map(|head| head.0).collect();
    tx.prepare_cached(
        "UPDATE document SET confirmed_heads = ?1,
           seed = iif(EXISTS (SELECT 1 FROM change WHERE document = ?2 AND made_at IS NOT NULL), seed, NULL)
         WHERE id = ?2",
    )?
    .execute(params![heads, document])?;
    put_rows(tx, document, &update.rows)?;
    for record in &update.rows_gone {
        tx.prepare_cached("DELETE FROM record_row WHERE record = ?")?
            .execute([record.to_bytes()])?;
    }
    Ok(())
}

fn confirm(tx: &Transaction<'_>, document: i64, confirmed: &Confirmed) -> Result<()> {
    let receipt =
        "UPDATE change SET record = NULL, made_at = NULL, refused = NULL, shown = NULL, verdict = NULL
         WHERE document = ? AND hash = ?";
    tx.prepare_cached(receipt)?
        .execute(params![document, confirmed.hash.0])?;
    tx.prepare_cached(
        "INSERT INTO own (hash, document, record, delivered_at, position) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (hash) DO UPDATE SET position = excluded.position, offered = 0",
    )?
    .execute(params![
        confirmed.hash.0,
        document,
        confirmed.record.to_bytes(),
        confirmed.at_ms,
        confirmed.position
    ])?;
    Ok(())
}

/// Lets go of a change in whose place another one stands.
fn drop_change(tx: &Transaction<'_>, hash: ChangeHash) -> Result<()> {
    let steps = [
        "UPDATE change SET record = NULL, made_at = NULL, refused = NULL, dropped = 1 WHERE hash = ? AND made_at IS NOT NULL",
        "DELETE FROM change WHERE hash = ? AND dropped = 1",
        "DELETE FROM own WHERE hash = ?",
    ];
    for step in steps {
        tx.prepare_cached(step)?.execute([hash.0])?;
    }
    Ok(())
}

fn put_offer(tx: &Transaction<'_>, offer: Offer) -> Result<()> {
    let after = match offer {
        Offer::All => -1,
        Offer::After(at) => i64::try_from(at).unwrap_or(i64::MAX),
    };
    tx.prepare_cached("UPDATE own SET offered = 1 WHERE coalesce(position, ?1 + 1) > ?1")?
        .execute([after])?;
    Ok(())
}

/// Drops a document that may no longer be read – unless something in it is to be delivered, for the first time or again.
fn forget(tx: &Transaction<'_>, id: DocumentId) -> Result<()> {
    let Some(document) = find_document(tx, id)? else {
        return Ok(());
    };
    let owed = "SELECT EXISTS (SELECT 1 FROM change WHERE document = ?1 AND made_at IS NOT NULL)
                  OR EXISTS (SELECT 1 FROM own WHERE document = ?1 AND offered = 1)";
    if tx.prepare_cached(owed)?.query_row([document], |row| row.get(0))? {
        return Ok(());
    }
    let keys = "DELETE FROM record_key WHERE record IN (SELECT record FROM record_row WHERE document = ?)";
    let steps = [
        keys,
        "DELETE FROM record_row WHERE document = ?",
        "DELETE FROM own WHERE document = ?",
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
    let pending = change.pending.as_ref();
    let refused = change.refused();
    let shown = refused.and_then(|refused| refused.shown.as_ref());
    // Causal order is the order of places: what comes back, or is written again, goes to the end.
    tx.prepare_cached(
        "INSERT INTO change (document, hash, bytes, record, made_at, refused, shown, verdict) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (document, hash) DO UPDATE SET
           place = (SELECT max(place) + 1 FROM change), record = excluded.record, made_at = excluded.made_at,
           refused = excluded.refused, shown = excluded.shown, verdict = excluded.verdict",
    )?
    .execute(params![
        document,
        change.hash.0,
        change.bytes,
        pending.map(|pending| pending.record.to_bytes()),
        pending.map(|pending| pending.made_at_ms),
        refused.map(|refused| refused.code.as_str()),
        shown.map(RowChange::to_bytes),
        refused.and_then(|refused| refused.verdict.as_deref()),
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
