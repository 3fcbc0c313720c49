//! What a restore undoes that no phone brings back: what was done to people, devices and units since the backup.
//!
//! It is read from the audit of the store that is replaced – or, where that is lost, from an exported one – and told as a
//! list of what somebody has to do again. A phone that was revoked since is live again until then.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use serde_json::Value;

use crate::audit::{self, Act, AuditRow, Head};

/// Rows read at a time.
const PAGE: usize = 1000;

/// One act that the restored store does not know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// When, UTC milliseconds.
    pub at_ms: i64,
    /// What was done.
    pub act: Act,
    /// To whom or what.
    pub subject: String,
    /// How it was afterwards, as JSON.
    pub after: Option<String>,
}

/// A line of an exported audit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Row(ExportedRow),
    /// The last one: where the audit ended.
    Head {
        #[expect(dead_code, reason = "it is told apart by its name")]
        head: String,
    },
}

#[derive(Debug, Deserialize)]
struct ExportedRow {
    position: u64,
    at_ms: i64,
    act: String,
    subject: String,
    after: Option<Value>,
    hash: String,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// Neither the store that was there nor an export can be read.
    #[error("{0}")]
    Unreadable(String),
    /// It is the audit of something else: it does not hold the row with which that of the backup ends.
    #[error("the audit does not go on from that of the backup")]
    Elsewhere,
}

impl From<rusqlite::Error> for Untold {
    fn from(error: rusqlite::Error) -> Self {
        Untold::Unreadable(error.to_string())
    }
}

/// What the store at `store` has done since `backup` was made of it, oldest first.
///
/// # Errors
/// [`Untold`].
pub fn since(store: &Path, backup: &Path) -> Result<Vec<Undone>, Untold> {
    let from = head_of(backup)?;
    let conn = read_only(store)?;
    let mut after = from.position.saturating_sub(1);
    let (mut undone, mut met) = (Vec::new(), from == Head::NONE);
    loop {
        let rows = audit::rows(&conn, after, PAGE)?;
        let Some(last) = rows.last() else { break };
        after = last.position;
        for row in rows {
            if row.position == from.position {
                met = row.hash == from.hash;
            } else if row.position > from.position {
                undone.extend(Undone::of(&row));
            }
        }
    }
    if met { Ok(undone) } else { Err(Untold::Elsewhere) }
}

/// The same from an exported audit: one row a line.
///
/// # Errors
/// [`Untold`].
pub fn since_in_export(export: &Path, backup: &Path) -> Result<Vec<Undone>, Untold> {
    let from = head_of(backup)?;
    let unreadable = |error: std::io::Error| Untold::Unreadable(error.to_string());
    let lines = BufReader::new(File::open(export).map_err(unreadable)?).lines();
    let (mut undone, mut met) = (Vec::new(), from == Head::NONE);
    for line in lines {
        let line: Line = serde_json::from_str(&line.map_err(unreadable)?)
            .map_err(|error| Untold::Unreadable(error.to_string()))?;
        let Line::Row(row) = line else { continue };
        if row.position == from.position {
            met = row.hash == data_encoding::HEXLOWER.encode(&from.hash);
        } else if row.position > from.position {
            let after = row.after.map(|after| after.to_string());
            undone.extend(Undone::if_it_matters(row.at_ms, &row.act, &row.subject, after));
        }
    }
    if met { Ok(undone) } else { Err(Untold::Elsewhere) }
}

fn head_of(backup: &Path) -> Result<Head, Untold> {
    Ok(audit::head(&read_only(backup)?)?)
}

fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

impl Undone {
    fn of(row: &AuditRow) -> Option<Self> {
        Self::if_it_matters(row.at_ms, &row.act, &row.subject, row.after.clone())
    }

    fn if_it_matters(at_ms: i64, act: &str, subject: &str, after: Option<String>) -> Option<Self> {
        let act = Act::ALL.into_iter().find(|known| known.code() == act)?;
        matters(act).then(|| Self {
            at_ms,
            act,
            subject: subject.to_owned(),
            after,
        })
    }

    /// The command that does it again, where one line is enough.
    pub fn again(&self) -> Option<String> {
        match self.act {
            Act::DeviceRevoked => Some(format!("langso device revoke {}", self.subject)),
            Act::DeviceLost => Some(format!("langso device lost {}", self.subject)),
            Act::DeviceEnrolled | Act::DeviceAdmitted => {
                Some(format!("langso device admit {}", self.subject))
            }
            _ => None,
        }
    }

    /// Whether somebody has access meanwhile who had lost it.
    pub fn is_urgent(&self) -> bool {
        matches!(
            self.act,
            Act::DeviceRevoked
                | Act::DeviceLost
                | Act::AccountSuspended
                | Act::RoleEnded
                | Act::PostHandedOver
        )
    }
}

/// Whether the realm is another without it.
fn matters(act: Act) -> bool {
    match act {
        Act::UnitsImported
        | Act::UnitsReformed
        | Act::UnitChanged
        | Act::CatalogueImported
        | Act::AccountAdded
        | Act::AccountSuspended
        | Act::AccountResumed
        | Act::RoleGranted
        | Act::RoleEnded
        | Act::PostHandedOver
        | Act::PasswordChanged
        | Act::PasswordReset
        | Act::AdminRecovered
        | Act::CodeMade
        | Act::DeviceEnrolled
        | Act::DeviceAdmitted
        | Act::DeviceRenamed
        | Act::DeviceRevoked
        | Act::DeviceLost
        | Act::QuarantineJudged => true,
        Act::LoggedIn
        | Act::LoginRefused
        | Act::DeviceReturned
        | Act::DeviceCopied
        | Act::TokenKeyRotated
        | Act::PersonalSearched
        | Act::Exported
        | Act::BackedUp
        | Act::Restored => false,
    }
}
