//! Rows of drafts, directives, acknowledgements and remarks.

use rusqlite::{Transaction, params};
use sync_core::ids::RecordId;
use sync_core::record::{Acknowledgement, Directive, Draft, Remark};
use sync_core::seal::SealedField;

use super::unknown;
use crate::remarks;

pub(super) fn put_draft(tx: &Transaction<'_>, document: i64, row: &Draft) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO draft
           (record, document, unit, number, title, body, urgency, deadline, signer, targets, asks, relation, relates_to,
            discarded, started_by, started_at, unknown)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id.to_bytes(),
        document,
        row.document.unit().to_bytes(),
        row.number,
        row.title,
        row.body,
        row.urgency.code(),
        row.deadline_ms,
        row.signer,
        row.targets.to_bytes(),
        row.asks.code(),
        row.relation.map(|(relation, _)| relation.code()),
        row.relation.map(|(_, record)| record.to_bytes()),
        row.discarded,
        row.started_by.to_bytes(),
        row.started_at_ms,
        unknown(&row.unknown),
    ])?;
    Ok(())
}

pub(super) fn put_directive(tx: &Transaction<'_>, document: i64, row: &Directive) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO directive
           (record, document, unit, directive, version, digest, number, number_key, title, body, urgency, deadline, signer, targets,
            asks, relation, relates_to, draft, issued_by, device, issued_at, signature, unknown, actor, seq)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id.to_bytes(),
        document,
        row.document.unit().to_bytes(),
        row.issue.directive.to_bytes(),
        row.issue.version,
        row.issue.digest,
        row.number,
        row.number_key(),
        row.title,
        row.body,
        row.urgency.code(),
        row.deadline_ms,
        row.signer,
        row.targets.to_bytes(),
        row.asks.code(),
        row.relation.map(|(relation, _)| relation.code()),
        row.relation.map(|(_, record)| record.to_bytes()),
        row.draft.map(RecordId::to_bytes),
        row.issued_by.to_bytes(),
        row.device.to_bytes(),
        row.issued_at_ms,
        row.signature.0,
        unknown(&row.unknown),
        row.origin.as_ref().map(|origin| origin.actor.as_slice()),
        row.origin.as_ref().map(|origin| origin.seq),
    ])?;
    Ok(())
}

pub(super) fn put_acknowledgement(
    tx: &Transaction<'_>,
    document: i64,
    row: &Acknowledgement,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO acknowledgement
           (record, document, unit, directive, version, digest, stage, note, at, device_at, by_account, device, previous,
            signature, statement, actor, seq, unknown)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id.to_bytes(),
        document,
        row.document.unit().to_bytes(),
        row.issue.directive.to_bytes(),
        row.issue.version,
        row.issue.digest,
        row.stage.code(),
        row.note,
        row.at_ms,
        row.device_at_ms,
        row.by.to_bytes(),
        row.device.to_bytes(),
        row.previous,
        row.signature.0,
        row.digest,
        row.origin.actor.as_slice(),
        row.origin.seq,
        unknown(&row.unknown),
    ])?;
    Ok(())
}

pub(super) fn put_remark(tx: &Transaction<'_>, document: i64, row: &Remark) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO remark
           (record, document, unit, about, kind, answers, by_account, device, at, note, unknown)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.id.to_bytes(),
        document,
        row.document.unit().to_bytes(),
        row.record.to_bytes(),
        row.kind.code(),
        row.answers.map(RecordId::to_bytes),
        row.by.to_bytes(),
        row.device.to_bytes(),
        row.at_ms,
        row.sealed.get(&SealedField::Note),
        unknown(&row.unknown),
    ])?;
    remarks::said(tx, row)
}
