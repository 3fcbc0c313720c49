//! The keys of sealed fields: one per record, the seed they come from, and the realm's key that wraps them at rest.
//!
//! A record's key is what erasure deletes, so it is never stored beside anything it could be derived from again: a
//! seed travels in one batch and is forgotten, the server stores record keys wrapped. Where the realm's key lives is
//! the server's affair.

use std::fmt;

use hkdf::Hkdf;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::{SealError, cipher};
use crate::ids::{RecordId, fixed_bytes};

/// Says for which purpose and version a record key is derived.
const RECORD_KEY_INFO: &[u8] = b"langso-record-key-1";
/// Says for which purpose and version a record key is wrapped.
const WRAP_LABEL: &[u8] = b"langso-wrap-1";

macro_rules! secret_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The key of these bytes, which come from a random source, a derivation or a vault.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The secret itself, for the wire or a vault.
            pub fn to_bytes(&self) -> [u8; 32] {
                self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

macro_rules! on_the_wire {
    ($name:ident) => {
        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                Ok(Self(fixed_bytes(d)?))
            }
        }
    };
}

secret_key!(
    /// What the fields of one record are sealed with. CBOR: a byte string of 32 bytes.
    RecordKey
);
on_the_wire!(RecordKey);

secret_key!(
    /// What the keys of the records created in one batch are derived from. CBOR: a byte string of 32 bytes.
    KeySeed
);
on_the_wire!(KeySeed);

secret_key!(
    /// The realm's key, which wraps record keys where they are stored. It has no wire form: it never travels.
    MasterKey
);

impl RecordKey {
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl KeySeed {
    /// HKDF-SHA256 without salt over the seed; info is `langso-record-key-1` ‖ the record's 16 bytes.
    pub fn record_key(&self, record: RecordId) -> RecordKey {
        let mut key = RecordKey([0; 32]);
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 yields up to 8,160 bytes")]
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(&[RECORD_KEY_INFO, &record.to_bytes()].concat(), &mut key.0)
            .expect("32 bytes are within HKDF's limit");
        key
    }
}

impl MasterKey {
    /// A wrapped record key's length in bytes.
    pub const WRAPPED_BYTES: usize = 32 + cipher::TAG_BYTES;

    /// A key for another purpose than wrapping: HKDF-SHA256 without salt over this key; info is the purpose, which names
    /// a version. It tells nothing of the master key, nor of a key for any other purpose.
    pub fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let mut key = [0; 32];
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 yields up to 8,160 bytes")]
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(purpose, &mut key)
            .expect("32 bytes are within HKDF's limit");
        key
    }

    /// Wraps a record's key for storage: [`Self::WRAPPED_BYTES`] bytes, the same for the same key and record.
    pub fn wrap(&self, key: &RecordKey, record: RecordId) -> Vec<u8> {
        cipher::encrypt(&self.0, &wrap_data(record), &key.0)
    }

    /// The key that [`Self::wrap`] wrapped for this very record.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] if this is not the master key it was wrapped with, the record is another or the bytes
    /// were altered; [`SealError::Damaged`] if they have another length.
    pub fn unwrap_key(&self, wrapped: &[u8], record: RecordId) -> Result<RecordKey, SealError> {
        if wrapped.len() != Self::WRAPPED_BYTES {
            return Err(SealError::Damaged);
        }
        let clear =
            Zeroizing::new(cipher::decrypt(&self.0, &wrap_data(record), wrapped).ok_or(SealError::WrongKey)?);
        let mut key = RecordKey([0; 32]);
        key.0.copy_from_slice(&clear);
        Ok(key)
    }
}

fn wrap_data(record: RecordId) -> Vec<u8> {
    [WRAP_LABEL, &record.to_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn record(n: u128) -> RecordId {
        RecordId::from_parts(1_700_000_000_000, n)
    }

    #[test]
    fn the_key_of_a_record_follows_from_the_seed_for_ever() {
        let key = KeySeed::from_bytes([7; 32]).record_key(record(1));
        assert_eq!(
            HEXLOWER.encode(&key.to_bytes()),
            "12f5e6facaa8c10709c4ad2e888d0bb7b807cca1fcff823474cbc635ab994d93"
        );
        assert_ne!(key, KeySeed::from_bytes([7; 32]).record_key(record(2)));
        assert_ne!(key, KeySeed::from_bytes([8; 32]).record_key(record(1)));
    }

    #[test]
    fn a_wrapped_key_opens_for_its_record_and_its_master_key_alone() {
        let (master, key) = (MasterKey::from_bytes([1; 32]), RecordKey::from_bytes([2; 32]));
        let wrapped = master.wrap(&key, record(1));
        assert_eq!(wrapped.len(), MasterKey::WRAPPED_BYTES);
        assert_eq!(
            HEXLOWER.encode(&wrapped),
            "a4590fb0b40d24575cb8e5fc5fd02b5789deac12f3c4d9dc576aa8540df4f0cff13930a759e7c5f6fab735d04af2fbae"
        );
        assert_eq!(master.unwrap_key(&wrapped, record(1)), Ok(key));
        assert_eq!(master.unwrap_key(&wrapped, record(2)), Err(SealError::WrongKey));
        let other = MasterKey::from_bytes([3; 32]);
        assert_eq!(other.unwrap_key(&wrapped, record(1)), Err(SealError::WrongKey));
        for at in 0..wrapped.len() {
            let mut altered = wrapped.clone();
            altered[at] ^= 1;
            assert_eq!(master.unwrap_key(&altered, record(1)), Err(SealError::WrongKey));
        }
        for cut in [&[][..], &wrapped[..47], &[wrapped.clone(), vec![0]].concat()] {
            assert_eq!(master.unwrap_key(cut, record(1)), Err(SealError::Damaged));
        }
    }

    #[test]
    fn a_key_for_another_purpose_follows_from_the_master_key_for_ever() {
        let master = MasterKey::from_bytes([1; 32]);
        assert_eq!(
            HEXLOWER.encode(&master.derive(b"langso-search-1")),
            "2281859ac47974f2731e1fdbab9005e6c3c773c60e2f528c7187ef7aa7967148"
        );
        assert_ne!(
            master.derive(b"langso-search-1"),
            master.derive(b"langso-search-2")
        );
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(
            format!("{:?}", RecordKey::from_bytes([65; 32])),
            "RecordKey(secret)"
        );
        assert_eq!(format!("{:?}", KeySeed::from_bytes([65; 32])), "KeySeed(secret)");
        assert_eq!(
            format!("{:?}", MasterKey::from_bytes([65; 32])),
            "MasterKey(secret)"
        );
    }

    #[test]
    fn a_key_on_the_wire_has_32_bytes() {
        let key = RecordKey::from_bytes([9; 32]);
        let bytes = minicbor::to_vec(&key).unwrap();
        assert_eq!(bytes.len(), 34);
        assert_eq!(minicbor::decode::<RecordKey>(&bytes).unwrap(), key);
        assert_eq!(minicbor::decode::<KeySeed>(&bytes).unwrap().to_bytes(), [9; 32]);
        for length in [0, 31, 33] {
            let bytes = minicbor::to_vec(minicbor::bytes::ByteVec::from(vec![9; length])).unwrap();
            assert!(minicbor::decode::<RecordKey>(&bytes).is_err());
        }
    }
}
