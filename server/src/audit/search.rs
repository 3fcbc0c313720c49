//! Looking for rows of the audit, newest first.

use rusqlite::{Connection, params};
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
    let sql = format!(
        "SELECT {COLUMNS} FROM audit
         WHERE (?1 IS NULL OR act = ?1) AND (?2 IS NULL OR account = ?2) AND (?3 IS NULL OR subject = ?3)
           AND (?4 IS NULL OR at >= ?4) AND (?5 IS NULL OR at < ?5) AND (?6 IS NULL OR position < ?6)
         ORDER BY position DESC LIMIT ?7"
    );
    let before = wanted
        .before
        .map(|before| i64::try_from(before).unwrap_or(i64::MAX));
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(
        params![
            wanted.act,
            wanted.account.map(AccountId::to_bytes),
            wanted.subject,
            wanted.from_ms,
            wanted.until_ms,
            before,
            limit as i64
        ],
        read,
    )?;
    rows.collect()
}
