//! Questions about remarks, answered from projected rows.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use sync_core::ids::{AccountId, RecordId, UnitId};
use sync_core::seal::{MasterKey, SealedField, open};

use crate::log;
use crate::policy::{Permit, Read};
use crate::records::{Span, within, within_spans};

/// Which remarks.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// About this record, answers among them.
    pub record: Option<RecordId>,
    /// Only those that wait for an answer.
    pub open: bool,
    /// After this one in the list: when it was made, and which it is.
    pub after: Option<(i64, RecordId)>,
    /// Only in one of these.
    pub spans: Option<Vec<Span>>,
}

/// One remark or answer.
#[derive(Clone, Debug)]
pub struct RemarkRow {
    /// Its id.
    pub id: RecordId,
    /// The hamlet that is spoken to.
    pub unit: UnitId,
    /// The record it is about.
    pub record: RecordId,
    /// What it is.
    pub kind: String,
    /// The remark that it answers.
    pub answers: Option<RecordId>,
    /// Who.
    pub by: AccountId,
    /// When, UTC milliseconds of the device, corrected.
    pub at_ms: i64,
    /// Ciphertext of its words.
    pub sealed: Option<Vec<u8>>,
    /// Whether it asks for something and nobody answered.
    pub open: bool,
    document: i64,
}

/// It asks for something, and nobody answered.
const OPEN: &str = "(kind IN ('please_correct', 'question') \
                    AND NOT EXISTS (SELECT 1 FROM remark answer WHERE answer.answers = remark.record))";

/// Remarks of the permit's units, newest first, at most `limit`.
///
/// # Errors
/// The store's.
pub fn list(
    conn: &Connection,
    permit: &Permit<Read>,
    filter: &Filter,
    limit: usize,
) -> rusqlite::Result<Vec<RemarkRow>> {
    let (mut wheres, mut values) = within("unit", permit);
    if let Some(record) = filter.record {
        wheres.push_str(" AND about = ?");
        values.push(record.to_bytes().to_vec().into());
    }
    if filter.open {
        wheres.push_str(&format!(" AND {OPEN}"));
    }
    and_spans(&mut wheres, &mut values, filter.spans.as_deref());
    if let Some((at, record)) = filter.after {
        wheres.push_str(" AND (at, record) < (?, ?)");
        values.extend([at.into(), record.to_bytes().to_vec().into()]);
    }
    values.push((limit as i64).into());
    let sql = format!(
        "SELECT record, unit, about, kind, answers, by_account, at, note, {OPEN}, document FROM remark
         WHERE {wheres} ORDER BY at DESC, record DESC LIMIT ?"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    statement
        .query_map(params_from_iter(values), remark_row)?
        .collect()
}

fn remark_row(row: &Row<'_>) -> rusqlite::Result<RemarkRow> {
    let answers: Option<[u8; 16]> = row.get(4)?;
    Ok(RemarkRow {
        id: RecordId::from_bytes(row.get(0)?),
        unit: UnitId::from_bytes(row.get(1)?),
        record: RecordId::from_bytes(row.get(2)?),
        kind: row.get(3)?,
        answers: answers.map(RecordId::from_bytes),
        by: AccountId::from_bytes(row.get(5)?),
        at_ms: row.get(6)?,
        sealed: row.get(7)?,
        open: row.get(8)?,
        document: row.get(9)?,
    })
}

fn and_spans(wheres: &mut String, values: &mut Vec<Value>, spans: Option<&[Span]>) {
    if let Some(spans) = spans {
        let (sql, more) = within_spans(("unit", "at"), spans);
        wheres.push_str(&format!(" AND ({sql})"));
        values.extend(more);
    }
}

/// How many remarks wait for an answer, by unit: in one of the spans, if there are any.
///
/// # Errors
/// The store's.
pub fn open_by_unit(
    conn: &Connection,
    permit: &Permit<Read>,
    spans: Option<&[Span]>,
) -> rusqlite::Result<BTreeMap<UnitId, u64>> {
    let (mut wheres, mut values) = within("unit", permit);
    and_spans(&mut wheres, &mut values, spans);
    let sql = format!("SELECT unit, count(*) FROM remark WHERE {wheres} AND {OPEN} GROUP BY unit");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((UnitId::from_bytes(row.get(0)?), row.get(1)?))
    })?;
    rows.collect()
}

/// The words of remarks, for a permit that holds for citizens' data. One whose key is gone has none.
///
/// # Errors
/// The store's.
pub fn words(
    conn: &Connection,
    permit: &Permit<Read>,
    master: &MasterKey,
    rows: &[RemarkRow],
) -> rusqlite::Result<Vec<Option<String>>> {
    let mut find = conn.prepare_cached("SELECT wrapped FROM record_key WHERE record = ?")?;
    rows.iter()
        .map(|row| {
            let Some(sealed) = row.sealed.as_ref().filter(|_| permit.personal()) else {
                return Ok(None);
            };
            let wrapped: Option<Vec<u8>> =
                find.query_row([row.id.to_bytes()], |row| row.get(0)).optional()?;
            let key = wrapped.and_then(|wrapped| master.unwrap_key(&wrapped, row.id).ok());
            let document = log::document_by_row(conn, row.document)?;
            Ok(key.and_then(|key| open(&key, &document, row.id, SealedField::Note, sealed).ok()))
        })
        .collect()
}

/// The hamlet and the record of a remark that can be answered.
///
/// # Errors
/// The store's.
pub fn find(conn: &Connection, remark: RecordId) -> rusqlite::Result<Option<(UnitId, RecordId)>> {
    let sql = "SELECT unit, about FROM remark WHERE record = ? AND answers IS NULL";
    conn.prepare_cached(sql)?
        .query_row([remark.to_bytes()], |row| {
            Ok((UnitId::from_bytes(row.get(0)?), RecordId::from_bytes(row.get(1)?)))
        })
        .optional()
}
