//! A document in use: what the store holds of it, applied.

use std::collections::BTreeSet;

use super::{Replica, ReplicaError, Result};
use crate::admission::{Admission, Gate, admit};
use crate::document::Document;
use crate::ids::{ActorId, ChangeHash, DocumentId};
use crate::local_store::{LocalStore, StoredChange, StoredDocument};
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
        let chunks: Vec<&[u8]> = stored
            .changes
            .iter()
            .map(|change| change.bytes.as_slice())
            .collect();
        if let Admission::Plan(plan) = admit(&document, &chunks, Gate::Log).ok()? {
            document.adopt(*plan);
        }
        let loose = stored
            .changes
            .iter()
            .filter(|change| change.pending.is_none())
            .count();
        let pending = stored
            .changes
            .into_iter()
            .filter(|change| change.pending.is_some())
            .collect();
        let confirmed_heads = stored.confirmed_heads.into_iter().collect();
        Some(Self {
            document,
            actor: None,
            seed: stored.seed,
            confirmed_heads,
            pending,
            loose,
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

    /// How many pending changes the server refused.
    pub(super) fn refused(&self) -> usize {
        let refused = |change: &&StoredChange| change.pending.as_ref().is_some_and(|p| p.refused.is_some());
        self.pending.iter().filter(refused).count()
    }
}

impl<S: LocalStore> Replica<S> {
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
