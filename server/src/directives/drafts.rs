//! Drafts: directives that are being written, for the officials of their unit alone.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use sync_core::ids::{AccountId, RecordId};
use sync_core::record::{Asks, Conflict, ConflictValue, Draft, Urgency};

use super::{document, relation, targets, unknown};
use crate::policy::{Permit, Read};
use crate::records::within;

/// Nobody gave it up or issued it.
const OPEN: &str =
    " AND NOT discarded AND NOT EXISTS (SELECT 1 FROM directive d WHERE d.draft = draft.record)";

/// How many drafts of the permit's units nobody gave up or issued.
///
/// # Errors
/// The store's.
pub fn count_drafts(conn: &Connection, permit: &Permit<Read>) -> rusqlite::Result<usize> {
    let (wheres, values) = within("unit", permit);
    let sql = format!("SELECT count(*) FROM draft WHERE {wheres}{OPEN}");
    conn.prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))
}

/// Drafts of the permit's units that nobody gave up or issued, newest first; those after one, and at most `limit`.
///
/// # Errors
/// The store's.
pub fn drafts(
    conn: &Connection,
    permit: &Permit<Read>,
    after: Option<(i64, RecordId)>,
    limit: usize,
) -> rusqlite::Result<Vec<Draft>> {
    let (mut wheres, mut values) = within("unit", permit);
    wheres.push_str(OPEN);
    if let Some((started_at, record)) = after {
        wheres.push_str(" AND (started_at, record) < (?, ?)");
        values.extend([started_at.into(), record.to_bytes().to_vec().into()]);
    }
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    select(
        conn,
        &format!("{wheres} ORDER BY started_at DESC, record DESC LIMIT ?"),
        values,
    )
}

/// One draft of the permit's units, also one that was given up or issued.
///
/// # Errors
/// The store's.
pub fn draft(conn: &Connection, permit: &Permit<Read>, record: RecordId) -> rusqlite::Result<Option<Draft>> {
    let (wheres, mut values) = within("unit", permit);
    values.push(record.to_bytes().to_vec().into());
    Ok(select(conn, &format!("{wheres} AND record = ?"), values)?.pop())
}

fn select(conn: &Connection, wheres: &str, values: Vec<Value>) -> rusqlite::Result<Vec<Draft>> {
    let sql = format!(
        "SELECT record, document, number, title, body, urgency, deadline, signer, targets, asks, relation, relates_to,
                discarded, started_by, started_at, unknown
         FROM draft WHERE {wheres}"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(draft_row(conn, row)?);
    }
    Ok(found)
}

/// The values of one field of a draft in conflict, if the permit holds for its unit.
///
/// # Errors
/// The store's.
pub fn draft_conflict(
    conn: &Connection,
    permit: &Permit<Read>,
    record: RecordId,
    field: &str,
) -> rusqlite::Result<Option<Vec<ConflictValue>>> {
    let conflicts = draft(conn, permit, record)?
        .into_iter()
        .flat_map(|draft| draft.conflicts);
    let mut found = conflicts.filter(|conflict| conflict.field == field);
    Ok(found.next().map(|conflict| conflict.values))
}

fn draft_row(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<Option<Draft>> {
    let id = RecordId::from_bytes(row.get(0)?);
    let (urgency, asks): (String, String) = (row.get(5)?, row.get(9)?);
    let Some((urgency, asks)) = Urgency::from_code(&urgency).zip(Asks::from_code(&asks)) else {
        return Ok(None);
    };
    let mut conflicts = conn.prepare_cached(r#"SELECT field, "values" FROM conflict WHERE record = ?"#)?;
    let conflicts = conflicts.query_map([id.to_bytes()], |row| {
        Ok(Conflict {
            field: row.get(0)?,
            values: minicbor::decode(row.get_ref(1)?.as_blob()?).unwrap_or_default(),
        })
    })?;
    Ok(Some(Draft {
        id,
        document: document(conn, row.get(1)?)?,
        number: row.get(2)?,
        title: row.get(3)?,
        body: row.get(4)?,
        urgency,
        deadline_ms: row.get(6)?,
        signer: row.get(7)?,
        targets: targets(row.get(8)?),
        asks,
        relation: relation(row.get(10)?, row.get(11)?),
        discarded: row.get(12)?,
        started_by: AccountId::from_bytes(row.get(13)?),
        started_at_ms: row.get(14)?,
        conflicts: conflicts.collect::<rusqlite::Result<_>>()?,
        unknown: unknown(row.get(15)?),
    }))
}
