//! A document in use: what the store holds of it, applied.

use std::collections::BTreeSet;

use super::{Replica, ReplicaError, Result};
use crate::admission::{Admission, Gate, admit};
use crate::digest::DigestSum;
use crate::document::Document;
use crate::ids::{ActorId, ChangeHash, DocumentId};
use crate::local_store::{DocumentSummary, LocalStore, Refused, StoredChange, StoredDocument};
use crate::seal::KeySeed;

/// Confirmed and pending changes together, and which are which.
#[derive(Clone, Debug)]
pub(super) struct OpenDocument {
    pub(super) document: Document,
    /// Fresh for each document and session, made at the first write: one (actor, seq) must never get two contents.
    pub(super) actor: Option<ActorId>,
    pub(super) seed: Option<KeySeed>,
    pub(super) confirmed_heads: BTreeSet<ChangeHash>,
    /// Without a receipt, in the order in which they were made.
    pub(super) pending: Vec<StoredChange>,
    /// Refused: no part of the document.
    pub(super) aside: Vec<StoredChange>,
    /// Confirmed changes that the store holds one by one.
    pub(super) loose: usize,
}

impl OpenDocument {
    fn from_stored(id: DocumentId, stored: Option<StoredDocument>) -> Option<Self> {
        let stored = stored.unwrap_or_default();
        let mut document = match &stored.snapshot {
            Some(bytes) => Document::load(id, bytes).ok()?,
            None => Document::new(id),
        };
        let (aside, changes): (Vec<_>, Vec<_>) = stored
            .changes
            .into_iter()
            .partition(|change| change.refused().is_some());
        let chunks: Vec<&[u8]> = changes.iter().map(|change| change.bytes.as_slice()).collect();
        if let Admission::Plan(plan) = admit(&document, &chunks, Gate::Log).ok()? {
            document.adopt(*plan);
        }
        let (pending, confirmed): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.pending.is_some());
        Some(Self {
            document,
            actor: None,
            seed: stored.seed,
            confirmed_heads: stored.confirmed_heads.into_iter().collect(),
            pending,
            aside,
            loose: confirmed.len(),
        })
    }

    /// Takes a change into the confirmed ones.
    pub(super) fn confirm(&mut self, hash: ChangeHash) {
        if let Some(node) = self.document.history().node(&hash) {
            for dep in &node.deps {
                self.confirmed_heads.remove(dep);
            }
        }
        self.confirmed_heads.insert(hash);
    }

    /// Changes that stand aside and wait for a decision.
    pub(super) fn undecided(&self) -> impl Iterator<Item = (&StoredChange, &Refused)> {
        let refused = self
            .aside
            .iter()
            .filter_map(|change| Some((change, change.refused()?)));
        refused.filter(|(_, refused)| refused.verdict.is_none())
    }

    /// The document in short.
    pub(super) fn summary(&self) -> DocumentSummary {
        let id = self.document.id();
        let undecided: Vec<&StoredChange> = self.undecided().map(|(change, _)| change).collect();
        let made_at = |change: &StoredChange| Some(change.pending.as_ref()?.made_at_ms);
        let open = self.pending.iter().chain(undecided.iter().copied());
        DocumentSummary {
            id,
            digest: DigestSum::of_document(&id, &self.confirmed_heads),
            pending: self.pending.len(),
            refused: undecided.len(),
            oldest_pending_ms: open.filter_map(made_at).min(),
        }
    }
}

impl<S: LocalStore> Replica<S> {
    /// Whether the document loads. One that is damaged holds up no other: whoever uses it is told.
    pub(super) fn loads(&mut self, id: DocumentId) -> Result<bool, S> {
        match self.open_document(id) {
            Ok(_) => Ok(true),
            Err(ReplicaError::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The document, loaded at its first use.
    pub(super) fn open_document(&mut self, id: DocumentId) -> Result<&mut OpenDocument, S> {
        use std::collections::btree_map::Entry;
        match self.documents.entry(id) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(place) => {
                let stored = self.store.document(id).map_err(ReplicaError::Store)?;
                let open = OpenDocument::from_stored(id, stored).ok_or(ReplicaError::Damaged(id))?;
                Ok(place.insert(open))
            }
        }
    }
}
