//! Records: typed values read out of documents.
//!
//! A record is what a document *says*, already merged; how it is written is [`crate::edit`], which keys it has in the
//! document is [`crate::document`]. Sealed fields are ciphertext here: opening them takes a key and is done where
//! somebody with the right to read them looks at a record.

use std::collections::BTreeMap;

use crate::ids::{AccountId, DeviceId, DocumentId, RecordId};
use crate::seal::SealedField;

/// A scalar of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Text, NFC.
    Text(String),
    /// Bytes: ids and ciphertext.
    Bytes(Vec<u8>),
    /// A whole number.
    Int(i64),
    /// Truth.
    Bool(bool),
    /// Nothing.
    Null,
}

/// Why a record was taken back. A closed list: free text would be one more place for personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RetractReason {
    /// The same help is recorded twice.
    Duplicate,
    /// It was recorded by mistake.
    Mistake,
    /// The citizen asked for it.
    CitizenRequest,
    /// Anything else.
    Other,
}

impl RetractReason {
    /// Every reason.
    pub const ALL: [RetractReason; 4] =
        [RetractReason::Duplicate, RetractReason::Mistake, RetractReason::CitizenRequest, RetractReason::Other];

    /// The stable code in documents, tables and APIs.
    pub fn code(self) -> &'static str {
        match self {
            RetractReason::Duplicate => "duplicate",
            RetractReason::Mistake => "mistake",
            RetractReason::CitizenRequest => "citizen_request",
            RetractReason::Other => "other",
        }
    }

    /// The reason of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// That a record was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retraction {
    /// Why.
    pub reason: RetractReason,
    /// Who did it.
    pub by: AccountId,
    /// When, UTC milliseconds of the device.
    pub at_ms: i64,
}

/// One act of help to a citizen or a group, as its document says it now.
#[derive(Clone, Debug, PartialEq)]
pub struct Assistance {
    /// Its identity.
    pub id: RecordId,
    /// Where it lives.
    pub document: DocumentId,
    /// When the help was given, UTC milliseconds.
    pub occurred_at_ms: i64,
    /// Code of the catalogue.
    pub category: String,
    /// National code of the procedure.
    pub procedure: Option<String>,
    /// How it was given (code): at home, by phone …
    pub channel: String,
    /// What came of it (code).
    pub outcome: String,
    /// How many people were helped, at least 1.
    pub people: u32,
    /// How long it took.
    pub minutes: Option<u32>,
    /// 1–5, as the citizen said.
    pub satisfaction: Option<u8>,
    /// Who recorded it; never changes.
    pub recorded_by: AccountId,
    /// On which device; never changes.
    pub device: DeviceId,
    /// When it was recorded, UTC milliseconds of the device; never changes.
    pub recorded_at_ms: i64,
    /// Whether and why it was taken back.
    pub retraction: Option<Retraction>,
    /// Ciphertext of the personal fields that it has.
    pub sealed: BTreeMap<SealedField, Vec<u8>>,
    /// Fields that this version does not know, kept as they are.
    pub unknown: BTreeMap<String, Scalar>,
    /// Fields with several current values; each field above shows the winner.
    pub conflicts: Vec<Conflict>,
}

/// Two people set the same field without seeing each other's value; a person has to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The field's key in the document.
    pub field: String,
    /// At least two different values; the first is the one shown meanwhile.
    pub values: Vec<ConflictValue>,
}

/// One of the values of a conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictValue {
    /// The value. A deletion is never one of them: it loses against a concurrent value.
    pub value: Scalar,
    /// Whose change set it.
    pub by: AccountId,
    /// When, UTC milliseconds of the device.
    pub at_ms: i64,
    /// Hash of that change.
    pub change: [u8; 32],
}
