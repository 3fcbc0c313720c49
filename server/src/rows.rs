//! Projected rows in SQL: what [`sync_core::projection`] says, written down where queries find it.

mod directives;

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params};
use sync_core::projection::RowChange;
use sync_core::record::{Assistance, Scalar, Settled};
use sync_core::seal::SealedField;

use crate::aggregates::{self, Part};

/// Every table of projected rows, with the columns that tell its rows apart.
pub const TABLES: [(&str, &str); 7] = [
    ("assistance", "record"),
    ("conflict", "record, field"),
    ("draft", "record"),
    ("directive", "record"),
    ("acknowledgement", "record"),
    ("remark", "record"),
    ("settlement", "record, field, change"),
];

/// The statements that make these tables, for a store that holds nothing else.
pub const SCHEMA: &str = concat!(
    include_str!("../../migrations/sqlite/V3__projection.sql"),
    include_str!("../../migrations/sqlite/V6__directives.sql"),
    include_str!("../../migrations/sqlite/V10__directive_origin.sql"),
    include_str!("../../migrations/sqlite/V12__aggregates.sql"),
    include_str!("../../migrations/sqlite/V14__settlement.sql"),
    include_str!("../../migrations/sqlite/V17__lists.sql"),
);

/// Deletes the rows of every document, and what is kept of them: sums, and which remarks are open.
///
/// # Errors
/// The store's.
pub fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let tables = TABLES.iter().map(|(table, _)| *table);
    tables
        .chain(["daily", "remark_open"])
        .try_for_each(|table| tx.execute_batch(&format!("DELETE FROM {table}")))
}

/// The rows of one document in one table, every column of them.
///
/// # Errors
/// The store's.
pub fn read(
    conn: &Connection,
    (table, order): (&str, &str),
    document: i64,
) -> rusqlite::Result<Vec<Vec<Value>>> {
    let sql = format!("SELECT * FROM {table} WHERE document = ? ORDER BY {order}");
    let mut statement = conn.prepare_cached(&sql)?;
    let columns = statement.column_count();
    statement
        .query_map([document], |row| (0..columns).map(|at| row.get(at)).collect())?
        .collect()
}

/// Writes rows of one document.
///
/// # Errors
/// The store's.
pub fn put(tx: &Transaction<'_>, document: i64, rows: &[RowChange]) -> rusqlite::Result<()> {
    for row in rows {
        match row {
            RowChange::Assistance(row) => put_assistance(tx, document, row)?,
            RowChange::Draft(row) => directives::put_draft(tx, document, row)?,
            RowChange::Directive(row) => directives::put_directive(tx, document, row)?,
            RowChange::Acknowledgement(row) => directives::put_acknowledgement(tx, document, row)?,
            RowChange::Remark(row) => directives::put_remark(tx, document, row)?,
        }
        put_conflicts(tx, document, row)?;
    }
    Ok(())
}

fn put_assistance(tx: &Transaction<'_>, document: i64, row: &Assistance) -> rusqlite::Result<()> {
    let sealed = |field| row.sealed.get(&field);
    let before = Part::stored(tx, row.id)?;
    // What may replace a row keeps a journal of its own, to take that back: most rows are new.
    let verb = if before.is_some() {
        "INSERT OR REPLACE"
    } else {
        "INSERT"
    };
    tx.prepare_cached(&format!(
        "{verb} INTO assistance
           (record, document, unit, occurred_at, category, procedure, channel, outcome, people, minutes, satisfaction,
            recorded_by, device, recorded_at, retracted_reason, retracted_by, retracted_at,
            citizen_name, citizen_phone, citizen_id, note, unknown)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?
    .execute(params![
        row.id.to_bytes(),
        document,
        row.document.unit().to_bytes(),
        row.occurred_at_ms,
        row.category,
        row.procedure,
        row.channel,
        row.outcome,
        row.people,
        row.minutes,
        row.satisfaction,
        row.recorded_by.to_bytes(),
        row.device.to_bytes(),
        row.recorded_at_ms,
        row.retraction.as_ref().map(|retraction| retraction.reason.code()),
        row.retraction.as_ref().map(|retraction| retraction.by.to_bytes()),
        row.retraction.as_ref().map(|retraction| retraction.at_ms),
        sealed(SealedField::CitizenName),
        sealed(SealedField::CitizenPhone),
        sealed(SealedField::CitizenId),
        sealed(SealedField::Note),
        unknown(&row.unknown),
    ])?;
    aggregates::moved(tx, before, &Part::of(row))
}

/// Fields that this version does not know, as they stand in a column.
fn unknown(fields: &BTreeMap<String, Scalar>) -> Option<Vec<u8>> {
    (!fields.is_empty()).then(|| minicbor::to_vec(fields).unwrap_or_default())
}

fn put_conflicts(tx: &Transaction<'_>, document: i64, row: &RowChange) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM conflict WHERE record = ?")?
        .execute([row.record().to_bytes()])?;
    for conflict in row.conflicts() {
        tx.prepare_cached(
            r#"INSERT INTO conflict (record, field, unit, document, "values") VALUES (?, ?, ?, ?, ?)"#,
        )?
        .execute(params![
            row.record().to_bytes(),
            conflict.field,
            row.document().unit().to_bytes(),
            document,
            minicbor::to_vec(&conflict.values).unwrap_or_default(),
        ])?;
    }
    Ok(())
}

/// Writes down what was settled in one document.
///
/// # Errors
/// The store's.
pub fn put_settled(tx: &Transaction<'_>, document: i64, settled: &[Settled]) -> rusqlite::Result<()> {
    for row in settled {
        tx.prepare_cached(
            r#"INSERT OR REPLACE INTO settlement (record, field, change, unit, document, by_account, at, chosen, "values")
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"#,
        )?
        .execute(params![
            row.record.to_bytes(),
            row.field,
            row.change,
            row.document.unit().to_bytes(),
            document,
            row.by.to_bytes(),
            row.at_ms,
            row.chosen.as_ref().map(|chosen| minicbor::to_vec(chosen).unwrap_or_default()),
            minicbor::to_vec(&row.values).unwrap_or_default(),
        ])?;
    }
    Ok(())
}
