//! Questions about remarks, answered from projected rows; and which remarks are open, kept where these are written.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};
use sync_core::ids::{AccountId, RecordId, UnitId};
use sync_core::record::{Remark, RemarkKind};
use sync_core::seal::{MasterKey, SealedField, open};

use crate::log;
use crate::policy::{Permit, Read};
use crate::records::{FEW, Span, within, within_spans};

/// Which remarks.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// About this record, answers among them.
    pub record: Option<RecordId>,
    /// This one alone.
    pub remark: Option<RecordId>,
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

/// Remarks that ask for something and that nobody answered, as their rows say.
const OPEN: &str = "SELECT record, unit, at FROM remark WHERE kind IN ('please_correct', 'question') \
                    AND NOT EXISTS (SELECT 1 FROM remark answer WHERE answer.answers = remark.record)";

/// Keeps which remarks are open when one is said, or an answer.
pub(crate) fn said(tx: &Transaction<'_>, row: &Remark) -> rusqlite::Result<()> {
    let asks = match row.kind {
        RemarkKind::Correct | RemarkKind::Question => true,
        RemarkKind::Verified | RemarkKind::Answer => false,
    };
    if let Some(answered) = row.answers {
        tx.prepare_cached("DELETE FROM remark_open WHERE record = ?")?
            .execute([answered.to_bytes()])?;
    } else if asks {
        // Its answer may have come before it.
        let sql = "INSERT OR REPLACE INTO remark_open SELECT ?1, ?2, ?3
                   WHERE NOT EXISTS (SELECT 1 FROM remark WHERE answers = ?1)";
        tx.prepare_cached(sql)?.execute(params![
            row.id.to_bytes(),
            row.document.unit().to_bytes(),
            row.at_ms
        ])?;
    }
    Ok(())
}

/// How many open remarks are not kept as such, and how many are that should not be.
///
/// # Errors
/// The store's.
pub fn differences(conn: &Connection) -> rusqlite::Result<(usize, usize)> {
    let kept = "SELECT record, unit, at FROM remark_open";
    let count = |sql: String| conn.query_row(&sql, [], |row| row.get(0));
    Ok((
        count(format!("SELECT count(*) FROM ({OPEN} EXCEPT {kept})"))?,
        count(format!("SELECT count(*) FROM ({kept} EXCEPT {OPEN})"))?,
    ))
}

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
    let (sql, values) = list_query(permit, filter, limit);
    let mut statement = conn.prepare_cached(&sql)?;
    statement
        .query_map(params_from_iter(values), remark_row)?
        .collect()
}

fn list_query(permit: &Permit<Read>, filter: &Filter, limit: usize) -> (String, Vec<Value>) {
    // Those that are open are few, and in a table of their own.
    let (from, unit, at, id) = match filter.open {
        true => (
            "remark_open o CROSS JOIN remark r ON r.record = o.record",
            "o.unit",
            "o.at",
            "o.record",
        ),
        false => ("remark r", "r.unit", "r.at", "r.record"),
    };
    let column = match permit.units().len() > FEW {
        true => format!("+{unit}"),
        false => unit.to_owned(),
    };
    let (mut wheres, mut values) = within(&column, permit);
    if let Some(record) = filter.record {
        wheres.push_str(" AND r.about = ?");
        values.push(record.to_bytes().to_vec().into());
    }
    if let Some(remark) = filter.remark {
        wheres.push_str(" AND r.record = ?");
        values.push(remark.to_bytes().to_vec().into());
    }
    and_spans((unit, at), &mut wheres, &mut values, filter.spans.as_deref());
    if let Some((after, record)) = filter.after {
        wheres.push_str(&format!(" AND ({at}, {id}) < (?, ?)"));
        values.extend([after.into(), record.to_bytes().to_vec().into()]);
    }
    values.push((limit as i64).into());
    let sql = format!(
        "SELECT r.record, r.unit, r.about, r.kind, r.answers, r.by_account, r.at, r.note,
           EXISTS (SELECT 1 FROM remark_open w WHERE w.record = r.record), r.document
         FROM {from} WHERE {wheres} ORDER BY {at} DESC, {id} DESC LIMIT ?"
    );
    (sql, values)
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

fn and_spans(columns: (&str, &str), wheres: &mut String, values: &mut Vec<Value>, spans: Option<&[Span]>) {
    if let Some(spans) = spans {
        let (sql, more) = within_spans(columns, spans);
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
    and_spans(("unit", "at"), &mut wheres, &mut values, spans);
    let sql = format!("SELECT unit, count(*) FROM remark_open WHERE {wheres} GROUP BY unit");
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

/// To which record something was said by a remark or an answer; `None` if there is no such one.
///
/// # Errors
/// The store's.
pub fn said_to(conn: &Connection, remark: RecordId) -> rusqlite::Result<Option<RecordId>> {
    let sql = "SELECT about FROM remark WHERE record = ?";
    let about = |row: &Row<'_>| row.get(0).map(RecordId::from_bytes);
    conn.prepare_cached(sql)?
        .query_row([remark.to_bytes()], about)
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::console;
    use crate::store::migrate;

    #[test]
    fn no_list_looks_at_remarks_that_it_does_not_show() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let record = Some(RecordId::from_parts(1, 1));
        for count in [1, FEW as u64, 120] {
            let permit = console((0..count).map(|n| UnitId::from_parts(n, 0))).to_read();
            let of = |open, record| Filter {
                open,
                record,
                after: Some((1, RecordId::from_parts(1, 1))),
                ..Filter::default()
            };
            for (filter, index) in [
                (of(false, None), ["remark_by_unit", "remark_by_time"]),
                (of(true, None), ["remark_open_by_unit", "remark_open_by_time"]),
                (of(false, record), ["remark_by_record", "remark_by_record"]),
            ] {
                let (sql, values) = list_query(&permit, &filter, 50);
                let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let plan = statement
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap();
                let plan: Vec<String> = plan.collect::<rusqlite::Result<_>>().unwrap();
                let index = index[usize::from(count > FEW as u64)];
                assert!(plan[0].contains(&format!("INDEX {index}")), "{count}: {plan:?}");
                let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
                assert!(!sorts || count == FEW as u64, "{count}: {plan:?}");
            }
        }
    }
}
