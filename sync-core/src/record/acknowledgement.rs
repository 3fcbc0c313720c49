//! Acknowledgement events: what a hamlet says to a directive, signed, one by one.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::code::coded;
use super::{Fields, Issue, Scalar};
use crate::document::acks;
use crate::ids::{AccountId, DeviceId, DocumentId, RecordId};
use crate::signature::Signature;

coded! {
    /// What is said. The order is that of how far it goes; who cannot has gone through none of them.
    Stage {
        /// It is on the device: said by the device itself.
        0 Received = "received",
        /// Somebody opened it.
        1 Opened = "opened",
        /// Somebody understood it.
        2 Acknowledged = "acknowledged",
        /// It was carried out.
        3 Done = "done",
        /// It cannot be carried out; the note says why.
        4 Cannot = "cannot",
    }
}

/// The change that made a record: what finds its place in the log, and so when it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Origin {
    /// The change's actor.
    #[n(0)]
    pub actor: ByteVec,
    /// Its place in the actor's sequence.
    #[n(1)]
    pub seq: u64,
}

/// One acknowledgement event.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Acknowledgement {
    /// Its identity.
    #[n(0)]
    pub id: RecordId,
    /// Where it lives; its unit is the hamlet that speaks.
    #[n(1)]
    pub document: DocumentId,
    /// What it is about.
    #[n(2)]
    pub issue: Issue,
    /// What is said.
    #[n(3)]
    pub stage: Stage,
    /// In words; a reason where it cannot be done.
    #[n(4)]
    pub note: Option<String>,
    /// When, UTC milliseconds of the device, corrected by the last server time.
    #[n(5)]
    pub at_ms: i64,
    /// When, as the device's clock said.
    #[n(6)]
    pub device_at_ms: i64,
    /// Who.
    #[n(7)]
    pub by: AccountId,
    /// On which device.
    #[n(8)]
    pub device: DeviceId,
    /// Digest of this device's event for this directive before.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub previous: Option<[u8; 32]>,
    /// The device's, over the canonical bytes.
    #[n(10)]
    pub signature: Signature,
    /// SHA-256 of the canonical bytes: what the next event of the device names.
    #[cbor(n(11), with = "minicbor::bytes")]
    pub digest: [u8; 32],
    /// The change that made it.
    #[n(12)]
    pub origin: Origin,
    /// Fields that this version does not know; the signature covers them.
    #[n(13)]
    pub unknown: BTreeMap<String, Scalar>,
}

impl Acknowledgement {
    /// Its fields without the signature: with them anybody can make the canonical bytes again.
    pub fn fields(&self) -> Fields {
        let mut fields = self.unknown.clone();
        let mut put =
            |key: &str, value: Option<Scalar>| fields.extend(value.map(|value| (key.to_owned(), value)));
        put(
            acks::DIRECTIVE,
            Some(Scalar::Bytes(self.issue.directive.to_bytes().to_vec())),
        );
        put(acks::VERSION, Some(Scalar::Int(self.issue.version.into())));
        put(acks::DIGEST, Some(Scalar::Bytes(self.issue.digest.to_vec())));
        put(acks::STAGE, Some(Scalar::Text(self.stage.code().to_owned())));
        put(acks::NOTE, self.note.clone().map(Scalar::Text));
        put(acks::AT, Some(Scalar::Int(self.at_ms)));
        put(acks::DEVICE_AT, Some(Scalar::Int(self.device_at_ms)));
        put(acks::BY, Some(Scalar::Bytes(self.by.to_bytes().to_vec())));
        put(acks::DEVICE, Some(Scalar::Bytes(self.device.to_bytes().to_vec())));
        put(
            acks::PREVIOUS,
            self.previous.map(|digest| Scalar::Bytes(digest.to_vec())),
        );
        fields
    }
}
