//! Questions about directives, answered from projected rows: what is being written, what was issued, and how far each
//! hamlet has come.

mod answers;
mod asked;
mod board;
mod drafts;
mod pace;
mod urgent;

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use sync_core::ids::{AccountId, DeviceId, DocumentId, RecordId, UnitId};
use sync_core::record::{Asks, Directive, Issue, Origin, Relation, Scalar, Targets, Urgency};
use sync_core::signature::Signature;

use crate::log;
use crate::policy::{Permit, Read};
use crate::records::{FEW, Span, within, within_spans};
use crate::tree::Tree;
pub use answers::acknowledgements;
pub use asked::{Asked, asked, is_shown};
pub use board::{Board, Boards, Counts, Standing, board};
pub use drafts::{count_drafts, draft, draft_conflict, drafts};
pub use pace::{Answer, Pace, pace};
pub use urgent::{urgent_documents, urgent_positions};

/// Issued directives of the permit's units – in one of the spans, if there are any –, newest first, at most `limit`, after
/// one of them.
///
/// # Errors
/// The store's.
pub fn list(
    conn: &Connection,
    permit: &Permit<Read>,
    spans: Option<&[Span]>,
    after: Option<(i64, RecordId)>,
    limit: usize,
) -> rusqlite::Result<Vec<Directive>> {
    let (sql, values) = list_query(permit, spans, after, limit);
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(directive_row(conn, row)?);
    }
    Ok(found)
}

fn list_query(
    permit: &Permit<Read>,
    spans: Option<&[Span]>,
    after: Option<(i64, RecordId)>,
    limit: usize,
) -> (String, Vec<Value>) {
    let column = match permit.units().len() > FEW {
        true => "+unit",
        false => "unit",
    };
    let (mut wheres, mut values) = within(column, permit);
    if let Some(spans) = spans {
        let (sql, more) = within_spans(("unit", "issued_at"), spans);
        wheres.push_str(&format!(" AND ({sql})"));
        values.extend(more);
    }
    if let Some((issued_at, record)) = after {
        wheres.push_str(" AND (issued_at, record) < (?, ?)");
        values.extend([issued_at.into(), record.to_bytes().to_vec().into()]);
    }
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let sql = format!("{DIRECTIVE} WHERE {wheres} ORDER BY issued_at DESC, record DESC LIMIT ?");
    (sql, values)
}

/// One issued version, by its record; `None` if the permit does not hold for it.
///
/// # Errors
/// The store's.
pub fn find(
    conn: &Connection,
    permit: &Permit<Read>,
    record: RecordId,
) -> rusqlite::Result<Option<Directive>> {
    let found = directive(conn, record)?;
    Ok(found.filter(|found| permit.units().contains(&found.document.unit())))
}

/// One issued version, by its record.
///
/// # Errors
/// The store's.
pub fn directive(conn: &Connection, record: RecordId) -> rusqlite::Result<Option<Directive>> {
    let sql = format!("{DIRECTIVE} WHERE record = ?");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([record.to_bytes()])?;
    match rows.next()? {
        Some(row) => directive_row(conn, row),
        None => Ok(None),
    }
}

/// Versions of other directives that bear the same number: issued twice without seeing each other.
///
/// # Errors
/// The store's.
pub fn same_number(conn: &Connection, directive: &Directive) -> rusqlite::Result<Vec<RecordId>> {
    let sql = "SELECT record FROM directive WHERE number_key = ? AND directive <> ? ORDER BY record";
    let key = (directive.number_key(), directive.issue.directive.to_bytes());
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![key.0, key.1], |row| row.get(0).map(RecordId::from_bytes))?;
    rows.collect()
}

/// Versions that were issued as the same version of one directive, without seeing each other.
///
/// # Errors
/// The store's.
pub fn same_version(conn: &Connection, directive: &Directive) -> rusqlite::Result<Vec<RecordId>> {
    let sql =
        "SELECT record FROM directive WHERE directive = ? AND version = ? AND record <> ? ORDER BY record";
    let issue = &directive.issue;
    let key = params![issue.directive.to_bytes(), issue.version, directive.id.to_bytes()];
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(key, |row| row.get(0).map(RecordId::from_bytes))?;
    rows.collect()
}

/// What ended a version: the version or directive that amends, replaces or withdraws it, of a unit that answers for it.
///
/// # Errors
/// The store's.
pub fn ended_by(conn: &Connection, tree: &Tree, directive: &Directive) -> rusqlite::Result<Option<RecordId>> {
    end_of(conn, tree, directive.id, directive.document.unit())
}

/// What ended the version of a record that a unit issued.
fn end_of(
    conn: &Connection,
    tree: &Tree,
    version: RecordId,
    issuer: UnitId,
) -> rusqlite::Result<Option<RecordId>> {
    let sql = "SELECT record, unit FROM directive WHERE relates_to = ? ORDER BY issued_at, record";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([version.to_bytes()], |row| {
        Ok((RecordId::from_bytes(row.get(0)?), UnitId::from_bytes(row.get(1)?)))
    })?;
    for row in rows {
        let (record, unit) = row?;
        if tree.answers_for(unit, issuer) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// A version, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What was issued.
    pub directive: Directive,
    /// What ended it.
    pub ended_by: Option<RecordId>,
    /// Versions of other directives of its unit and year with the same number.
    pub same_number: Vec<RecordId>,
    /// Other versions of this directive with the same version's number.
    pub same_version: Vec<RecordId>,
}

/// What became of a version, as the units stand in a tree.
///
/// # Errors
/// The store's.
pub fn told(conn: &Connection, tree: &Tree, directive: Directive) -> rusqlite::Result<Told> {
    Ok(Told {
        ended_by: ended_by(conn, tree, &directive)?,
        same_number: same_number(conn, &directive)?,
        same_version: same_version(conn, &directive)?,
        directive,
    })
}

/// Whether a version is in force, as the units stand in a tree: it is no withdrawal, and nothing has ended it.
fn is_in_force(conn: &Connection, tree: &Tree, directive: &Directive) -> rusqlite::Result<bool> {
    let withdraws = directive
        .relation
        .is_some_and(|(kind, _)| kind == Relation::Withdraws);
    Ok(!withdraws && ended_by(conn, tree, directive)?.is_none())
}

/// Directives of the permit's units that are in force as the units stand in a tree, newest first, at most `limit`, after one
/// of them.
///
/// # Errors
/// The store's.
pub fn list_in_force(
    conn: &Connection,
    tree: &Tree,
    permit: &Permit<Read>,
    mut after: Option<(i64, RecordId)>,
    limit: usize,
) -> rusqlite::Result<Vec<Directive>> {
    let mut found = Vec::new();
    loop {
        let issued = list(conn, permit, None, after, limit)?;
        let all = issued.len() < limit;
        after = issued.last().map(|last| (last.issued_at_ms, last.id));
        for directive in issued {
            if is_in_force(conn, tree, &directive)? {
                found.push(directive);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
        if all {
            return Ok(found);
        }
    }
}

/// How many directives of the permit's units are in force, as the units stand in a tree.
///
/// # Errors
/// The store's.
pub fn in_force(conn: &Connection, tree: &Tree, permit: &Permit<Read>) -> rusqlite::Result<u64> {
    let (wheres, values) = within("unit", permit);
    let sql = format!(
        "SELECT record, unit, EXISTS (SELECT 1 FROM directive e WHERE e.relates_to = d.record) FROM directive d
         WHERE {wheres} AND relation IS NOT 'withdraws'"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let (record, unit) = (RecordId::from_bytes(row.get(0)?), UnitId::from_bytes(row.get(1)?));
        // Few are related to at all.
        let ended = row.get::<_, bool>(2)? && end_of(conn, tree, record, unit)?.is_some();
        count += u64::from(!ended);
    }
    Ok(count)
}

/// What was issued from a draft.
///
/// # Errors
/// The store's.
pub fn issued_from(conn: &Connection, draft: RecordId) -> rusqlite::Result<Option<RecordId>> {
    conn.prepare_cached("SELECT record FROM directive WHERE draft = ?")?
        .query_row([draft.to_bytes()], |row| row.get(0).map(RecordId::from_bytes))
        .optional()
}

const DIRECTIVE: &str = "SELECT record, document, directive, version, digest, number, title, body, urgency, deadline, \
                         signer, targets, asks, relation, relates_to, draft, issued_by, device, issued_at, signature, \
                         unknown, actor, seq FROM directive";

fn directive_row(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<Option<Directive>> {
    let (urgency, asks): (String, String) = (row.get(8)?, row.get(12)?);
    let Some((urgency, asks)) = Urgency::from_code(&urgency).zip(Asks::from_code(&asks)) else {
        return Ok(None);
    };
    Ok(Some(Directive {
        id: RecordId::from_bytes(row.get(0)?),
        document: document(conn, row.get(1)?)?,
        issue: Issue {
            directive: RecordId::from_bytes(row.get(2)?),
            version: row.get(3)?,
            digest: row.get(4)?,
        },
        number: row.get(5)?,
        title: row.get(6)?,
        body: row.get(7)?,
        urgency,
        deadline_ms: row.get(9)?,
        signer: row.get(10)?,
        targets: targets(row.get(11)?),
        asks,
        relation: relation(row.get(13)?, row.get(14)?),
        draft: row.get::<_, Option<[u8; 16]>>(15)?.map(RecordId::from_bytes),
        issued_by: AccountId::from_bytes(row.get(16)?),
        device: DeviceId::from_bytes(row.get(17)?),
        issued_at_ms: row.get(18)?,
        signature: Signature(row.get(19)?),
        unknown: unknown(row.get(20)?),
        origin: origin(row.get(21)?, row.get(22)?),
    }))
}

fn document(conn: &Connection, row: i64) -> rusqlite::Result<DocumentId> {
    log::document_by_row(conn, row)
}

fn targets(bytes: Vec<u8>) -> Targets {
    Targets::from_bytes(&bytes).unwrap_or_default()
}

fn origin(actor: Option<Vec<u8>>, seq: Option<u64>) -> Option<Origin> {
    let (actor, seq) = (actor?.into(), seq?);
    Some(Origin { actor, seq })
}

fn relation(code: Option<String>, record: Option<[u8; 16]>) -> Option<(Relation, RecordId)> {
    let relation = Relation::from_code(&code?)?;
    Some((relation, RecordId::from_bytes(record?)))
}

fn unknown(bytes: Option<Vec<u8>>) -> BTreeMap<String, Scalar> {
    bytes
        .and_then(|bytes| minicbor::decode(&bytes).ok())
        .unwrap_or_default()
}

/// The day on which a directive was issued.
pub fn issued_on(directive: &Directive) -> Date {
    crate::clock::day_of(directive.issued_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::console;
    use crate::store::migrate;

    #[test]
    fn directives_of_many_units_are_one_list_in_order_of_time() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        for (count, index) in [(1, "directive_by_unit"), (120, "directive_by_time")] {
            let permit = console((0..count).map(|n| UnitId::from_parts(n, 0))).to_read();
            for after in [None, Some((1, RecordId::from_parts(1, 1)))] {
                let (sql, values) = list_query(&permit, None, after, 21);
                let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let plan = statement
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap();
                let plan: Vec<String> = plan.collect::<rusqlite::Result<_>>().unwrap();
                assert!(plan[0].contains(index), "{count}: {plan:?}");
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
            }
        }
    }
}
