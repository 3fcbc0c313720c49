//! The audit: who did what to the realm, from where, in a chain that shows when a link is missing.
//!
//! Each row holds the hash of the one before, so that a changed, removed or inserted row breaks the chain. Rows cut off at
//! the end leave a chain that is whole: against that there is the head, `POSITION-HASH`, which is written into exports
//! and backups and can be asked for later ([`verify`]). No personal data: people are ids, and neither names nor
//! passwords are ever part of what stood before or after.

mod act;
mod chain;
mod search;

use serde::Serialize;
use serde_json::{Value, json};
use sync_core::ids::AccountId;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::schema::anything;

pub use act::Act;
pub use chain::{Broken, head, record, rows, verify};
pub use search::{Search, search, search_forward};

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

/// One row as JSON, for exports and for programs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// Its place in the chain, from 1.
    pub position: u64,
    /// When, UTC milliseconds.
    pub at_ms: i64,
    /// Who; `null`: whoever sat at the server's console, or nobody known.
    pub account: Option<AccountId>,
    /// From where: `console`, or an address.
    #[schema(examples("192.0.2.17"))]
    pub origin: String,
    /// What was done.
    #[schema(value_type = Act)]
    pub act: String,
    /// About what: the id of a unit, an account, a device …
    #[schema(examples("01JF0A5X7M3Q8R2W9YB4CDE6GH"))]
    pub subject: String,
    /// How that was before: JSON.
    #[schema(schema_with = before)]
    pub before: Value,
    /// How it is now: JSON.
    #[schema(schema_with = after)]
    pub after: Value,
    /// Over the row before and this one, SHA-256 in hexadecimal.
    #[schema(examples("5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"))]
    pub hash: String,
}

fn before() -> RefOr<Schema> {
    let about = "How that was before; its members are those of the act.";
    anything(about, json!({ "name": "Thôn Đồng Minh" }))
}

fn after() -> RefOr<Schema> {
    anything("How it is now.", json!({ "name": "Thôn Đồng Minh 1" }))
}

impl AuditRow {
    /// The row as JSON.
    pub fn told(&self) -> AuditView {
        let json = |text: &Option<String>| -> Value {
            text.as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default()
        };
        AuditView {
            position: self.position,
            at_ms: self.at_ms,
            account: self.account,
            origin: self.origin.clone(),
            act: self.act.clone(),
            subject: self.subject.clone(),
            before: json(&self.before),
            after: json(&self.after),
            hash: data_encoding::HEXLOWER.encode(&self.hash),
        }
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
