//! Receipts: what was said about one version of a directive, in a file that can be verified without this server.
//!
//! The file holds the directive and every event with its device's signature, the devices with the realm's word for their
//! enrolment, and the realm's word for who had to answer. Only the realm's public key has to be known. Who makes such a
//! file himself has no realm's word in it; who leaves a hamlet out of ours, or adds one, breaks it.

mod export;
mod file;
mod verify;

use std::fmt;

use sync_core::ids::{RecordId, UnitId};
use sync_core::record::Stage;
use sync_core::signature::RecordStatement;

use crate::realm::RealmError;
pub use export::export;
pub use file::{Device, File, SignedRecord};
pub use verify::verify;

/// Why there is no file, or why it is none.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptsError {
    /// There is no such directive.
    #[error("there is no directive {0}")]
    NoDirective(RecordId),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The realm did not sign this.
    #[error("the realm's signature does not fit: this file was made or changed by somebody else")]
    NotOurs,
    /// The directive in it is not what its issuer signed.
    #[error("the directive is not what its issuer signed")]
    Directive,
}

/// What can be said of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Signed by a device that was enrolled.
    Valid,
    /// So too, and the device was revoked later.
    RevokedLater,
    /// The device says that it signed after it had been revoked.
    RevokedBefore,
    /// It is about another version.
    WrongVersion,
    /// The realm never enrolled such a device, or for somebody else.
    UnknownKey,
    /// The signature does not fit what is said.
    BrokenSignature,
}

impl Verdict {
    /// Whether it proves that the unit said so.
    pub fn counts(self) -> bool {
        match self {
            Verdict::Valid | Verdict::RevokedLater => true,
            Verdict::RevokedBefore
            | Verdict::WrongVersion
            | Verdict::UnknownKey
            | Verdict::BrokenSignature => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::RevokedLater => "valid, device revoked later",
            Verdict::RevokedBefore => "signed after the device was revoked",
            Verdict::WrongVersion => "wrong version",
            Verdict::UnknownKey => "unknown key",
            Verdict::BrokenSignature => "broken signature",
        })
    }
}

/// One event and what can be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The event.
    pub event: RecordId,
    /// The unit that speaks.
    pub unit: UnitId,
    /// What it says, if that can be read.
    pub stage: Option<Stage>,
    /// Whether it does.
    pub verdict: Verdict,
    /// It names an event before it that is not in the file.
    pub gap: bool,
}

/// One unit that had to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The unit.
    pub unit: UnitId,
    /// Its name.
    pub name: String,
    /// How far it has come, by what is proved; `None`: missing.
    pub stage: Option<Stage>,
    /// Everything that was said in its name.
    pub events: Vec<Judged>,
}

impl SignedRecord {
    /// What its device signed.
    pub fn statement(&self) -> RecordStatement<'_> {
        RecordStatement {
            document: self.document,
            record: self.record,
            fields: &self.fields,
        }
    }
}
