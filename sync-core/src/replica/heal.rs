//! Healing: what to do when the server holds other documents than this replica, although nothing is on its way.
//!
//! The digests of scopes are compared, then those of documents, then heads: two round trips. Where the server lacks
//! something that is here, its document takes the place of the one here, and own changes that it lacks are written
//! again – so what a person made is delivered once more, and what others made comes back from their phones.

use std::collections::BTreeSet;

use rand_core::CryptoRng;

use super::page::{Stage, unlisted};
use super::{Replica, ReplicaError, Result, fresh_actor};
use crate::digest::DigestSum;
use crate::document::Document;
use crate::document::rebase::chunk_of;
use crate::ids::{ChangeHash, DocumentId, Scope};
use crate::local_store::{LocalStore, OwnChange, Pending, StoredChange, SyncState};
use crate::protocol::{DocumentDigest, HashBytes, HealAnswer, HealQuestion, limits};

/// After so many attempts in one session a difference stays, and shows in the status.
const ATTEMPTS: u32 = 3;

/// What is being narrowed down.
#[derive(Debug, Default)]
pub(super) struct Healing {
    /// Documents about whose heads the server is to be asked.
    pub(super) documents: BTreeSet<DocumentId>,
    attempts: u32,
    /// Something was healed, and nobody has compared since.
    pub(super) unproven: bool,
    /// Questions about documents that got no answer, in a row.
    unanswered: u32,
}

impl Healing {
    /// Both sides agreed: the next difference is a new one.
    pub(super) fn settle(&mut self, state: &SyncState) {
        if !state.diverged && !self.unproven && self.documents.is_empty() {
            self.attempts = 0;
        }
    }
}

impl<S: LocalStore> Replica<S> {
    /// Whether the next request asks something.
    pub(super) fn heals(&self) -> bool {
        !self.healing.documents.is_empty()
            || self.healing.unproven
            || (self.state.diverged && self.state.complete && self.healing.attempts < ATTEMPTS)
    }

    /// The questions of the next request.
    pub(super) fn heal_questions(&mut self, settled: bool) -> Result<Vec<HealQuestion>, S> {
        self.healing.unproven = false;
        let documents: Vec<DocumentId> = self
            .healing
            .documents
            .iter()
            .take(limits::HEAL_DOCUMENTS)
            .copied()
            .collect();
        if !documents.is_empty() {
            return self.questions_about(documents);
        }
        if !settled || !self.state.diverged || self.healing.attempts >= ATTEMPTS {
            return Ok(Vec::new());
        }
        self.healing.attempts += 1;
        let scopes = self.state.scopes.iter().flat_map(|scopes| &scopes.read);
        Ok(scopes
            .take(limits::HEAL_SCOPES)
            .map(|scope| HealQuestion::Scope {
                scope: *scope,
                digest: self.digest_of(*scope).short(),
            })
            .collect())
    }

    fn questions_about(&mut self, documents: Vec<DocumentId>) -> Result<Vec<HealQuestion>, S> {
        let mut questions = Vec::new();
        for id in documents {
            if self.loads(id)? {
                questions.push(self.heads_of(id)?);
            } else {
                // Its difference stays, and shows in the status.
                self.healing.documents.remove(&id);
            }
        }
        Ok(questions)
    }

    fn heads_of(&mut self, id: DocumentId) -> Result<HealQuestion, S> {
        let heads = self.open_document(id)?.true_heads();
        Ok(HealQuestion::Heads {
            document: id,
            heads: heads.into_iter().map(|hash| HashBytes(hash.0)).collect(),
        })
    }

    fn digest_of(&self, scope: Scope) -> DigestSum {
        let covered = |id: &DocumentId| self.state.scopes.as_ref().is_some_and(|scopes| scopes.covers(id));
        let summaries = self
            .summaries
            .values()
            .filter(|summary| summary.id.scope() == scope);
        summaries
            .filter(|summary| covered(&summary.id))
            .map(|summary| summary.digest)
            .sum()
    }

    pub(super) fn stage_heal(
        &mut self,
        stage: &mut Stage,
        answer: &HealAnswer,
        rng: &mut impl CryptoRng,
    ) -> Result<(), S> {
        match answer {
            HealAnswer::Documents { scope, documents } => self.stage_documents(stage, *scope, documents),
            HealAnswer::Missing {
                document,
                changes,
                keys,
            } => {
                let chunks: Vec<&[u8]> = changes.iter().map(|chunk| chunk.as_slice()).collect();
                stage.keys.extend(keys.iter().map(unlisted));
                let at_ms = stage.at_ms;
                let staged = self.staged(stage, *document)?;
                staged
                    .merge(&chunks, at_ms, rng)
                    .map_err(|_| ReplicaError::Answer("changes"))?;
                staged.open.confirmed_heads = staged.open.true_heads();
                staged.moved = true;
                stage.healed = true;
                self.healing.documents.remove(document);
                Ok(())
            }
            HealAnswer::Whole {
                document,
                bytes,
                keys,
            } => {
                stage.keys.extend(keys.iter().map(unlisted));
                let theirs =
                    Document::receive(*document, bytes).map_err(|_| ReplicaError::Answer("snapshot"))?;
                let own = self.own_changes(stage, *document)?;
                self.staged(stage, *document)?
                    .replace(&theirs, own, &fresh_actor(rng));
                stage.healed = true;
                self.healing.documents.remove(document);
                Ok(())
            }
            HealAnswer::NotYet => {
                self.healing.unanswered += 1;
                if self.healing.unanswered > ATTEMPTS {
                    self.healing.unanswered = 0;
                    self.healing.documents.clear();
                }
                Ok(())
            }
            HealAnswer::Same => Ok(()),
        }
    }

    /// Compares the documents of a scope as they will be once this answer is taken.
    fn stage_documents(&mut self, stage: &Stage, scope: Scope, theirs: &[DocumentDigest]) -> Result<(), S> {
        let scopes = self.state.scopes.clone();
        let covered =
            |id: &DocumentId| id.scope() == scope && scopes.as_ref().is_some_and(|scopes| scopes.covers(id));
        let known = self.summaries.keys().chain(stage.documents.keys());
        let listed = theirs.iter().map(|document| document.document);
        let all: BTreeSet<DocumentId> = known.copied().chain(listed).filter(covered).collect();
        for id in all {
            let ours = match stage.documents.get(&id) {
                Some(staged) => staged.open.summary().digest,
                None => self
                    .summaries
                    .get(&id)
                    .map(|summary| summary.digest)
                    .unwrap_or_default(),
            };
            let of_server = theirs.iter().find(|document| document.document == id);
            let theirs = of_server.map_or(DigestSum::default().short(), |document| document.digest);
            if ours.short() != theirs {
                self.healing.documents.insert(id);
            }
        }
        Ok(())
    }

    /// Own changes of a document that have a receipt, with the code of those that the server refused when offered.
    fn own_changes(
        &mut self,
        stage: &mut Stage,
        id: DocumentId,
    ) -> Result<Vec<(StoredChange, Option<String>)>, S> {
        let own = self.store.own(id).map_err(ReplicaError::Store)?;
        let codes = self.outbox.refused_offers.clone();
        let document = &self.staged(stage, id)?.open.document;
        let stored = own.into_iter().filter_map(|OwnChange { hash, record, .. }| {
            let node = document.history().node(&hash)?;
            let pending = Pending {
                record,
                made_at_ms: node.time_ms,
                refused: None,
            };
            let change = StoredChange {
                hash,
                bytes: chunk_of(document.automerge(), &hash)?,
                pending: Some(pending),
            };
            Some((change, codes.get(&hash).cloned()))
        });
        Ok(stored.collect())
    }
}

impl super::open::OpenDocument {
    /// The heads of the confirmed changes as the document itself tells them, whatever was written down about it.
    pub(super) fn true_heads(&self) -> BTreeSet<ChangeHash> {
        let pending: BTreeSet<ChangeHash> = self.pending.iter().map(|change| change.hash).collect();
        let mut heads = self.document.history().heads_without(&pending);
        // A document that holds nothing counts as none.
        heads.remove(&Document::genesis_hash(self.document.id()));
        heads
    }
}
