//! A store in memory, for simulations: it survives a killed replica as long as somebody keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::{
    Credentials, DocumentSummary, DocumentUpdate, ListPlace, ListQuery, LocalStore, SavedEdit, StoredChange,
    StoredDocument, SyncState, Update,
};
use crate::digest::DigestSum;
use crate::ids::{Class, DocumentId, RecordId};
use crate::projection::RowChange;
use crate::seal::RecordKey;

/// Everything in maps.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    credentials: Option<Credentials>,
    state: SyncState,
    documents: BTreeMap<DocumentId, StoredDocument>,
    keys: BTreeMap<RecordId, RecordKey>,
    erased: BTreeSet<RecordId>,
    rows: BTreeMap<RecordId, RowChange>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn put_rows(&mut self, rows: &[RowChange]) {
        let rows = rows.iter().map(|row| (row.record(), row.clone()));
        self.rows.extend(rows);
    }

    fn update_document(&mut self, update: &DocumentUpdate) {
        let stored = self.documents.entry(update.id).or_default();
        for change in &mut stored.changes {
            if update.confirmed.contains(&change.hash) {
                change.pending = None;
            }
            let refused = update.refused.iter().find(|(hash, _)| *hash == change.hash);
            if let (Some(pending), Some((_, code))) = (&mut change.pending, refused) {
                pending.refused = Some(code.clone());
            }
        }
        if let Some(snapshot) = &update.snapshot {
            stored.snapshot = Some(snapshot.clone());
            stored.changes.retain(|change| change.pending.is_some());
        }
        let new = update.new.iter().map(|(hash, bytes)| StoredChange {
            hash: *hash,
            bytes: bytes.clone(),
            pending: None,
        });
        stored.changes.extend(new);
        if stored.changes.iter().all(|change| change.pending.is_none()) {
            stored.seed = None;
        }
        stored.confirmed_heads.clone_from(&update.confirmed_heads);
        self.put_rows(&update.rows);
    }
}

fn pending(document: &StoredDocument) -> impl Iterator<Item = &super::Pending> {
    document
        .changes
        .iter()
        .filter_map(|change| change.pending.as_ref())
}

impl LocalStore for MemoryStore {
    type Error = Infallible;

    fn credentials(&self) -> Result<Option<Credentials>, Infallible> {
        Ok(self.credentials.clone())
    }

    fn keep_credentials(&mut self, credentials: &Credentials) -> Result<(), Infallible> {
        self.credentials = Some(credentials.clone());
        Ok(())
    }

    fn state(&self) -> Result<SyncState, Infallible> {
        Ok(self.state.clone())
    }

    fn documents(&self) -> Result<Vec<DocumentSummary>, Infallible> {
        let summary = |(id, stored): (&DocumentId, &StoredDocument)| DocumentSummary {
            id: *id,
            digest: DigestSum::of_document(id, &stored.confirmed_heads),
            pending: pending(stored).count(),
            oldest_pending_ms: pending(stored).map(|pending| pending.made_at_ms).min(),
        };
        Ok(self.documents.iter().map(summary).collect())
    }

    fn document(&self, id: DocumentId) -> Result<Option<StoredDocument>, Infallible> {
        Ok(self.documents.get(&id).cloned())
    }

    fn document_of(&self, record: RecordId) -> Result<Option<DocumentId>, Infallible> {
        Ok(self.rows.get(&record).map(RowChange::document))
    }

    fn key(&self, record: RecordId) -> Result<Option<RecordKey>, Infallible> {
        Ok(self.keys.get(&record).cloned())
    }

    fn rows(&self, class: Class, query: ListQuery) -> Result<Vec<RowChange>, Infallible> {
        let matches = |row: &&RowChange| {
            row.document().class() == class
                && query.unit.is_none_or(|unit| row.document().unit() == unit)
                && query.about.is_none_or(|about| row.about() == Some(about))
                && query.from_ms.is_none_or(|from| row.at_ms() >= from)
                && query.until_ms.is_none_or(|until| row.at_ms() < until)
                && query
                    .in_conflict
                    .is_none_or(|wanted| row.conflicts().is_empty() != wanted)
                && query.after.is_none_or(|after| ListPlace::from(*row) < after)
        };
        let mut rows: Vec<RowChange> = self.rows.values().filter(matches).cloned().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(ListPlace::from(row)));
        rows.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(rows)
    }

    fn unsent(&self) -> Result<BTreeMap<RecordId, Option<String>>, Infallible> {
        let mut unsent = BTreeMap::new();
        for pending in self.documents.values().flat_map(pending) {
            let refused: &mut Option<String> = unsent.entry(pending.record).or_default();
            *refused = refused.take().or_else(|| pending.refused.clone());
        }
        Ok(unsent)
    }

    fn save_edit(&mut self, edit: &SavedEdit) -> Result<(), Infallible> {
        let stored = self.documents.entry(edit.document).or_default();
        stored.changes.push(edit.change.clone());
        stored.seed = Some(edit.seed.clone());
        if let (Some(key), Some(pending)) = (&edit.key, &edit.change.pending) {
            self.keys.entry(pending.record).or_insert_with(|| key.clone());
        }
        self.put_rows(&edit.rows);
        Ok(())
    }

    fn apply(&mut self, update: &Update) -> Result<(), Infallible> {
        self.state = update.state.clone();
        for document in &update.documents {
            self.update_document(document);
        }
        for record in &update.erased {
            self.keys.remove(record);
            self.erased.insert(*record);
        }
        for (record, key) in update
            .keys
            .iter()
            .filter(|(record, _)| !self.erased.contains(record))
        {
            self.keys.entry(*record).or_insert_with(|| key.clone());
        }
        for id in &update.gone {
            if self
                .documents
                .get(id)
                .is_some_and(|stored| pending(stored).next().is_none())
            {
                self.documents.remove(id);
                let (keys, rows) = (&mut self.keys, &mut self.rows);
                rows.retain(|record, row| {
                    let kept = row.document() != *id;
                    if !kept {
                        keys.remove(record);
                    }
                    kept
                });
            }
        }
        Ok(())
    }
}
