//! Digests: one short number that is equal exactly where two stores hold the same documents.
//!
//! A document's digest is SHA-256 over its id and its sorted confirmed heads; a set of documents has the sum of theirs
//! modulo 2^256. A sum is kept up to date by subtracting the old digest of a document and adding the new one, in any
//! order; the heads fix every change below them.

use sha2::{Digest, Sha256};

use crate::ids::{ChangeHash, DocumentId};
use crate::protocol::ShortDigest;

/// A number modulo 2^256, least significant word first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DigestSum([u64; 4]);

impl DigestSum {
    /// The digest of one document. `heads` must be ascending; without heads it is zero, as if there were no document.
    pub fn of_document<'a>(document: &DocumentId, heads: impl IntoIterator<Item = &'a ChangeHash>) -> Self {
        let mut hash = Sha256::new_with_prefix(document.to_string());
        let mut any = false;
        for head in heads {
            hash.update(head.0);
            any = true;
        }
        if any {
            Self::from_bytes(&hash.finalize().into())
        } else {
            Self::default()
        }
    }

    /// The sum with another.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.combine(other, u64::overflowing_add)
    }

    /// The sum without another.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.combine(other, u64::overflowing_sub)
    }

    /// The number as 32 bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0.iter().rev()) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The number of 32 bytes, most significant first.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().rev().zip(bytes.chunks_exact(8)) {
            *word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Self(words)
    }

    /// The first eight bytes, which travel.
    pub fn short(self) -> ShortDigest {
        let [.., top] = self.0;
        ShortDigest(top.to_be_bytes())
    }

    fn combine(self, other: Self, step: fn(u64, u64) -> (u64, bool)) -> Self {
        let mut carry = false;
        let mut words = self.0;
        for (word, operand) in words.iter_mut().zip(other.0) {
            let (partial, first) = step(*word, operand);
            let (result, second) = step(partial, u64::from(carry));
            *word = result;
            carry = first || second;
        }
        Self(words)
    }
}

impl std::iter::Sum for DigestSum {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Self::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_carries_over_words_and_comes_back() {
        let max = DigestSum::from_bytes(&[0xff; 32]);
        let one = DigestSum([1, 0, 0, 0]);
        assert_eq!(max.plus(one), DigestSum::default());
        assert_eq!(DigestSum::default().minus(one), max);
        let mut bytes = [0; 32];
        bytes[0] = 1;
        assert_eq!(DigestSum::from_bytes(&bytes).to_bytes(), bytes);
        assert_eq!(
            DigestSum::from_bytes(&bytes).short(),
            ShortDigest([1, 0, 0, 0, 0, 0, 0, 0])
        );
    }
}
