//! Records: typed values read out of documents.
//!
//! A record is what a document *says*, already merged; how it is written is [`crate::edit`], which keys it has in the
//! document is [`crate::document`]. Sealed fields are ciphertext here: opening them takes a key and is done where
//! somebody with the right to read them looks at a record.

mod acknowledgement;
mod catalogue;
pub(crate) mod code;
mod directive;
mod remark;
mod secrecy;
mod settled;
mod targets;

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::ids::{AccountId, DeviceId, DocumentId, RecordId};
use crate::seal::SealedField;
pub use acknowledgement::{Acknowledgement, Origin, Stage};
pub use catalogue::{CatalogueEntry, CatalogueKind};
pub use directive::{Asks, Directive, Draft, Issue, Relation, Urgency};
pub use remark::{Remark, RemarkKind};
pub use secrecy::bears_secrecy;
pub use settled::Settled;
pub use targets::{Reach, Target, Targets};

/// The fields of a record under their keys, before they get their types.
pub type Fields = BTreeMap<String, Scalar>;

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

impl<C> Encode<C> for Scalar {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        match self {
            Scalar::Text(text) => e.str(text)?.ok(),
            Scalar::Bytes(bytes) => e.bytes(bytes)?.ok(),
            Scalar::Int(n) => e.i64(*n)?.ok(),
            Scalar::Bool(truth) => e.bool(*truth)?.ok(),
            Scalar::Null => e.null()?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Scalar {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        match d.datatype()? {
            Type::String => Ok(Scalar::Text(d.str()?.to_owned())),
            Type::Bytes => Ok(Scalar::Bytes(d.bytes()?.to_vec())),
            Type::Bool => Ok(Scalar::Bool(d.bool()?)),
            Type::Null => {
                d.null()?;
                Ok(Scalar::Null)
            }
            _ => Ok(Scalar::Int(d.i64()?)),
        }
    }
}

/// Sealed fields as a map of key to byte string.
mod sealed_fields {
    use super::{BTreeMap, DecodeError, Decoder, EncodeError, Encoder, SealedField, Write};

    pub(super) fn encode<C, W: Write>(
        fields: &BTreeMap<SealedField, Vec<u8>>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.map(fields.len() as u64)?;
        for (field, bytes) in fields {
            e.str(field.key())?.bytes(bytes)?;
        }
        Ok(())
    }

    pub(super) fn decode<C>(
        d: &mut Decoder<'_>,
        _: &mut C,
    ) -> Result<BTreeMap<SealedField, Vec<u8>>, DecodeError> {
        let mut fields = BTreeMap::new();
        for _ in 0..d
            .map()?
            .ok_or_else(|| DecodeError::message("a map of unknown length"))?
        {
            let field =
                SealedField::from_key(d.str()?).ok_or_else(|| DecodeError::message("not a sealed field"))?;
            fields.insert(field, d.bytes()?.to_vec());
        }
        Ok(fields)
    }
}

/// Why a record was taken back. A closed list: free text would be one more place for personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RetractReason {
    /// The same help is recorded twice.
    #[n(0)]
    Duplicate,
    /// It was recorded by mistake.
    #[n(1)]
    Mistake,
    /// The citizen asked for it.
    #[n(2)]
    CitizenRequest,
    /// Anything else.
    #[n(3)]
    Other,
}

impl RetractReason {
    /// Every reason.
    pub const ALL: [RetractReason; 4] = [
        RetractReason::Duplicate,
        RetractReason::Mistake,
        RetractReason::CitizenRequest,
        RetractReason::Other,
    ];

    /// The stable code in documents, tables and APIs.
    pub const fn code(self) -> &'static str {
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

code::worded!(RetractReason, RetractReason::ALL.map(RetractReason::code));

/// That a record was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Retraction {
    /// Why.
    #[n(0)]
    pub reason: RetractReason,
    /// Who did it.
    #[n(1)]
    pub by: AccountId,
    /// When, UTC milliseconds of the device.
    #[n(2)]
    pub at_ms: i64,
}

/// One act of help to a citizen or a group, as its document says it now.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Assistance {
    /// Its identity.
    #[n(0)]
    pub id: RecordId,
    /// Where it lives.
    #[n(1)]
    pub document: DocumentId,
    /// When the help was given, UTC milliseconds.
    #[n(2)]
    pub occurred_at_ms: i64,
    /// Code of the catalogue.
    #[n(3)]
    pub category: String,
    /// National code of the procedure.
    #[n(4)]
    pub procedure: Option<String>,
    /// How it was given (code): at home, by phone …
    #[n(5)]
    pub channel: String,
    /// What came of it (code).
    #[n(6)]
    pub outcome: String,
    /// How many people were helped, at least 1.
    #[n(7)]
    pub people: u32,
    /// How long it took.
    #[n(8)]
    pub minutes: Option<u32>,
    /// 1–5, as the citizen said.
    #[n(9)]
    pub satisfaction: Option<u8>,
    /// Who recorded it; never changes.
    #[n(10)]
    pub recorded_by: AccountId,
    /// On which device; never changes.
    #[n(11)]
    pub device: DeviceId,
    /// When it was recorded, UTC milliseconds of the device; never changes.
    #[n(12)]
    pub recorded_at_ms: i64,
    /// Whether and why it was taken back.
    #[n(13)]
    pub retraction: Option<Retraction>,
    /// Ciphertext of the personal fields that it has.
    #[cbor(n(14), with = "sealed_fields")]
    pub sealed: BTreeMap<SealedField, Vec<u8>>,
    /// Fields that this version does not know, kept as they are.
    #[n(15)]
    pub unknown: BTreeMap<String, Scalar>,
    /// Fields with several current values; each field above shows the winner.
    #[n(16)]
    pub conflicts: Vec<Conflict>,
}

/// Two people set the same field without seeing each other's value; a person has to choose.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Conflict {
    /// The field's key in the document.
    #[n(0)]
    pub field: String,
    /// At least two different values; the first is the one shown meanwhile.
    #[n(1)]
    pub values: Vec<ConflictValue>,
}

/// One of the values of a conflict.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ConflictValue {
    /// The value. A deletion is never one of them: it loses against a concurrent value.
    #[n(0)]
    pub value: Scalar,
    /// Whose change set it.
    #[n(1)]
    pub by: AccountId,
    /// When, UTC milliseconds of the device.
    #[n(2)]
    pub at_ms: i64,
    /// Hash of that change.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub change: [u8; 32],
}
