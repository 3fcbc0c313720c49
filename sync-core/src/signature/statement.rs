//! The statements that are signed, byte by byte. Numbers are big-endian; ids are their 16 bytes.

use super::{BadSignature, DeviceKey, PublicKey, Signature};
use crate::ids::{AccountId, DeviceId, DocumentId, RealmId, UnitId};

const BATCH: &[u8] = b"langso-batch-1";
const ENROLMENT: &[u8] = b"langso-enrolment-1";
const ASSERTION: &[u8] = b"langso-token-1";
const RECEIPTS: &[u8] = b"langso-receipts-1";

macro_rules! signed {
    ($name:ty) => {
        impl $name {
            /// Signs [`Self::to_bytes`].
            pub fn sign(&self, key: &DeviceKey) -> Signature {
                key.sign(&self.to_bytes())
            }

            /// Verifies a signature over [`Self::to_bytes`].
            ///
            /// # Errors
            /// [`BadSignature`] if the key did not sign this very statement.
            pub fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), BadSignature> {
                key.verify(&self.to_bytes(), signature)
            }
        }
    };
}

/// "These changes, in this order, are mine": signed by the device that sends a batch, stored with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStatement<'a> {
    /// Where.
    pub realm: RealmId,
    /// Who signs.
    pub device: DeviceId,
    /// For whom.
    pub account: AccountId,
    /// Into which document.
    pub document: DocumentId,
    /// Hashes of the changes, in the order of the batch.
    pub changes: &'a [[u8; 32]],
    /// Digest of the batch's keys, which are not kept.
    pub keys_digest: [u8; 32],
}

signed!(BatchStatement<'_>);

impl BatchStatement<'_> {
    /// `langso-batch-1` ‖ realm ‖ device ‖ account ‖ length of the document's id as text (u16) ‖ that text ‖ number of
    /// changes (u32) ‖ their hashes ‖ keys digest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let document = self.document.to_string();
        let mut bytes = Vec::with_capacity(160 + 32 * self.changes.len());
        bytes.extend_from_slice(BATCH);
        bytes.extend(self.realm.to_bytes());
        bytes.extend(self.device.to_bytes());
        bytes.extend(self.account.to_bytes());
        // Neither number can wrap: an id's text has at most 45 bytes, and admission bounds a batch to 500 changes.
        bytes.extend((document.len() as u16).to_be_bytes());
        bytes.extend_from_slice(document.as_bytes());
        bytes.extend((self.changes.len() as u32).to_be_bytes());
        bytes.extend(self.changes.as_flattened());
        bytes.extend(self.keys_digest);
        bytes
    }
}

/// "This device was enrolled": signed by the server, so that a restored server that does not know the device any more
/// still takes its deliveries, into quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnrolmentStatement {
    /// Where.
    pub realm: RealmId,
    /// Which device.
    pub device: DeviceId,
    /// Whose.
    pub account: AccountId,
    /// The device's key.
    pub public_key: PublicKey,
    /// When, UTC milliseconds of the server.
    pub enrolled_at_ms: i64,
}

signed!(EnrolmentStatement);

impl EnrolmentStatement {
    /// `langso-enrolment-1` ‖ realm ‖ device ‖ account ‖ public key (32) ‖ time (i64).
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            ENROLMENT,
            &self.realm.to_bytes(),
            &self.device.to_bytes(),
            &self.account.to_bytes(),
            &self.public_key.to_bytes(),
            &self.enrolled_at_ms.to_be_bytes(),
        ]
        .concat()
    }
}

/// "It is me, now": what a device signs to get a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssertionStatement {
    /// Where.
    pub realm: RealmId,
    /// Who signs.
    pub device: DeviceId,
    /// UTC milliseconds of the device, corrected by the last server time.
    pub time_ms: i64,
    /// What the server gave to sign when it refused the time.
    pub nonce: Option<[u8; 16]>,
    /// Random; used once.
    pub jti: [u8; 16],
}

signed!(AssertionStatement);

impl AssertionStatement {
    /// `langso-token-1` ‖ realm ‖ device ‖ time (i64) ‖ jti (16) ‖ 0, or 1 ‖ nonce (16).
    pub fn to_bytes(&self) -> Vec<u8> {
        let nonce = self.nonce.map_or(vec![0], |nonce| [&[1], &nonce[..]].concat());
        [
            ASSERTION,
            &self.realm.to_bytes(),
            &self.device.to_bytes(),
            &self.time_ms.to_be_bytes(),
            &self.jti,
            &nonce,
        ]
        .concat()
    }
}

/// "So it stood with one version of a directive": who was expected to answer, and whose keys they sign with. Signed by the
/// realm, so that neither a hamlet nor a revocation can be left out of an exported file unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptsStatement<'a> {
    /// Where.
    pub realm: RealmId,
    /// Digest of the version.
    pub digest: [u8; 32],
    /// When, UTC milliseconds of the server.
    pub at_ms: i64,
    /// Where the server's audit ended then: the position of its last row, and the hash of that.
    pub audit: (u64, [u8; 32]),
    /// Each unit that may speak, the unit it is counted for, and that unit's name.
    pub roster: &'a [(UnitId, UnitId, String)],
    /// Each device that spoke, its account, key and enrolment, and when it was revoked if it was.
    pub devices: &'a [(EnrolmentStatement, Option<i64>)],
}

signed!(ReceiptsStatement<'_>);

impl ReceiptsStatement<'_> {
    /// `langso-receipts-1` ‖ realm ‖ digest ‖ time (i64) ‖ audit: position (u64) and hash (32) ‖ number of units (u32) ‖ for each: unit ‖ unit it is counted for
    /// ‖ length of the name (u16) ‖ name ‖ number of devices (u32) ‖ for each: its enrolment statement ‖ 0, or 1 ‖ time of
    /// the revocation (i64).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [
            RECEIPTS,
            &self.realm.to_bytes(),
            &self.digest,
            &self.at_ms.to_be_bytes(),
            &self.audit.0.to_be_bytes(),
            &self.audit.1,
            &(self.roster.len() as u32).to_be_bytes(),
        ]
        .concat();
        for (unit, counted_for, name) in self.roster {
            bytes.extend(unit.to_bytes());
            bytes.extend(counted_for.to_bytes());
            bytes.extend((name.len() as u16).to_be_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.extend((self.devices.len() as u32).to_be_bytes());
        for (enrolment, revoked_at) in self.devices {
            bytes.extend(enrolment.to_bytes());
            match revoked_at {
                Some(at) => {
                    bytes.push(1);
                    bytes.extend(at.to_be_bytes());
                }
                None => bytes.push(0),
            }
        }
        bytes
    }
}
