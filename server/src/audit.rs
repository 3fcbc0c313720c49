//! The audit: who did what to the realm, from where, in a chain that shows when a link is missing.
//!
//! Each row holds the hash of the one before, so that a changed, removed or inserted row breaks the chain. Rows cut off at
//! the end leave a chain that is whole: against that there is the head, `POSITION-HASH`, which is written into exports
//! and backups and can be asked for later ([`verify`]). No personal data: people are ids, and neither names nor
//! passwords are ever part of what stood before or after.

mod act;
mod chain;
mod search;

use serde_json::Value;
use sync_core::ids::AccountId;

pub use act::Act;
pub use chain::{Broken, head, record, rows, verify};
pub use search::{Search, search};

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
