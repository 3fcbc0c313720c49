//! A document while an answer is taken: a clone, and what the store has to do so that it becomes the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rand_core::CryptoRng;

use super::fresh_actor;
use super::open::OpenDocument;
use crate::admission::{Admission, Gate, Refusal, admit};
use crate::document::Document;
use crate::document::rebase::{Rebase, Rebased, changes_without};
use crate::ids::{ActorId, ChangeHash, DocumentId, RecordId};
use crate::local_store::{Confirmed, DocumentUpdate, Pending, Refused, StoredChange};
use crate::projection::{RowChange, project_all, rows_of};
use crate::protocol::VerdictOutcome;

/// So many confirmed changes one by one, and a document is stored as one snapshot again.
const COMPACT_AFTER: usize = 256;
/// An edit of a record that was refused.
const DEPENDS_ON_REFUSED: &str = "depends_on_refused";
/// The record that an edit is about is not in the document, or is there already.
const RECORD_MISSING: &str = "record_missing";

/// A document while an answer is taken.
pub(super) struct Staged {
    pub(super) open: OpenDocument,
    pub(super) snapshot: Option<Vec<u8>>,
    new: Vec<(ChangeHash, Vec<u8>)>,
    pub(super) confirmed: Vec<Confirmed>,
    dropped: Vec<ChangeHash>,
    /// Changes without a receipt that the store has to put down, or to put elsewhere.
    put: Vec<StoredChange>,
    rows: BTreeMap<RecordId, RowChange>,
    rows_gone: BTreeSet<RecordId>,
    /// Pending changes that were refused, with the code.
    pub(super) refused: BTreeMap<ChangeHash, String>,
    /// Whose sequence forked, and where: pending changes from there on have to be written again.
    pub(super) forked: Option<(ActorId, u64)>,
    /// Whether changes came that were not here.
    pub(super) moved: bool,
    /// Whether pending changes were written again.
    pub(super) rebased: bool,
}

impl Staged {
    pub(super) fn of(open: OpenDocument) -> Self {
        Self {
            open,
            snapshot: None,
            new: Vec::new(),
            confirmed: Vec::new(),
            dropped: Vec::new(),
            put: Vec::new(),
            rows: BTreeMap::new(),
            rows_gone: BTreeSet::new(),
            refused: BTreeMap::new(),
            forked: None,
            moved: false,
            rebased: false,
        }
    }

    /// Own changes have their receipt.
    pub(super) fn confirm(
        &mut self,
        changes: impl IntoIterator<Item = (ChangeHash, RecordId)>,
        position: Option<u64>,
        at_ms: i64,
    ) {
        for (hash, record) in changes {
            self.arrived(&[hash], at_ms);
            self.confirm_one(hash, record, position, at_ms);
        }
        if self.open.pending.is_empty() {
            // Every record has its own key in the store by now; who finds the phone later finds no seed.
            self.open.seed = None;
        }
    }

    fn confirm_one(&mut self, hash: ChangeHash, record: RecordId, position: Option<u64>, at_ms: i64) {
        if let Some(at) = self.open.pending.iter().position(|change| change.hash == hash) {
            self.open.pending.remove(at);
            self.refused.remove(&hash);
            self.open.loose += 1;
            self.open.confirm(hash);
        }
        self.confirmed.push(Confirmed {
            hash,
            record,
            position,
            at_ms,
        });
    }

    /// Confirms what is pending and what these changes stand on, whatever else was said about it: who has a change has that
    /// too. Otherwise a server that contradicts itself would leave confirmed changes here that stand on refused ones.
    fn arrived(&mut self, changes: &[ChangeHash], at_ms: i64) {
        for (hash, record) in self.pending_below(changes) {
            self.confirm_one(hash, record, None, at_ms);
        }
    }

    /// Pending changes that these stand on, in the order in which they were made.
    fn pending_below(&self, changes: &[ChangeHash]) -> Vec<(ChangeHash, RecordId)> {
        let (pending, history) = (&self.open.pending, self.open.document.history());
        // Receipts come in the order in which changes were made: there is nothing before the first.
        if pending.first().is_none_or(|first| changes == [first.hash]) {
            return Vec::new();
        }
        let hashes: HashSet<ChangeHash> = pending.iter().map(|change| change.hash).collect();
        let (mut waiting, mut below) = (changes.to_vec(), HashSet::new());
        while let Some(hash) = waiting.pop() {
            let deps = history.node(&hash).into_iter().flat_map(|node| &node.deps);
            waiting.extend(deps.filter(|hash| hashes.contains(hash) && below.insert(**hash)));
        }
        let below = pending.iter().filter(|change| below.contains(&change.hash));
        below
            .filter_map(|change| Some((change.hash, record_of(change)?)))
            .collect()
    }

    /// Merges changes from the server. One that is pending here came back without its receipt: it is confirmed. One that
    /// stands aside was released. One that forks an actor of pending changes makes them be written again first.
    pub(super) fn merge(
        &mut self,
        chunks: &[&[u8]],
        at_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Refusal> {
        let own: Vec<(ChangeHash, RecordId)> = self
            .open
            .pending
            .iter()
            .filter(|change| chunks.contains(&change.bytes.as_slice()))
            .filter_map(|change| Some((change.hash, record_of(change)?)))
            .collect();
        self.confirm(own, None, at_ms);
        match self.merge_as_it_is(chunks, at_ms) {
            Err(Refusal::ActorFork { actor, seq }) if !self.open.pending.is_empty() => {
                self.forked = Some((actor, seq));
                self.rebase(&fresh_actor(rng));
                self.merge_as_it_is(chunks, at_ms)
            }
            merged => merged,
        }
    }

    fn merge_as_it_is(&mut self, chunks: &[&[u8]], at_ms: i64) -> Result<(), Refusal> {
        if let Admission::Plan(plan) = admit(&self.open.document, chunks, Gate::Log)? {
            let new: Vec<(ChangeHash, usize)> = plan.new.iter().map(|new| (new.hash, new.index)).collect();
            self.add_rows(|document| document.adopt(*plan));
            self.moved = true;
            let hashes: Vec<ChangeHash> = new.iter().map(|(hash, _)| *hash).collect();
            self.arrived(&hashes, at_ms);
            for (hash, index) in new {
                let bytes = chunks.get(index).map_or_else(Vec::new, |chunk| chunk.to_vec());
                self.new.push((hash, bytes));
                self.open.aside.retain(|change| change.hash != hash);
                self.open.loose += 1;
                self.open.confirm(hash);
            }
        }
        Ok(())
    }

    pub(super) fn take_snapshot(
        &mut self,
        id: DocumentId,
        bytes: &[u8],
        at_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Refusal> {
        let snapshot = Document::receive(id, bytes).map_err(|_| Refusal::Rejected("snapshot"))?;
        if self.open.document.history().len() > 1 {
            // Something is here already: what the snapshot adds to it is merged like any other changes.
            let changes = snapshot.changes();
            let chunks: Vec<&[u8]> = changes.iter().map(|change| change.raw_bytes()).collect();
            return self.merge(&chunks, at_ms, rng);
        }
        self.open.confirmed_heads = snapshot.heads().into_iter().collect();
        self.open
            .aside
            .retain(|change| !snapshot.history().contains(&change.hash));
        self.open.document = snapshot;
        // Written anew: what came is judged, not what its bytes may hold besides.
        self.snapshot = Some(self.open.document.save());
        self.moved = true;
        self.add_rows(|document| project_all(document));
        Ok(())
    }

    /// Sets aside what was refused and what touches the same records, and writes again under `actor` what stands on it,
    /// or on a fork. What was made before stays as it is: it may be on the server already.
    pub(super) fn rebase(&mut self, actor: &ActorId) {
        let refused = std::mem::take(&mut self.refused);
        let touched: BTreeSet<RecordId> = self
            .open
            .pending
            .iter()
            .filter(|change| refused.contains_key(&change.hash))
            .filter_map(record_of)
            .collect();
        let code = |change: &StoredChange| match refused.get(&change.hash) {
            Some(code) => Some(code.clone()),
            None => record_of(change)
                .filter(|record| touched.contains(record))
                .map(|_| DEPENDS_ON_REFUSED.to_owned()),
        };
        let forked = self.forked.take();
        let history = self.open.document.history();
        let forks = |change: &StoredChange| {
            forked.as_ref().is_some_and(|(actor, seq)| {
                history
                    .node(&change.hash)
                    .is_some_and(|node| node.actor == *actor && node.seq >= *seq)
            })
        };
        let first = self
            .open
            .pending
            .iter()
            .position(|change| forks(change) || code(change).is_some());
        let again = self.open.pending.split_off(first.unwrap_or(0));
        let again: Vec<(StoredChange, Option<String>)> = again
            .into_iter()
            .map(|change| (code(&change), change))
            .map(|(code, change)| (change, code))
            .collect();
        let left_out = again.iter().map(|(change, _)| change.hash).collect();
        let stays = changes_without(&self.open.document, &left_out);
        self.rebuild(stays, again, actor);
    }

    /// Becomes what the server has. Own changes that it lacks are written again – but for those that it refused.
    pub(super) fn replace(
        &mut self,
        theirs: &Document,
        own: Vec<(StoredChange, Option<String>)>,
        actor: &ActorId,
    ) {
        let changes = theirs.changes();
        let known = |change: &StoredChange| theirs.history().contains(&change.hash);
        let before: BTreeSet<RecordId> = self.open.document.records().into_iter().collect();
        let pending = std::mem::take(&mut self.open.pending)
            .into_iter()
            .map(|change| (change, None));
        let (here, lost): (Vec<_>, Vec<_>) = own
            .into_iter()
            .chain(pending)
            .partition(|(change, _)| known(change));
        for (change, _) in here {
            let receipt = record_of(&change).map(|record| (change.hash, record));
            self.confirmed.extend(receipt.map(|(hash, record)| Confirmed {
                hash,
                record,
                position: None,
                at_ms: change.pending.map_or(0, |pending| pending.made_at_ms),
            }));
        }
        self.open
            .aside
            .retain(|change| !theirs.history().contains(&change.hash));
        self.rebuild(changes, lost, actor);
        self.open.confirmed_heads = self.open.true_heads();
        self.snapshot = Some(theirs.save());
        self.new.clear();
        self.open.loose = 0;
        self.moved = true;
        self.add_rows(|document| project_all(document));
        let now: BTreeSet<RecordId> = self.open.document.records().into_iter().collect();
        self.rows_gone.extend(before.difference(&now));
    }

    /// Makes the document of these confirmed changes and, written again, of those among `pending` that have no code.
    fn rebuild(
        &mut self,
        confirmed: Vec<automerge::Change>,
        pending: Vec<(StoredChange, Option<String>)>,
        actor: &ActorId,
    ) {
        self.rebased = true;
        let old = self.open.document.clone();
        let mut rebase = Rebase::new(&old, confirmed, actor.clone());
        let affected: BTreeSet<RecordId> = pending
            .iter()
            .filter_map(|(change, _)| record_of(change))
            .collect();
        for (change, code) in pending {
            let Some(record) = record_of(&change) else {
                continue;
            };
            let made_at_ms = change.pending.as_ref().map_or(0, |pending| pending.made_at_ms);
            let rebased = match code {
                Some(code) => Err(code),
                None => match rebase.again(&change.hash, record) {
                    Rebased::Again(written) => Ok(Some(written)),
                    Rebased::Said => Ok(None),
                    Rebased::Homeless => Err(RECORD_MISSING.to_owned()),
                },
            };
            match rebased {
                Ok(written) => {
                    self.let_go(change.hash);
                    let pending = Pending {
                        record,
                        made_at_ms,
                        refused: None,
                    };
                    let again = written.map(|written| StoredChange {
                        hash: written.hash,
                        bytes: written.bytes,
                        pending: Some(pending),
                    });
                    if let Some(again) = again {
                        self.put_down(again.clone());
                        self.open.pending.push(again);
                    }
                }
                Err(code) => {
                    let pending = Pending {
                        record,
                        made_at_ms,
                        refused: Some(Refused::new(&code, old.row(record))),
                    };
                    let aside = StoredChange {
                        pending: Some(pending),
                        ..change
                    };
                    self.put_down(aside.clone());
                    self.open.aside.push(aside);
                }
            }
        }
        self.open.document = rebase.finish();
        self.open.actor = Some(actor.clone());
        for record in &affected {
            self.rows.remove(record);
            if !self.open.document.has_record(*record) {
                self.rows_gone.insert(*record);
            }
        }
        self.add_rows(|document| rows_of(document, affected));
    }

    /// Takes every pending change out, for another document.
    pub(super) fn hand_over(&mut self) -> Vec<StoredChange> {
        let pending = std::mem::take(&mut self.open.pending);
        let without: BTreeSet<ChangeHash> = pending.iter().map(|change| change.hash).collect();
        let rebase = Rebase::new(
            &self.open.document,
            changes_without(&self.open.document, &without),
            ActorId::from(&[][..]),
        );
        self.open.document = rebase.finish();
        self.open.actor = None;
        self.open.seed = None;
        without.into_iter().for_each(|hash| self.let_go(hash));
        pending
    }

    /// Takes a change that was written into this document just now.
    pub(super) fn take_over(&mut self, change: StoredChange, actor: &ActorId) {
        let record = record_of(&change);
        self.rebased = true;
        self.open.actor = Some(actor.clone());
        self.put_down(change.clone());
        self.open.pending.push(change);
        self.add_rows(|document| rows_of(document, record));
    }

    /// Sets a change aside that belongs nowhere.
    pub(super) fn set_aside(&mut self, change: StoredChange, code: &str) {
        let Some(pending) = change.pending else { return };
        let refused = Refused::new(code, self.open.document.row(pending.record));
        let aside = StoredChange {
            pending: Some(Pending {
                refused: Some(refused),
                ..pending
            }),
            ..change
        };
        self.put_down(aside.clone());
        self.open.aside.push(aside);
    }

    /// A person has decided about changes that stand aside.
    pub(super) fn decide(&mut self, hashes: &BTreeSet<ChangeHash>, outcome: &VerdictOutcome) {
        let aside = std::mem::take(&mut self.open.aside);
        let (decided, rest) = aside
            .into_iter()
            .partition(|change| hashes.contains(&change.hash));
        self.open.aside = rest;
        for mut change in Vec::<StoredChange>::from_iter(decided) {
            match outcome {
                // The server has it for good, and what it made of it comes down like anybody's change.
                VerdictOutcome::Released => self.let_go(change.hash),
                VerdictOutcome::Discarded { reason } => {
                    let refused = change
                        .pending
                        .as_mut()
                        .and_then(|pending| pending.refused.as_mut());
                    if let Some(refused) = refused {
                        refused.verdict = Some(reason.clone());
                    }
                    self.put_down(change.clone());
                    self.open.aside.push(change);
                }
            }
        }
    }

    fn put_down(&mut self, change: StoredChange) {
        self.put.retain(|other| other.hash != change.hash);
        self.put.push(change);
    }

    fn let_go(&mut self, hash: ChangeHash) {
        self.put.retain(|other| other.hash != hash);
        self.dropped.push(hash);
    }

    fn add_rows(&mut self, rows: impl FnOnce(&mut Document) -> Vec<RowChange>) {
        for row in rows(&mut self.open.document) {
            self.rows_gone.remove(&row.record());
            self.rows.insert(row.record(), row);
        }
    }

    /// Many loose changes become one snapshot, where nothing is pending.
    pub(super) fn compact(&mut self) {
        if self.open.loose >= COMPACT_AFTER && self.open.pending.is_empty() {
            self.snapshot = Some(self.open.document.save());
            self.new.clear();
            self.open.loose = 0;
        }
    }

    pub(super) fn to_update(&self, id: DocumentId) -> DocumentUpdate {
        DocumentUpdate {
            id,
            confirmed: self.confirmed.clone(),
            dropped: self.dropped.clone(),
            snapshot: self.snapshot.clone(),
            new: self.new.clone(),
            pending: self.put.clone(),
            confirmed_heads: self.open.confirmed_heads.iter().copied().collect(),
            rows: self.rows.values().cloned().collect(),
            rows_gone: self.rows_gone.iter().copied().collect(),
        }
    }

    /// How many changes were set aside.
    pub(super) fn set_aside_count(&self) -> usize {
        self.put
            .iter()
            .filter(|change| change.refused().is_some_and(|refused| refused.verdict.is_none()))
            .count()
    }
}

fn record_of(change: &StoredChange) -> Option<RecordId> {
    Some(change.pending.as_ref()?.record)
}
