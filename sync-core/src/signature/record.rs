//! The statement of a signed record: a directive, or an acknowledgement event.

use sha2::{Digest, Sha256};

use super::{BadSignature, DeviceKey, PublicKey, Signature};
use crate::ids::{DocumentId, RecordId};
use crate::record::{Fields, Scalar};

const RECORD: &[u8] = b"langso-record-1";

/// "This record says this": signed by the device that makes it, and kept in the record. Its bytes are the canonical form
/// of the record – what a digest of it is taken of, and all that somebody needs to verify it without a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecordStatement<'a> {
    /// In which document, and so in which unit – which is of one realm alone.
    pub document: DocumentId,
    /// Which record.
    pub record: RecordId,
    /// Its fields without the signature: who made it and on which device is among them.
    pub fields: &'a Fields,
}

impl RecordStatement<'_> {
    /// `langso-record-1` ‖ length of the document's id as text (u16) ‖ that text ‖ record ‖ number of fields
    /// (u16) ‖ for each field, ascending by key: length of the key (u8) ‖ key ‖ kind (u8: 1 text, 2 bytes, 3 number,
    /// 4 truth, 5 nothing) ‖ length of the value (u32) ‖ value. A number is an i64, a truth one byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let document = self.document.to_string();
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(RECORD);
        // No number can wrap: an id's text, the fields of a record and their keys and values are bounded far below.
        bytes.extend((document.len() as u16).to_be_bytes());
        bytes.extend_from_slice(document.as_bytes());
        bytes.extend(self.record.to_bytes());
        bytes.extend((self.fields.len() as u16).to_be_bytes());
        for (key, value) in self.fields {
            bytes.push(key.len() as u8);
            bytes.extend_from_slice(key.as_bytes());
            let (kind, value) = match value {
                Scalar::Text(text) => (1, text.as_bytes().to_vec()),
                Scalar::Bytes(bytes) => (2, bytes.clone()),
                Scalar::Int(n) => (3, n.to_be_bytes().to_vec()),
                Scalar::Bool(truth) => (4, vec![u8::from(*truth)]),
                Scalar::Null => (5, Vec::new()),
            };
            bytes.push(kind);
            bytes.extend((value.len() as u32).to_be_bytes());
            bytes.extend(value);
        }
        bytes
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// Signs the bytes.
    pub fn sign(&self, key: &DeviceKey) -> Signature {
        key.sign(&self.to_bytes())
    }

    /// Verifies a signature over the bytes.
    ///
    /// # Errors
    /// [`BadSignature`] if the key did not sign this very record.
    pub fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), BadSignature> {
        key.verify(&self.to_bytes(), signature)
    }
}
