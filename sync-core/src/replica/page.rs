//! Taking an answer: first on clones, then in the store, then here – so that a failure at any point changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use rand_core::CryptoRng;

use super::outbox::SentBatch;
use super::staged::Staged;
use super::{Replica, ReplicaError, Result, fresh_actor};
use crate::admission::Refusal;
use crate::ids::{ActorId, ChangeHash, Class, DocumentId, Month, RecordId, Scope};
use crate::local_store::{LocalStore, Offer, SyncState, Update};
use crate::protocol::{Item, ListedKey, Receipt, SyncResponse};
use crate::seal::RecordKey;

/// Own changes are kept for a server that was restored from a backup of up to this age.
const OWN_KEPT_MS: i64 = 35 * 24 * 3600 * 1000;
/// So long after a restore a change waits for others, on other phones, that it stands on.
const PATIENCE_MS: i64 = 24 * 3600 * 1000;

/// Everything that an answer changes.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) documents: BTreeMap<DocumentId, Staged>,
    pub(super) keys: Vec<(RecordId, RecordKey)>,
    erased: Vec<RecordId>,
    /// The server's time, UTC milliseconds.
    pub(super) at_ms: i64,
    /// Documents whose changes stand on something that the server does not have.
    pub(super) waiting: BTreeSet<DocumentId>,
    /// Documents whose changes are to be sent one by one.
    single: BTreeSet<DocumentId>,
    /// Documents about which the server is to be asked.
    pub(super) suspect: BTreeSet<DocumentId>,
    refused_offers: BTreeMap<ChangeHash, String>,
    /// Changes that a person has decided about: one that was offered in vain gets another answer now.
    judged: BTreeSet<ChangeHash>,
    /// Whether a document took over what the server has.
    pub(super) healed: bool,
}

/// What an answer did, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) confirmed: usize,
    pub(super) refused: usize,
}

impl Stage {
    /// What does not fit onto what is here is no reason to stop: the server is asked about the document.
    pub(super) fn doubt(
        &mut self,
        id: DocumentId,
        merged: std::result::Result<(), Refusal>,
    ) -> std::result::Result<(), &'static str> {
        match merged {
            Ok(()) => Ok(()),
            Err(Refusal::MissingDeps(_) | Refusal::ActorFork { .. }) => {
                self.suspect.insert(id);
                Ok(())
            }
            Err(Refusal::Quarantined(_) | Refusal::Rejected(_)) => Err("changes"),
        }
    }
}

impl<S: LocalStore> Replica<S> {
    /// Takes receipts, items and answers; tells whether something was written again.
    pub(super) fn take(
        &mut self,
        response: &SyncResponse,
        sent: &[SentBatch],
        mut state: SyncState,
        rng: &mut impl CryptoRng,
    ) -> Result<(Counts, bool), S> {
        let mut stage = Stage {
            at_ms: response.server_time_ms,
            ..Stage::default()
        };
        for (receipt, batch) in response.receipts.iter().zip(sent) {
            self.stage_receipt(&mut stage, &state, receipt, batch)?;
        }
        for item in &response.items {
            unless_damaged(self.stage_item(&mut stage, &mut state, item, rng))?;
        }
        for answer in &response.heal {
            unless_damaged(self.stage_heal(&mut stage, answer, rng))?;
        }
        // What was healed just now is compared again by the next exchange.
        state.diverged &= !stage.healed;
        self.refile(&mut stage, rng)?;
        for staged in stage.documents.values_mut() {
            if staged.forked.is_some() || !staged.refused.is_empty() {
                staged.rebase(&fresh_actor(rng));
            }
        }
        let counts = Counts {
            confirmed: stage
                .documents
                .values()
                .map(|staged| staged.confirmed.len())
                .sum(),
            refused: stage.documents.values().map(Staged::set_aside_count).sum(),
        };
        if counts.confirmed > 0 {
            state.last_receipt_ms = Some(response.server_time_ms);
        }
        let offer = self.offer_after(response);
        let update = self.update(&mut stage, state, offer);
        self.store.apply(&update).map_err(ReplicaError::Store)?;
        let boards = |id: &DocumentId| id.class() == Class::Board;
        self.arrivals |= stage.documents.keys().any(boards);
        let rebased = stage.documents.values().any(|staged| staged.rebased)
            || !stage.single.is_subset(&self.outbox.single);
        let directory = |id: &DocumentId| id.class() == Class::Directory;
        let around = stage.documents.keys().any(directory) || self.state.scopes != update.state.scopes;
        self.settle(stage, update)?;
        if around {
            self.look_around()?;
            self.arrivals = true;
        }
        Ok((counts, rebased))
    }

    fn stage_receipt(
        &mut self,
        stage: &mut Stage,
        state: &SyncState,
        receipt: &Receipt,
        batch: &SentBatch,
    ) -> Result<(), S> {
        let id = batch.document;
        let code = match receipt {
            Receipt::Durable { to, .. } | Receipt::Duplicate { to, .. } => {
                let at_ms = stage.at_ms;
                let staged = self.staged(stage, id)?;
                staged.confirm(
                    batch.changes.iter().copied(),
                    Some(*to).filter(|to| *to > 0),
                    at_ms,
                );
                return Ok(());
            }
            // The same bytes may succeed later: they stay in the outbox as they are.
            Receipt::Rejected { retry: true, .. } => return Ok(()),
            Receipt::MissingDeps { .. } => {
                let patient = state
                    .restored_at_ms
                    .is_some_and(|at_ms| stage.at_ms - at_ms < PATIENCE_MS);
                if patient && batch.changes.len() > 1 {
                    stage.single.insert(id);
                } else if patient {
                    stage.waiting.insert(id);
                } else {
                    stage.suspect.insert(id);
                }
                return Ok(());
            }
            Receipt::ActorFork { actor, seq } if !batch.offered => {
                self.staged(stage, id)?.forked = Some((ActorId::from(actor.as_slice()), *seq));
                return Ok(());
            }
            Receipt::ActorFork { .. } => "actor_fork",
            Receipt::Quarantined { reason } => reason,
            Receipt::Rejected { code, retry: false } => code,
        };
        let refused = batch.changes.iter().map(|(hash, _)| (*hash, code.to_owned()));
        if batch.offered {
            // They are in the document, and others may stand on them: what the server has takes its place.
            stage.refused_offers.extend(refused);
            stage.suspect.insert(id);
        } else if code != "period" {
            let staged = self.staged(stage, id)?;
            let pending: BTreeSet<ChangeHash> =
                staged.open.pending.iter().map(|change| change.hash).collect();
            staged
                .refused
                .extend(refused.filter(|(hash, _)| pending.contains(hash)));
        }
        Ok(())
    }

    fn stage_item(
        &mut self,
        stage: &mut Stage,
        state: &mut SyncState,
        item: &Item,
        rng: &mut impl CryptoRng,
    ) -> Result<(), S> {
        let at_ms = stage.at_ms;
        match item {
            Item::Tail {
                document,
                changes,
                keys,
            } => {
                let chunks: Vec<&[u8]> = changes.iter().map(|chunk| chunk.as_slice()).collect();
                stage.keys.extend(keys.iter().map(unlisted));
                let merged = self.staged(stage, *document)?.merge(&chunks, at_ms, rng);
                stage.doubt(*document, merged).map_err(ReplicaError::Answer)
            }
            Item::Snapshot {
                document,
                bytes,
                keys,
            } => {
                stage.keys.extend(keys.iter().map(unlisted));
                let taken = self
                    .staged(stage, *document)?
                    .take_snapshot(*document, bytes, at_ms, rng);
                stage.doubt(*document, taken).map_err(ReplicaError::Answer)
            }
            // The scope set says the same; what has no receipt stays.
            Item::Gone { scope: Scope { .. } } => Ok(()),
            Item::Erased { record } => {
                stage.erased.push(*record);
                Ok(())
            }
            Item::ScopeSet(scopes) => {
                state.scopes = Some(scopes.clone());
                Ok(())
            }
            Item::Verdict {
                document,
                changes,
                outcome,
            } => {
                let hashes = changes.iter().map(|hash| ChangeHash(hash.0)).collect();
                self.staged(stage, *document)?.decide(&hashes, outcome);
                stage.judged.extend(hashes);
                Ok(())
            }
        }
    }

    pub(super) fn staged<'a>(&mut self, stage: &'a mut Stage, id: DocumentId) -> Result<&'a mut Staged, S> {
        use std::collections::btree_map::Entry;
        match stage.documents.entry(id) {
            Entry::Occupied(staged) => Ok(staged.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Staged::of(self.open_document(id)?.clone()))),
        }
    }

    /// Another life of the store may have lost what it said was durable.
    fn offer_after(&self, response: &SyncResponse) -> Option<Offer> {
        let known = self.state.epoch.filter(|known| *known != response.epoch.id)?;
        let branch = response.epoch.parent.filter(|parent| parent.id == known);
        Some(branch.map_or(Offer::All, |branch| Offer::After(branch.at)))
    }

    fn update(&self, stage: &mut Stage, state: SyncState, offer: Option<Offer>) -> Update {
        stage.documents.values_mut().for_each(Staged::compact);
        let documents = stage
            .documents
            .iter()
            .map(|(id, staged)| staged.to_update(*id))
            .collect();
        // A scope that is lost, now or before: its documents go as soon as nothing in them waits for a receipt.
        let readable = |id: &DocumentId| {
            state
                .scopes
                .as_ref()
                .is_none_or(|scopes| scopes.read.binary_search(&id.scope()).is_ok())
        };
        let gone = self
            .summaries
            .keys()
            .chain(stage.documents.keys())
            .filter(|id| !readable(id));
        let gone: BTreeSet<DocumentId> = gone.copied().collect();
        Update {
            forget_own_before_ms: state.complete.then_some(stage.at_ms - OWN_KEPT_MS),
            state,
            documents,
            keys: stage.keys.clone(),
            erased: stage.erased.clone(),
            gone: gone.into_iter().collect(),
            offer,
        }
    }

    /// After the store: the same in memory.
    fn settle(&mut self, stage: Stage, update: Update) -> Result<(), S> {
        if update.offer.is_some() || !self.outbox.offering.is_empty() {
            self.outbox.offering = self.store.offering().map_err(ReplicaError::Store)?;
        }
        for (id, staged) in stage.documents {
            if staged.moved || !staged.confirmed.is_empty() {
                self.outbox.waiting.remove(&id);
            }
            self.summaries.insert(id, staged.open.summary());
            self.documents.insert(id, staged.open);
        }
        for id in &update.gone {
            let kept = self
                .documents
                .get(id)
                .is_some_and(|open| !open.pending.is_empty() || !open.aside.is_empty());
            let waits = self
                .summaries
                .get(id)
                .is_some_and(|summary| summary.pending + summary.refused > 0);
            if !kept && !waits && !self.outbox.offering.contains(id) {
                self.summaries.remove(id);
                self.documents.remove(id);
            }
        }
        self.outbox.single.extend(stage.single);
        self.outbox.waiting.extend(stage.waiting);
        self.healing.unproven |= stage.healed;
        self.outbox.refused_offers.extend(stage.refused_offers);
        self.outbox
            .refused_offers
            .retain(|hash, _| !stage.judged.contains(hash));
        self.healing.documents.extend(stage.suspect);
        self.healing.settle(&update.state);
        self.state = update.state;
        Ok(())
    }
}

/// A document that does not load takes nothing ([`Replica::loads`]).
fn unless_damaged<E: Error>(
    staged: std::result::Result<(), ReplicaError<E>>,
) -> std::result::Result<(), ReplicaError<E>> {
    match staged {
        Err(ReplicaError::Damaged(_)) => Ok(()),
        staged => staged,
    }
}

/// The last month whose documents the server takes at a time, UTC milliseconds.
pub(super) fn latest_month(server_ms: i64) -> Option<Month> {
    Month::of_millis(server_ms).map(Month::next)
}

pub(super) fn unlisted(listed: &ListedKey) -> (RecordId, RecordKey) {
    (listed.record, listed.key.clone())
}
