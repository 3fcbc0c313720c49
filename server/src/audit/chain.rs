//! The chain: writing a row, reading rows, and proving that none is missing.

use minicbor::bytes::ByteSlice;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sync_core::ids::AccountId;

use super::{Act, AuditRow, By, Change, Head};

const CONTEXT: &[u8] = b"langso-audit-1";
/// What [`read`] reads.
pub(super) const COLUMNS: &str = "position, at, account, origin, act, subject, before, after, hash";

/// A chain that is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A row is missing, was changed, or stands where none should.
    #[error("the audit is broken at row {0}: it, or one before it, was changed or removed")]
    Link(u64),
    /// The expected head is not in the chain: rows were cut off, or the chain was written anew.
    #[error("the audit does not hold the expected head {0}: rows were cut off or written anew")]
    Head(Head),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Writes an act down, in the transaction that does it.
///
/// # Errors
/// The store's.
pub fn record(tx: &Transaction<'_>, by: &By, act: Act, change: &Change) -> rusqlite::Result<()> {
    let last = head(tx)?;
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let mut row = AuditRow {
        position: last.position + 1,
        at_ms: by.now_ms,
        account: by.account,
        origin: by.origin.clone(),
        act: act.code().to_owned(),
        subject: change.subject.clone(),
        before: json(&change.before),
        after: json(&change.after),
        hash: [0; 32],
    };
    row.hash = link(&last.hash, &row);
    tx.prepare_cached(
        "INSERT INTO audit (position, at, account, origin, act, subject, before, after, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.position,
        row.at_ms,
        row.account.map(AccountId::to_bytes),
        row.origin,
        row.act,
        row.subject,
        row.before,
        row.after,
        row.hash
    ])?;
    Ok(())
}

/// The end of the chain as it is stored.
///
/// # Errors
/// The store's.
pub fn head(conn: &Connection) -> rusqlite::Result<Head> {
    let last = conn
        .prepare_cached("SELECT position, hash FROM audit ORDER BY position DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Head {
                position: row.get(0)?,
                hash: row.get(1)?,
            })
        })
        .optional()?;
    Ok(last.unwrap_or(Head::NONE))
}

/// Rows after a position, at most `limit`, oldest first.
///
/// # Errors
/// The store's.
pub fn rows(conn: &Connection, after: u64, limit: usize) -> rusqlite::Result<Vec<AuditRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE position > ? ORDER BY position LIMIT ?");
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_map(params![after, limit as i64], read)?.collect()
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        position: row.get(0)?,
        at_ms: row.get(1)?,
        account: row.get::<_, Option<[u8; 16]>>(2)?.map(AccountId::from_bytes),
        origin: row.get(3)?,
        act: row.get(4)?,
        subject: row.get(5)?,
        before: row.get(6)?,
        after: row.get(7)?,
        hash: row.get(8)?,
    })
}

/// Walks the whole chain; with a head from elsewhere also proves that the chain goes on from there. Gives its end.
///
/// # Errors
/// [`Broken`].
pub fn verify(conn: &Connection, expected: Option<Head>) -> Result<Head, Broken> {
    let mut at = Head::NONE;
    let mut found = expected.is_none_or(|expected| expected == at);
    let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY position"))?;
    for row in statement.query_map([], read)? {
        let row = row?;
        let next = at.position + 1;
        if row.position != next || row.hash != link(&at.hash, &row) {
            return Err(Broken::Link(next));
        }
        at = Head {
            position: row.position,
            hash: row.hash,
        };
        found |= expected == Some(at);
    }
    match expected {
        Some(expected) if !found => Err(Broken::Head(expected)),
        Some(_) | None => Ok(at),
    }
}

/// SHA-256 of `langso-audit-1` ‖ the hash before ‖ CBOR of `[position, at, account, origin, act, subject, before, after]`.
fn link(previous: &[u8; 32], row: &AuditRow) -> [u8; 32] {
    let account = row.account.map(AccountId::to_bytes);
    let account: Option<&ByteSlice> = account.as_ref().map(|id| <&ByteSlice>::from(id.as_slice()));
    let fields = (
        row.position,
        row.at_ms,
        account,
        &row.origin,
        &row.act,
        &row.subject,
        &row.before,
        &row.after,
    );
    let mut hash = Sha256::new_with_prefix(CONTEXT);
    hash.update(previous);
    hash.update(minicbor::to_vec(fields).unwrap_or_default());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Three acts in a store without the triggers that keep honest programs from changing them.
    fn chain() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        let schema = include_str!("../../../migrations/sqlite/V5__audit.sql");
        let table = schema.split("CREATE TRIGGER").next().unwrap();
        conn.execute_batch(table).unwrap();
        let tx = conn.transaction().unwrap();
        let account = AccountId::from_parts(1, 2);
        for (act, now_ms) in [
            (Act::AccountAdded, 10),
            (Act::RoleGranted, 20),
            (Act::LoggedIn, 30),
        ] {
            let by = By {
                account: Some(account),
                origin: "192.0.2.7".into(),
                now_ms,
            };
            record(&tx, &by, act, &Change::now(account, json!({ "role": "admin" }))).unwrap();
        }
        tx.commit().unwrap();
        conn
    }

    #[test]
    fn whatever_is_changed_removed_or_put_in_breaks_the_chain() {
        let tampering = [
            "UPDATE audit SET at = 11 WHERE position = 1",
            "UPDATE audit SET account = NULL WHERE position = 2",
            "UPDATE audit SET origin = 'console' WHERE position = 2",
            "UPDATE audit SET act = 'role_ended' WHERE position = 2",
            "UPDATE audit SET subject = 'x' WHERE position = 3",
            "UPDATE audit SET after = NULL WHERE position = 3",
            "UPDATE audit SET before = '{}' WHERE position = 3",
            "UPDATE audit SET hash = zeroblob(32) WHERE position = 1",
            "DELETE FROM audit WHERE position = 1",
            "DELETE FROM audit WHERE position = 2",
            "DELETE FROM audit WHERE position = 2; UPDATE audit SET position = 2 WHERE position = 3",
            "INSERT INTO audit SELECT 4, at, account, origin, act, subject, before, after, hash FROM audit WHERE position = 3",
        ];
        for sql in tampering {
            let conn = chain();
            assert!(verify(&conn, None).is_ok());
            conn.execute_batch(sql).unwrap();
            assert!(matches!(verify(&conn, None), Err(Broken::Link(_))), "{sql}");
        }
    }

    #[test]
    fn rows_cut_off_are_found_by_who_kept_the_head() {
        let conn = chain();
        let kept: Head = head(&conn).unwrap().to_string().parse().unwrap();
        assert_eq!(verify(&conn, Some(kept)).unwrap(), kept);
        conn.execute_batch("DELETE FROM audit WHERE position = 3")
            .unwrap();
        assert!(verify(&conn, None).is_ok(), "the rest is whole");
        assert!(matches!(verify(&conn, Some(kept)), Err(Broken::Head(head)) if head == kept));
        // Nor does it help to write other rows in their place.
        let mut conn = conn;
        let tx = conn.transaction().unwrap();
        record(&tx, &By::console(40), Act::LoggedIn, &Change::of("x")).unwrap();
        tx.commit().unwrap();
        assert!(matches!(verify(&conn, Some(kept)), Err(Broken::Head(_))));
    }
}
