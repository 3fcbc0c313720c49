//! Looking for rows of the audit. What is asked for is in an index of its own, in the order of the chain.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sync_core::ids::AccountId;

use super::AuditRow;
use super::chain::{COLUMNS, read};

/// Which rows; what is not said is no condition.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The code of an act.
    pub act: Option<String>,
    /// Who acted.
    pub account: Option<AccountId>,
    /// About what: the id of a unit, an account, a device …
    pub subject: Option<String>,
    /// From then on, UTC milliseconds …
    pub from_ms: Option<i64>,
    /// … until before then.
    pub until_ms: Option<i64>,
    /// Before this position.
    pub before: Option<u64>,
}

/// Rows that were looked for, newest first, at most `limit`.
///
/// # Errors
/// The store's.
pub fn search(conn: &Connection, wanted: &Search, limit: usize) -> rusqlite::Result<Vec<AuditRow>> {
    found(conn, query(wanted, None, "DESC"), limit)
}

/// The same from the oldest on, after a position.
///
/// # Errors
/// The store's.
pub fn search_forward(
    conn: &Connection,
    wanted: &Search,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<AuditRow>> {
    found(conn, query(wanted, Some(after), "ASC"), limit)
}

fn found(
    conn: &Connection,
    (sql, mut values): (String, Vec<Value>),
    limit: usize,
) -> rusqlite::Result<Vec<AuditRow>> {
    values.push((limit as i64).into());
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), read)?.collect()
}

fn query(wanted: &Search, after: Option<u64>, order: &str) -> (String, Vec<Value>) {
    let place = |position: u64| Value::from(i64::try_from(position).unwrap_or(i64::MAX));
    let conditions = [
        ("act = ?", wanted.act.clone().map(Value::from)),
        (
            "account = ?",
            wanted.account.map(|account| account.to_bytes().to_vec().into()),
        ),
        ("subject = ?", wanted.subject.clone().map(Value::from)),
        ("at >= ?", wanted.from_ms.map(Value::from)),
        ("at < ?", wanted.until_ms.map(Value::from)),
        ("position < ?", wanted.before.map(place)),
        ("position > ?", after.map(place)),
    ];
    let said = conditions
        .into_iter()
        .filter_map(|(sql, value)| Some((sql, value?)));
    let (wheres, values): (Vec<&str>, Vec<Value>) = said.unzip();
    let wheres = match wheres.is_empty() {
        true => String::new(),
        false => format!("WHERE {}", wheres.join(" AND ")),
    };
    let sql = format!("SELECT {COLUMNS} FROM audit {wheres} ORDER BY position {order} LIMIT ?");
    (sql, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrate;

    #[test]
    fn whatever_is_looked_for_is_found_in_its_index_and_never_sorted() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let act = Search {
            act: Some("exported".into()),
            ..Search::default()
        };
        let account = Search {
            account: Some(AccountId::from_parts(1, 1)),
            from_ms: Some(1),
            ..Search::default()
        };
        let subject = Search {
            subject: Some("units".into()),
            before: Some(9),
            ..Search::default()
        };
        for (wanted, index) in [
            (act, "audit_by_act"),
            (account, "audit_by_account"),
            (subject, "audit_by_subject"),
        ] {
            for (sql, values) in [query(&wanted, None, "DESC"), query(&wanted, Some(3), "ASC")] {
                let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let values = values.into_iter().chain([Value::from(50)]);
                let plan = statement
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap();
                let plan: Vec<String> = plan.collect::<rusqlite::Result<_>>().unwrap();
                assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
            }
        }
    }
}
