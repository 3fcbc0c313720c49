//! Conflicts: what several people said of one field without seeing each other. Which are open, which were settled – by
//! whom, when, and what had been said –, and settling one.
//!
//! Both lists are projected rows. Whoever settles may choose one of the values or write another; either takes the place of
//! all that were there, and of nothing that its author did not see ([`crate::seen`]).

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use sync_core::edit::{AssistanceField, Edit, EditError, Otherwise};
use sync_core::ids::{AccountId, DocumentId, RecordId, UnitId};
use sync_core::record::{ConflictValue, Scalar};

use crate::app::App;
use crate::log;
use crate::policy::{Permit, Read};
use crate::records::{FEW, Span, within, within_spans};
use crate::replica::ServerEditError;
use crate::seen::Seen;

/// One field in conflict.
#[derive(Clone, Debug)]
pub struct ConflictRow {
    /// The record.
    pub record: RecordId,
    /// Its hamlet.
    pub unit: UnitId,
    /// Where it lives.
    pub document: DocumentId,
    /// The field's key.
    pub field: String,
    /// The values; the one shown meanwhile first.
    pub values: Vec<ConflictValue>,
}

/// One conflict that was settled.
#[derive(Clone, Debug)]
pub struct SettledRow {
    /// The record.
    pub record: RecordId,
    /// Its hamlet.
    pub unit: UnitId,
    /// Where it lives.
    pub document: DocumentId,
    /// The field's key.
    pub field: String,
    /// What had been said; the value that was shown meanwhile first.
    pub values: Vec<ConflictValue>,
    /// The value that counts since; `None`: the field was emptied.
    pub chosen: Option<Scalar>,
    /// Who settled it.
    pub by: AccountId,
    /// When, UTC milliseconds of the device.
    pub at_ms: i64,
    /// Hash of the change.
    pub change: [u8; 32],
}

impl SettledRow {
    /// Where it stands in the list.
    pub fn place(&self) -> SettledPlace {
        SettledPlace {
            at_ms: self.at_ms,
            change: self.change,
            field: self.field.clone(),
        }
    }
}

/// A place in the list of what was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledPlace {
    /// When it was settled, UTC milliseconds.
    pub at_ms: i64,
    /// By which change.
    pub change: [u8; 32],
    /// Which field.
    pub field: String,
}

/// What is to count.
#[derive(Clone, Debug)]
pub enum Choice {
    /// One of the values in conflict.
    One(Scalar),
    /// Another value of the field, or none.
    Other(Otherwise),
}

const OPEN: &str = r#"SELECT c.record, c.document, c.field, c."values"
    FROM conflict c JOIN assistance a ON a.record = c.record"#;
const SETTLED: &str = r#"SELECT s.record, s.document, s.field, s."values", s.chosen, s.by_account, s.at, s.change
    FROM settlement s JOIN assistance a ON a.record = s.record"#;

/// The conflict of one field of a record, if there is one and the permit holds for its unit.
///
/// # Errors
/// The store's.
pub fn find(
    conn: &Connection,
    permit: &Permit<Read>,
    record: RecordId,
    field: &str,
) -> rusqlite::Result<Option<ConflictRow>> {
    let found = conn
        .prepare_cached(&format!("{OPEN} WHERE c.record = ? AND c.field = ?"))?
        .query_row(params![record.to_bytes(), field], |row| open_row(conn, row))
        .optional()?;
    Ok(found.filter(|found| permit.units().contains(&found.unit)))
}

/// Fields of records in conflict, at most `limit`, after a record and field. Those of drafts are told with them, to whom
/// drafts are.
///
/// # Errors
/// The store's.
pub fn open(
    conn: &Connection,
    permit: &Permit<Read>,
    spans: Option<&[Span]>,
    after: Option<&(RecordId, String)>,
    limit: usize,
) -> rusqlite::Result<Vec<ConflictRow>> {
    // Few are open; those of many units are walked through in the order of the list.
    let column = match permit.units().len() > FEW {
        true => "+c.unit",
        false => "c.unit",
    };
    let (mut wheres, mut values) = within(column, permit);
    if let Some(spans) = spans {
        let (sql, more) = within_spans(("a.unit", "a.occurred_at"), spans);
        wheres.push_str(&format!(" AND ({sql})"));
        values.extend(more);
    }
    if let Some((record, field)) = after {
        wheres.push_str(" AND (c.record, c.field) > (?, ?)");
        values.push(record.to_bytes().to_vec().into());
        values.push(field.clone().into());
    }
    values.push((limit as i64).into());
    let mut statement = conn.prepare_cached(&format!(
        "{OPEN} WHERE {wheres} ORDER BY c.record, c.field LIMIT ?"
    ))?;
    let rows = statement.query_map(params_from_iter(values), |row| open_row(conn, row))?;
    rows.collect()
}

/// Conflicts of records that were settled, the last one first, at most `limit`, after one of them.
///
/// # Errors
/// The store's.
pub fn settled(
    conn: &Connection,
    permit: &Permit<Read>,
    spans: Option<&[Span]>,
    after: Option<&SettledPlace>,
    limit: usize,
) -> rusqlite::Result<Vec<SettledRow>> {
    let (sql, values) = settled_query(permit, spans, after, limit);
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| settled_row(conn, row))?;
    rows.collect()
}

fn settled_query(
    permit: &Permit<Read>,
    spans: Option<&[Span]>,
    after: Option<&SettledPlace>,
    limit: usize,
) -> (String, Vec<Value>) {
    let column = match permit.units().len() > FEW {
        true => "+s.unit",
        false => "s.unit",
    };
    let (mut wheres, mut values) = within(column, permit);
    if let Some(spans) = spans {
        let (sql, more) = within_spans(("a.unit", "a.occurred_at"), spans);
        wheres.push_str(&format!(" AND ({sql})"));
        values.extend(more);
    }
    if let Some(after) = after {
        wheres.push_str(" AND (s.at, s.change, s.field) < (?, ?, ?)");
        values.extend([
            after.at_ms.into(),
            after.change.to_vec().into(),
            after.field.clone().into(),
        ]);
    }
    values.push((limit as i64).into());
    let sql = format!("{SETTLED} WHERE {wheres} ORDER BY s.at DESC, s.change DESC, s.field DESC LIMIT ?");
    (sql, values)
}

/// How the last conflict of a field of a record was settled, if one was and the permit holds for its unit.
///
/// # Errors
/// The store's.
pub fn last_settled(
    conn: &Connection,
    permit: &Permit<Read>,
    record: RecordId,
    field: &str,
) -> rusqlite::Result<Option<SettledRow>> {
    let sql =
        format!("{SETTLED} WHERE s.record = ? AND s.field = ? ORDER BY s.at DESC, s.change DESC LIMIT 1");
    let found = conn
        .prepare_cached(&sql)?
        .query_row(params![record.to_bytes(), field], |row| settled_row(conn, row))
        .optional()?;
    Ok(found.filter(|found| permit.units().contains(&found.unit)))
}

/// How many fields are in conflict, by unit.
///
/// # Errors
/// The store's.
pub fn by_unit(conn: &Connection, permit: &Permit<Read>) -> rusqlite::Result<BTreeMap<UnitId, u64>> {
    let (wheres, values) = within("unit", permit);
    // Not `record IN`: that would be looked up unit by unit for every record that there is.
    let sql = format!(
        "SELECT unit, count(*) FROM conflict c WHERE {wheres}
           AND EXISTS (SELECT 1 FROM assistance a WHERE a.record = c.record) GROUP BY unit"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((UnitId::from_bytes(row.get(0)?), row.get(1)?))
    })?;
    rows.collect()
}

fn open_row(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<ConflictRow> {
    let document = log::document_by_row(conn, row.get(1)?)?;
    Ok(ConflictRow {
        record: RecordId::from_bytes(row.get(0)?),
        unit: document.unit(),
        document,
        field: row.get(2)?,
        values: minicbor::decode(row.get_ref(3)?.as_blob()?).unwrap_or_default(),
    })
}

fn settled_row(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<SettledRow> {
    let ConflictRow {
        record,
        unit,
        document,
        field,
        values,
    } = open_row(conn, row)?;
    let chosen: Option<Vec<u8>> = row.get(4)?;
    Ok(SettledRow {
        record,
        unit,
        document,
        field,
        values,
        chosen: chosen.and_then(|bytes| minicbor::decode(&bytes).ok()),
        by: AccountId::from_bytes(row.get(5)?),
        at_ms: row.get(6)?,
        change: row.get(7)?,
    })
}

impl App {
    /// Settles a conflict. Citizens' data is written by who may read it where the record is.
    ///
    /// # Errors
    /// [`ServerEditError`]; nothing was changed.
    pub async fn settle(
        &self,
        account: AccountId,
        permit: &Permit<Read>,
        (record, field): (RecordId, String),
        choice: Choice,
        seen: Option<&str>,
    ) -> Result<(), ServerEditError> {
        let seen = seen.map(|mark| Seen::of(&field, mark)).unwrap_or_default();
        let edit = match choice {
            Choice::One(value) => Edit::SettleConflict { record, field, value },
            Choice::Other(other) if other.key() != field => return Err(EditError::NoSuchConflict.into()),
            Choice::Other(other) => {
                if let Otherwise::Field(AssistanceField::Personal(..)) = &other {
                    let found = self
                        .store()
                        .read_blocking(|conn| find(conn, permit, record, &field))?;
                    let found = found.ok_or(EditError::NoSuchConflict)?;
                    if !permit.within(found.unit).personal() {
                        return Err(ServerEditError::NotPermitted);
                    }
                }
                Edit::SettleOtherwise { record, field: other }
            }
        };
        self.edit_seen(account, &edit, &seen).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::console;
    use crate::store::migrate;

    #[test]
    fn what_was_settled_is_listed_from_an_index_and_never_sorted_for_many_units() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let after = SettledPlace {
            at_ms: 1,
            change: [1; 32],
            field: "outcome".into(),
        };
        for count in [1, FEW as u64, 120] {
            let permit = console((0..count).map(|n| UnitId::from_parts(n, 0))).to_read();
            for after in [None, Some(&after)] {
                let (sql, values) = settled_query(&permit, None, after, 30);
                let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let plan = statement
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap();
                let plan: Vec<String> = plan.collect::<rusqlite::Result<_>>().unwrap();
                let index = match count > FEW as u64 {
                    true => "settlement_by_time",
                    false => "settlement_by_unit",
                };
                assert!(plan.iter().any(|step| step.contains(index)), "{count}: {plan:?}");
                let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
                assert!(!sorts || count == FEW as u64, "{count}: {plan:?}");
            }
        }
    }
}
