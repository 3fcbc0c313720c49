//! The audit: who did what to the realm, from where, in a chain that shows when a link is missing.
//!
//! Each row holds the hash of the one before, so that a changed, removed or inserted row breaks the chain. Rows cut off at
//! the end leave a chain that is whole: against that there is the head, `POSITION-HASH`, which is written into exports
//! and backups and can be asked for later ([`verify`]). No personal data: people are ids, and neither names nor
//! passwords are ever part of what stood before or after.

use minicbor::bytes::ByteSlice;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sync_core::ids::AccountId;

const CONTEXT: &[u8] = b"langso-audit-1";

/// What is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Units came from a file.
    UnitsImported,
    /// Units became others by a reform.
    UnitsReformed,
    /// One unit was created, renamed, moved, merged, split or abolished.
    UnitChanged,
    /// The catalogue came from a file.
    CatalogueImported,
    /// An account was made.
    AccountAdded,
    /// An account was suspended.
    AccountSuspended,
    /// An account may be used again.
    AccountResumed,
    /// A role was given.
    RoleGranted,
    /// A role was ended.
    RoleEnded,
    /// A post went from one person to another.
    PostHandedOver,
    /// A password was set by its owner.
    PasswordChanged,
    /// A one-time password was made for somebody.
    PasswordReset,
    /// An admin was let in again on the server's own console.
    AdminRecovered,
    /// Somebody logged in.
    LoggedIn,
    /// Somebody was refused the log-in.
    LoginRefused,
    /// An enrolment code was made.
    CodeMade,
    /// A device was enrolled.
    DeviceEnrolled,
    /// A device got another name.
    DeviceRenamed,
    /// A device was revoked.
    DeviceRevoked,
    /// A device was reported lost.
    DeviceLost,
    /// The key that tokens are signed with was changed.
    TokenKeyRotated,
    /// A quarantined batch was released or discarded.
    QuarantineJudged,
    /// Data left the system by an export.
    Exported,
    /// A backup was made.
    BackedUp,
    /// The store was restored from a backup.
    Restored,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 25] = [
        Act::UnitsImported,
        Act::UnitsReformed,
        Act::UnitChanged,
        Act::CatalogueImported,
        Act::AccountAdded,
        Act::AccountSuspended,
        Act::AccountResumed,
        Act::RoleGranted,
        Act::RoleEnded,
        Act::PostHandedOver,
        Act::PasswordChanged,
        Act::PasswordReset,
        Act::AdminRecovered,
        Act::LoggedIn,
        Act::LoginRefused,
        Act::CodeMade,
        Act::DeviceEnrolled,
        Act::DeviceRenamed,
        Act::DeviceRevoked,
        Act::DeviceLost,
        Act::TokenKeyRotated,
        Act::QuarantineJudged,
        Act::Exported,
        Act::BackedUp,
        Act::Restored,
    ];

    /// The word in the table.
    pub fn code(self) -> &'static str {
        match self {
            Act::UnitsImported => "units_imported",
            Act::UnitsReformed => "units_reformed",
            Act::UnitChanged => "unit_changed",
            Act::CatalogueImported => "catalogue_imported",
            Act::AccountAdded => "account_added",
            Act::AccountSuspended => "account_suspended",
            Act::AccountResumed => "account_resumed",
            Act::RoleGranted => "role_granted",
            Act::RoleEnded => "role_ended",
            Act::PostHandedOver => "post_handed_over",
            Act::PasswordChanged => "password_changed",
            Act::PasswordReset => "password_reset",
            Act::AdminRecovered => "admin_recovered",
            Act::LoggedIn => "logged_in",
            Act::LoginRefused => "login_refused",
            Act::CodeMade => "code_made",
            Act::DeviceEnrolled => "device_enrolled",
            Act::DeviceRenamed => "device_renamed",
            Act::DeviceRevoked => "device_revoked",
            Act::DeviceLost => "device_lost",
            Act::TokenKeyRotated => "token_key_rotated",
            Act::QuarantineJudged => "quarantine_judged",
            Act::Exported => "exported",
            Act::BackedUp => "backed_up",
            Act::Restored => "restored",
        }
    }
}

/// Who acts, from where, and when.
#[derive(Clone, Debug)]
pub struct By {
    /// The person; `None`: whoever sits at the server's console, or nobody known.
    pub account: Option<AccountId>,
    /// `console`, or the address of the request.
    pub origin: String,
    /// UTC milliseconds.
    pub now_ms: i64,
}

impl By {
    /// Whoever sits at the server's own console.
    pub fn console(now_ms: i64) -> Self {
        Self {
            account: None,
            origin: "console".to_owned(),
            now_ms,
        }
    }
}

/// What an act changed.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What it is about: the id of a unit, an account, a device …
    pub subject: String,
    /// How that was before.
    pub before: Option<Value>,
    /// How it is now.
    pub after: Option<Value>,
}

impl Change {
    /// Something about `subject` that is now so.
    pub fn now(subject: impl ToString, after: Value) -> Self {
        Self {
            subject: subject.to_string(),
            before: None,
            after: Some(after),
        }
    }

    /// Something about `subject`, and nothing more to say.
    pub fn of(subject: impl ToString) -> Self {
        Self {
            subject: subject.to_string(),
            ..Self::default()
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place in the chain, from 1.
    pub position: u64,
    /// When, UTC milliseconds.
    pub at_ms: i64,
    /// Who.
    pub account: Option<AccountId>,
    /// From where.
    pub origin: String,
    /// What: the code of an [`Act`].
    pub act: String,
    /// About what.
    pub subject: String,
    /// JSON.
    pub before: Option<String>,
    /// JSON.
    pub after: Option<String>,
    /// Over the row before and this one.
    pub hash: [u8; 32],
}

impl AuditRow {
    /// The row as JSON, for exports and for programs.
    pub fn told(&self) -> Value {
        let json = |text: &Option<String>| -> Value {
            text.as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default()
        };
        serde_json::json!({
            "position": self.position, "at_ms": self.at_ms, "account": self.account.map(|id| id.to_string()),
            "origin": self.origin, "act": self.act, "subject": self.subject, "before": json(&self.before),
            "after": json(&self.after), "hash": data_encoding::HEXLOWER.encode(&self.hash),
        })
    }
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of the last row; 0: there is none.
    pub position: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl Head {
    /// Of a chain without a row.
    pub const NONE: Head = Head {
        position: 0,
        hash: [0; 32],
    };
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}-{}",
            self.position,
            data_encoding::HEXLOWER.encode(&self.hash)
        )
    }
}

impl std::str::FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (position, hash) = text.trim().split_once('-').ok_or(NotAHead)?;
        let hash = data_encoding::HEXLOWER
            .decode(hash.as_bytes())
            .map_err(|_| NotAHead)?;
        Ok(Self {
            position: position.parse().map_err(|_| NotAHead)?,
            hash: hash.try_into().map_err(|_| NotAHead)?,
        })
    }
}

/// A text that is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the head of an audit: POSITION-HASH")]
pub struct NotAHead;

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
    let sql = "SELECT position, at, account, origin, act, subject, before, after, hash FROM audit
               WHERE position > ? ORDER BY position LIMIT ?";
    let mut statement = conn.prepare_cached(sql)?;
    statement.query_map(params![after, limit as i64], read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
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
    let mut statement = conn.prepare(
        "SELECT position, at, account, origin, act, subject, before, after, hash FROM audit ORDER BY position",
    )?;
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
        let schema = include_str!("../../migrations/sqlite/V5__audit.sql");
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

    #[test]
    fn every_act_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Act::ALL.iter().map(|act| act.code()).collect();
        assert_eq!(words.len(), Act::ALL.len());
    }
}
