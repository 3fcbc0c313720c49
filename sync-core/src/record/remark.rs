//! Remarks: what an official says to a record, and what the team answers.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::code::coded;
use super::{Scalar, sealed_fields};
use crate::ids::{AccountId, DeviceId, DocumentId, RecordId};
use crate::seal::SealedField;

coded! {
    /// What a remark is.
    RemarkKind {
        /// The record was looked at and found right.
        0 Verified = "verified",
        /// It should be corrected; the words say how.
        1 Correct = "please_correct",
        /// Something is not clear.
        2 Question = "question",
        /// The team's answer to one of these.
        3 Answer = "answer",
    }
}

/// A remark or an answer.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Remark {
    /// Its identity.
    #[n(0)]
    pub id: RecordId,
    /// Where it lives; its unit is the hamlet that is spoken to.
    #[n(1)]
    pub document: DocumentId,
    /// The record it is about.
    #[n(2)]
    pub record: RecordId,
    /// What it is.
    #[n(3)]
    pub kind: RemarkKind,
    /// The remark that it answers.
    #[n(4)]
    pub answers: Option<RecordId>,
    /// Who.
    #[n(5)]
    pub by: AccountId,
    /// On which device.
    #[n(6)]
    pub device: DeviceId,
    /// When, UTC milliseconds of the device, corrected.
    #[n(7)]
    pub at_ms: i64,
    /// Ciphertext of its words.
    #[cbor(n(8), with = "sealed_fields")]
    pub sealed: BTreeMap<SealedField, Vec<u8>>,
    /// Fields that this version does not know.
    #[n(9)]
    pub unknown: BTreeMap<String, Scalar>,
}
