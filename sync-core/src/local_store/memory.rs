//! A store in memory, for simulations: it survives a killed replica as long as somebody keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use super::{
    Confirmed, Credentials, DocumentSummary, DocumentUpdate, ListPlace, ListQuery, LocalStore, Offer,
    OwnChange, SavedEdit, StoredChange, StoredDocument, SyncState, Update,
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
    own: Vec<Own>,
    rows: BTreeMap<RecordId, RowChange>,
}

/// An own change with a receipt.
#[derive(Clone, Copy, Debug)]
struct Own {
    document: DocumentId,
    change: OwnChange,
    position: Option<u64>,
    at_ms: i64,
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
        for confirmed in &update.confirmed {
            self.confirm(update.id, confirmed);
        }
        self.own.retain(|own| !update.dropped.contains(&own.change.hash));
        for stored in self.documents.values_mut() {
            let dropped = |change: &StoredChange| update.dropped.contains(&change.hash);
            stored
                .changes
                .retain(|change| change.pending.is_none() || !dropped(change));
        }
        let stored = self.documents.entry(update.id).or_default();
        let confirmed = |change: &StoredChange| {
            update
                .confirmed
                .iter()
                .any(|confirmed| confirmed.hash == change.hash)
        };
        for change in stored.changes.iter_mut().filter(|change| confirmed(change)) {
            change.pending = None;
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
        for change in new.chain(update.pending.iter().cloned()) {
            stored.changes.retain(|other| other.hash != change.hash);
            self.own
                .retain(|own| own.change.hash != change.hash || change.pending.is_none());
            stored.changes.push(change);
        }
        if stored.changes.iter().all(|change| change.pending.is_none()) {
            stored.seed = None;
        }
        stored.confirmed_heads.clone_from(&update.confirmed_heads);
        self.put_rows(&update.rows);
        for record in &update.rows_gone {
            self.rows.remove(record);
        }
    }

    fn confirm(&mut self, document: DocumentId, confirmed: &Confirmed) {
        let change = OwnChange {
            hash: confirmed.hash,
            record: confirmed.record,
            offered: false,
        };
        match self.own.iter_mut().find(|own| own.change.hash == change.hash) {
            Some(own) => (own.change, own.position) = (change, confirmed.position),
            None => self.own.push(Own {
                document,
                change,
                position: confirmed.position,
                at_ms: confirmed.at_ms,
            }),
        }
    }

    fn offer(&mut self, offer: Offer) {
        for own in &mut self.own {
            own.change.offered |= match offer {
                Offer::All => true,
                Offer::After(at) => own.position.is_none_or(|position| position > at),
            };
        }
    }
}

/// Changes that nobody has decided about.
fn pending(document: &StoredDocument) -> impl Iterator<Item = &super::Pending> {
    let open = |pending: &&super::Pending| {
        pending
            .refused
            .as_ref()
            .is_none_or(|refused| refused.verdict.is_none())
    };
    document
        .changes
        .iter()
        .filter_map(|change| change.pending.as_ref())
        .filter(open)
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
            pending: pending(stored)
                .filter(|pending| pending.refused.is_none())
                .count(),
            refused: pending(stored)
                .filter(|pending| pending.refused.is_some())
                .count(),
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

    fn aside(&self) -> Result<Vec<(DocumentId, StoredChange)>, Infallible> {
        let all = self.documents.iter();
        let changes = all.flat_map(|(id, stored)| stored.changes.iter().map(|change| (*id, change.clone())));
        Ok(changes.filter(|(_, change)| change.refused().is_some()).collect())
    }

    fn own(&self, id: DocumentId) -> Result<Vec<OwnChange>, Infallible> {
        let own = self.own.iter().filter(|own| own.document == id);
        Ok(own.map(|own| own.change).collect())
    }

    fn offering(&self) -> Result<Vec<DocumentId>, Infallible> {
        let offered = self.own.iter().filter(|own| own.change.offered);
        let documents: BTreeSet<DocumentId> = offered.map(|own| own.document).collect();
        Ok(documents.into_iter().collect())
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
            *refused = refused
                .take()
                .or_else(|| pending.refused.as_ref().map(|refused| refused.code.clone()));
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
        if let Some(offer) = update.offer {
            self.offer(offer);
        }
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
            let owed = self
                .own
                .iter()
                .any(|own| own.document == *id && own.change.offered);
            let stored = self.documents.get(id);
            if !owed
                && stored.is_some_and(|stored| stored.changes.iter().all(|change| change.pending.is_none()))
            {
                self.documents.remove(id);
                self.own.retain(|own| own.document != *id);
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
        if let Some(before) = update.forget_own_before_ms {
            self.own.retain(|own| own.at_ms >= before);
        }
        Ok(())
    }
}
