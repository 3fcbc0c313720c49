//! Signatures: what a device, and the server's own replica, proves with its Ed25519 key.
//!
//! Nothing is signed as it travels: a statement is written out byte by byte here, begins with a label of its own and
//! holds every identity in full, so that a signature for one purpose, realm or device is worth nothing for another.
//! The tokens that the server issues are JWTs and its own affair.

mod record;
mod statement;

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::ids::fixed_bytes;
pub use record::RecordStatement;
pub use statement::{AssertionStatement, BatchStatement, EnrolmentStatement, ReceiptsStatement};

/// The signature is not one of this key over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid")]
pub struct BadSignature;

/// Bytes that are refused as a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No point of the curve, or not its one canonical encoding.
    #[error("not a public key")]
    Malformed,
    /// A point of small order: signatures that anyone can make verify under it.
    #[error("a weak public key")]
    Weak,
}

impl KeyError {
    /// The stable code for logs and interfaces.
    pub fn code(&self) -> &'static str {
        match self {
            KeyError::Malformed => "key_malformed",
            KeyError::Weak => "key_weak",
        }
    }
}

/// The secret key of a device or of the server's replica. Lives in a vault; wiped from memory when dropped.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl DeviceKey {
    /// The key of a seed, which comes from a random source or a vault.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The seed, for the vault alone.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// What others verify with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs these very bytes. Callers sign statements ([`BatchStatement`], …), not messages.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(secret)")
    }
}

/// CBOR: a byte string of 32 bytes, the seed; for the vault alone.
impl<C> Encode<C> for DeviceKey {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.to_seed())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DeviceKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Ok(Self::from_seed(fixed_bytes(d)?))
    }
}

/// A public key that is known to be good: canonical and not weak. CBOR: a byte string of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Checks and takes a key from outside.
    ///
    /// # Errors
    /// [`KeyError`]; a device that sends such a key cannot be enrolled.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Malformed)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        // The curve's library reads coordinates beyond the field's prime too: one key would have two names.
        if key.to_edwards().compress().to_bytes() != bytes {
            return Err(KeyError::Malformed);
        }
        Ok(Self(key))
    }

    /// Its 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Strict verification: what any implementation of RFC 8032 accepts, and nothing that only some accept.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| BadSignature)
    }
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let position = d.position();
        Self::from_bytes(fixed_bytes(d)?).map_err(|error| DecodeError::custom(error).at(position))
    }
}

/// An Ed25519 signature, not yet verified. CBOR: a byte string of 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl<C> Encode<C> for Signature {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Signature {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Ok(Self(fixed_bytes(d)?))
    }
}

#[cfg(test)]
mod tests;
