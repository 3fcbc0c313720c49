//! Where in the log urgent directives stand: they go ahead of everything else.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

const POSITIONS: &str = "SELECT c.position, d.document FROM directive d
                           JOIN actor x ON x.document = d.document AND x.actor = d.actor
                           JOIN change c ON c.actor = x.id AND c.seq = d.seq
                         WHERE d.urgency <> 'normal'";

/// The positions of urgent directives in a document, in `(after, until]`, ascending.
///
/// # Errors
/// The store's.
pub fn urgent_positions(
    conn: &Connection,
    document: i64,
    after: u64,
    until: u64,
) -> rusqlite::Result<Vec<u64>> {
    let sql = format!("{POSITIONS} AND d.document = ? AND c.position > ? AND c.position <= ? ORDER BY 1");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![document, after, until], |row| row.get(0))?;
    rows.collect()
}

/// The documents in which an urgent directive stands up to a position.
///
/// # Errors
/// The store's.
pub fn urgent_documents(conn: &Connection, until: u64) -> rusqlite::Result<BTreeSet<i64>> {
    let sql = format!("{POSITIONS} AND c.position <= ?");
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([until], |row| row.get(1))?;
    rows.collect()
}
