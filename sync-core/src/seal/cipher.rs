//! AES-256-GCM-SIV with a zero nonce: the one cipher of sealed fields and wrapped keys.
//!
//! The same key, associated data and text give the same bytes. That is wanted: two people who set the same value
//! make no conflict. What the cipher reveals by it, equality within one field of one record, is what we need it to.

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};

/// What authentication adds to a text, in bytes.
pub(crate) const TAG_BYTES: usize = 16;

pub(super) fn encrypt(key: &[u8; 32], associated: &[u8], clear: &[u8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "the cipher refuses nothing below 64 GB")]
    Aes256GcmSiv::new(key.into())
        .encrypt(
            &Nonce::default(),
            Payload {
                msg: clear,
                aad: associated,
            },
        )
        .expect("sealed texts are short")
}

/// `None` if the bytes were not made with this key and associated data.
pub(super) fn decrypt(key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    Aes256GcmSiv::new(key.into())
        .decrypt(
            &Nonce::default(),
            Payload {
                msg: sealed,
                aad: associated,
            },
        )
        .ok()
}
