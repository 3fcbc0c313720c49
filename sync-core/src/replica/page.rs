//! Taking an answer: first on clones, then in the store, then here – so that a failure at any point changes nothing.

use std::collections::BTreeMap;

use super::open::OpenDocument;
use super::outbox::SentBatch;
use super::{Replica, ReplicaError, Result};
use crate::admission::{Admission, Gate, admit};
use crate::digest::DigestSum;
use crate::document::Document;
use crate::ids::{ChangeHash, Class, DocumentId, RecordId, Scope};
use crate::local_store::{DocumentSummary, DocumentUpdate, LocalStore, SyncState, Update};
use crate::projection::{RowChange, project_all};
use crate::protocol::{Item, ListedKey, Receipt, SyncResponse};
use crate::seal::RecordKey;

/// So many confirmed changes one by one, and a document is stored as one snapshot again.
const COMPACT_AFTER: usize = 256;

/// A document while an answer is taken.
struct Staged {
    open: OpenDocument,
    snapshot: Option<Vec<u8>>,
    new: Vec<(ChangeHash, Vec<u8>)>,
    confirmed: Vec<ChangeHash>,
    refused: Vec<(ChangeHash, String)>,
    rows: BTreeMap<RecordId, RowChange>,
}

/// Everything that an answer changes.
#[derive(Default)]
struct Stage {
    documents: BTreeMap<DocumentId, Staged>,
    keys: Vec<(RecordId, RecordKey)>,
    erased: Vec<RecordId>,
    gone: Vec<Scope>,
}

impl<S: LocalStore> Replica<S> {
    /// Takes receipts and items; gives how many changes were confirmed and refused.
    pub(super) fn take(
        &mut self,
        response: &SyncResponse,
        sent: &[SentBatch],
        mut state: SyncState,
    ) -> Result<(usize, usize), S> {
        let mut stage = Stage::default();
        for (receipt, batch) in response.receipts.iter().zip(sent) {
            self.stage_receipt(&mut stage, receipt, batch)?;
        }
        for item in &response.items {
            self.stage_item(&mut stage, &mut state, item)?;
        }
        let count = |of: fn(&Staged) -> usize| stage.documents.values().map(of).sum();
        let counts = (
            count(|staged| staged.confirmed.len()),
            count(|staged| staged.refused.len()),
        );
        let update = self.update(&mut stage, state);
        self.store.apply(&update).map_err(ReplicaError::Store)?;
        let boards = |id: &DocumentId| id.class() == Class::Board;
        self.arrivals |= stage.documents.keys().any(boards);
        self.settle(stage, update);
        Ok(counts)
    }

    fn stage_receipt(&mut self, stage: &mut Stage, receipt: &Receipt, batch: &SentBatch) -> Result<(), S> {
        let refusal = match receipt {
            Receipt::Durable { .. } | Receipt::Duplicate { .. } => None,
            Receipt::Quarantined { reason } => Some(reason.clone()),
            Receipt::Rejected { code, retry: false } => Some(code.clone()),
            // The same bytes may succeed later: they stay in the outbox as they are.
            Receipt::Rejected { retry: true, .. } | Receipt::MissingDeps { .. } => return Ok(()),
            Receipt::ActorFork { .. } => Some("actor_fork".to_owned()),
        };
        let staged = self.staged(stage, batch.document)?;
        match refusal {
            Some(code) => staged.refuse(&batch.changes, &code),
            None => staged.confirm(&batch.changes),
        }
        Ok(())
    }

    fn stage_item(&mut self, stage: &mut Stage, state: &mut SyncState, item: &Item) -> Result<(), S> {
        match item {
            Item::Tail {
                document,
                changes,
                keys,
            } => {
                let chunks: Vec<&[u8]> = changes.iter().map(|chunk| chunk.as_slice()).collect();
                stage.keys.extend(keys.iter().map(unlisted));
                let merged = self.staged(stage, *document)?.merge(&chunks);
                merged.map_err(ReplicaError::Answer)
            }
            Item::Snapshot {
                document,
                bytes,
                keys,
            } => {
                stage.keys.extend(keys.iter().map(unlisted));
                let taken = self.staged(stage, *document)?.take_snapshot(*document, bytes);
                taken.map_err(ReplicaError::Answer)
            }
            Item::Gone { scope } => {
                stage.gone.push(*scope);
                Ok(())
            }
            Item::Erased { record } => {
                stage.erased.push(*record);
                Ok(())
            }
            Item::ScopeSet(scopes) => {
                state.scopes = Some(scopes.clone());
                Ok(())
            }
            // What it decides about is kept here as refused; the next version acts on it.
            Item::Verdict { .. } => Ok(()),
        }
    }

    fn staged<'a>(&mut self, stage: &'a mut Stage, id: DocumentId) -> Result<&'a mut Staged, S> {
        use std::collections::btree_map::Entry;
        match stage.documents.entry(id) {
            Entry::Occupied(staged) => Ok(staged.into_mut()),
            Entry::Vacant(place) => {
                let open = self.open_document(id)?.clone();
                Ok(place.insert(Staged {
                    open,
                    snapshot: None,
                    new: Vec::new(),
                    confirmed: Vec::new(),
                    refused: Vec::new(),
                    rows: BTreeMap::new(),
                }))
            }
        }
    }

    fn update(&self, stage: &mut Stage, state: SyncState) -> Update {
        let lost = |id: &&DocumentId| stage.gone.contains(&id.scope());
        let gone: Vec<DocumentId> = self.summaries.keys().filter(lost).copied().collect();
        stage.documents.values_mut().for_each(Staged::compact);
        let documents = stage
            .documents
            .iter()
            .map(|(id, staged)| staged.to_update(*id))
            .collect();
        Update {
            state,
            documents,
            keys: stage.keys.clone(),
            erased: stage.erased.clone(),
            gone,
        }
    }

    /// After the store: the same in memory.
    fn settle(&mut self, stage: Stage, update: Update) {
        for (id, staged) in stage.documents {
            let open = staged.open;
            let made_at =
                |change: &crate::local_store::StoredChange| Some(change.pending.as_ref()?.made_at_ms);
            let summary = DocumentSummary {
                id,
                digest: DigestSum::of_document(&id, &open.confirmed_heads),
                pending: open.pending.len(),
                oldest_pending_ms: open.pending.iter().filter_map(made_at).min(),
            };
            self.summaries.insert(id, summary);
            self.documents.insert(id, open);
        }
        for id in &update.gone {
            if self.summaries.get(id).is_some_and(|summary| summary.pending == 0) {
                self.summaries.remove(id);
                self.documents.remove(id);
            }
        }
        self.state = update.state;
    }
}

impl Staged {
    fn confirm(&mut self, hashes: &[ChangeHash]) {
        for hash in hashes {
            if let Some(at) = self.open.pending.iter().position(|change| change.hash == *hash) {
                self.open.pending.remove(at);
                self.open.loose += 1;
                self.open.confirm(*hash);
                self.confirmed.push(*hash);
            }
        }
        if self.open.pending.is_empty() {
            // Every record has its own key in the store by now; who finds the phone later finds no seed.
            self.open.seed = None;
        }
    }

    fn refuse(&mut self, hashes: &[ChangeHash], code: &str) {
        for change in self
            .open
            .pending
            .iter_mut()
            .filter(|change| hashes.contains(&change.hash))
        {
            if let Some(pending) = &mut change.pending {
                pending.refused = Some(code.to_owned());
            }
            self.refused.push((change.hash, code.to_owned()));
        }
    }

    /// Merges changes from the server. One that is pending here came back without its receipt: it is confirmed.
    fn merge(&mut self, chunks: &[&[u8]]) -> std::result::Result<(), &'static str> {
        let own: Vec<ChangeHash> = self
            .open
            .pending
            .iter()
            .filter(|change| chunks.contains(&change.bytes.as_slice()))
            .map(|change| change.hash)
            .collect();
        if let Admission::Plan(plan) = admit(&self.open.document, chunks, Gate::Log).map_err(|_| "changes")? {
            let new: Vec<(ChangeHash, usize)> = plan.new.iter().map(|new| (new.hash, new.index)).collect();
            self.add_rows(|document| document.adopt(*plan));
            for (hash, index) in new {
                let bytes = chunks.get(index).map_or_else(Vec::new, |chunk| chunk.to_vec());
                self.new.push((hash, bytes));
                self.open.loose += 1;
                self.open.confirm(hash);
            }
        }
        self.confirm(&own);
        Ok(())
    }

    fn take_snapshot(&mut self, id: DocumentId, bytes: &[u8]) -> std::result::Result<(), &'static str> {
        let snapshot = Document::load(id, bytes).map_err(|_| "snapshot")?;
        if self.open.document.history().len() > 1 {
            // Something is here already: what the snapshot adds to it is merged like any other changes.
            let changes = snapshot.changes();
            let chunks: Vec<&[u8]> = changes.iter().map(|change| change.raw_bytes()).collect();
            return self.merge(&chunks);
        }
        self.open.confirmed_heads = snapshot.heads().into_iter().collect();
        self.open.document = snapshot;
        self.snapshot = Some(bytes.to_vec());
        self.add_rows(|document| project_all(document));
        Ok(())
    }

    fn add_rows(&mut self, rows: impl FnOnce(&mut Document) -> Vec<RowChange>) {
        for row in rows(&mut self.open.document) {
            self.rows.insert(row.record(), row);
        }
    }

    /// Many loose changes become one snapshot, where nothing is pending.
    fn compact(&mut self) {
        if self.open.loose >= COMPACT_AFTER && self.open.pending.is_empty() {
            self.snapshot = Some(self.open.document.save());
            self.new.clear();
            self.open.loose = 0;
        }
    }

    fn to_update(&self, id: DocumentId) -> DocumentUpdate {
        DocumentUpdate {
            id,
            snapshot: self.snapshot.clone(),
            new: self.new.clone(),
            confirmed: self.confirmed.clone(),
            refused: self.refused.clone(),
            confirmed_heads: self.open.confirmed_heads.iter().copied().collect(),
            rows: self.rows.values().cloned().collect(),
        }
    }
}

fn unlisted(listed: &ListedKey) -> (RecordId, RecordKey) {
    (listed.record, listed.key.clone())
}
