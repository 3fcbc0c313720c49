//! Healing: answers that narrow a difference down to one document, and put it right.
//!
//! A device asks only when its digest differs although nothing is on its way. Documents are loaded for it, so what one
//! request may ask is bounded by the page; the rest is asked again.

use rusqlite::Connection;
use sync_core::digest::DigestSum;
use sync_core::ids::{ChangeHash, DocumentId, Scope};
use sync_core::protocol::{
    DocumentDigest, HashBytes, HealAnswer, HealQuestion, ScopeSet, ShortDigest, limits,
};
use sync_core::seal::MasterKey;

use super::index::LogIndex;
use super::pull::listed_keys;
use crate::documents::Loaded;
use crate::log::{self, ReplayError};

/// Who asks, and what may be told.
#[derive(Clone, Copy, Debug)]
pub struct Healer<'a> {
    /// The store.
    pub conn: &'a Connection,
    /// The log in short.
    pub index: &'a LogIndex,
    /// What the device may read.
    pub set: &'a ScopeSet,
    /// Unwraps record keys.
    pub master: &'a MasterKey,
}

impl Healer<'_> {
    /// One answer per question, in order.
    ///
    /// # Errors
    /// When the store fails, or holds a document that cannot be rebuilt.
    pub fn answers(&self, questions: &[HealQuestion]) -> Result<Vec<HealAnswer>, ReplayError> {
        let (mut room, mut documents) = (limits::PAGE_BYTES, limits::HEAL_DOCUMENTS);
        let answer = |question: &HealQuestion| match question {
            HealQuestion::Scope { scope, digest } => Ok(self.scope(*scope, *digest)),
            HealQuestion::Heads { document, heads } => {
                if room == 0 || documents == 0 || !self.set.covers(document) {
                    return Ok(HealAnswer::NotYet);
                }
                documents -= 1;
                let answer = self.document(*document, heads)?;
                room = room.saturating_sub(size(&answer));
                Ok(answer)
            }
        };
        questions.iter().map(answer).collect()
    }

    fn scope(&self, scope: Scope, theirs: ShortDigest) -> HealAnswer {
        if !self.set.read.contains(&scope) {
            return HealAnswer::NotYet;
        }
        let only = ScopeSet {
            read: vec![scope],
            ..self.set.clone()
        };
        let documents: Vec<(DocumentId, DigestSum)> = self
            .index
            .covered(&only)
            .map(|(document, state)| (document, state.digest))
            .collect();
        let ours: DigestSum = documents.iter().map(|(_, digest)| *digest).sum();
        if ours.short() == theirs {
            return HealAnswer::Same;
        }
        let documents = documents.into_iter().map(|(document, digest)| DocumentDigest {
            document,
            digest: digest.short(),
        });
        HealAnswer::Documents {
            scope,
            documents: documents.collect(),
        }
    }

    fn document(&self, id: DocumentId, heads: &[HashBytes]) -> Result<HealAnswer, ReplayError> {
        let document = Loaded::load(self.conn, id)?.document;
        let keys = match log::find_document(self.conn, id)? {
            Some((_, row, _)) if self.set.personal_read => {
                listed_keys(self.conn, self.master, row, 0, i64::MAX as u64)?
            }
            Some(_) | None => Vec::new(),
        };
        let heads: Vec<ChangeHash> = heads.iter().map(|hash| ChangeHash(hash.0)).collect();
        Ok(match document.changes_since(&heads) {
            Some(changes) => HealAnswer::Missing {
                document: id,
                changes: changes
                    .iter()
                    .map(|change| change.raw_bytes().to_vec().into())
                    .collect(),
                keys,
            },
            None => match document.save_for_phones() {
                Some(bytes) => HealAnswer::Whole {
                    document: id,
                    bytes: bytes.into(),
                    keys,
                },
                // An answer that brought it would be refused whole, with the receipts in it.
                None => HealAnswer::NotYet,
            },
        })
    }
}

fn size(answer: &HealAnswer) -> usize {
    match answer {
        HealAnswer::Missing { changes, .. } => changes.iter().map(|chunk| chunk.len()).sum(),
        HealAnswer::Whole { bytes, .. } => bytes.len(),
        HealAnswer::Documents { .. } | HealAnswer::NotYet | HealAnswer::Same => 0,
    }
}
