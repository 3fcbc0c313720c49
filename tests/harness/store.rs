//! A store in which the phone can die before or after any step.

use std::collections::BTreeMap;

use sync_core::ids::{Class, DocumentId, RecordId};
use sync_core::local_store::{
    Credentials, DocumentSummary, ListQuery, LocalStore, MemoryStore, OwnChange, SavedEdit, StoredChange,
    StoredDocument, SyncState, Update,
};
use sync_core::projection::RowChange;
use sync_core::seal::RecordKey;

/// The phone died.
#[derive(Debug, thiserror::Error)]
#[error("the phone died")]
pub struct Died;

/// When the phone dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Before this many more writes went through.
    BeforeWrite(u32),
    /// Right after the write, before anybody hears that it went through.
    AfterWrite(u32),
}

/// A memory store with a fuse.
#[derive(Clone, Debug, Default)]
pub struct MortalStore {
    pub inner: MemoryStore,
    pub death: Option<Death>,
    /// A document whose bytes are no longer what they were.
    pub damaged: Option<DocumentId>,
}

impl MortalStore {
    fn write(&mut self, write: impl FnOnce(&mut MemoryStore)) -> Result<(), Died> {
        match self.death {
            Some(Death::BeforeWrite(0)) => return Err(Died),
            Some(Death::AfterWrite(0)) => {
                write(&mut self.inner);
                return Err(Died);
            }
            Some(Death::BeforeWrite(n)) => self.death = Some(Death::BeforeWrite(n - 1)),
            Some(Death::AfterWrite(n)) => self.death = Some(Death::AfterWrite(n - 1)),
            None => {}
        }
        write(&mut self.inner);
        Ok(())
    }
}

fn fine<T>(result: Result<T, std::convert::Infallible>) -> Result<T, Died> {
    result.map_err(|never| match never {})
}

impl LocalStore for MortalStore {
    type Error = Died;

    fn credentials(&self) -> Result<Option<Credentials>, Died> {
        fine(self.inner.credentials())
    }

    fn keep_credentials(&mut self, credentials: &Credentials) -> Result<(), Died> {
        self.write(|inner| {
            let Ok(()) = inner.keep_credentials(credentials);
        })
    }

    fn state(&self) -> Result<SyncState, Died> {
        fine(self.inner.state())
    }

    fn documents(&self) -> Result<Vec<DocumentSummary>, Died> {
        fine(self.inner.documents())
    }

    fn document(&self, id: DocumentId) -> Result<Option<StoredDocument>, Died> {
        let stored = fine(self.inner.document(id))?;
        let damaged = self.damaged.filter(|damaged| *damaged == id);
        Ok(stored.map(|stored| StoredDocument {
            snapshot: damaged.map_or(stored.snapshot, |_| Some(b"no document".to_vec())),
            ..stored
        }))
    }

    fn document_of(&self, record: RecordId) -> Result<Option<DocumentId>, Died> {
        fine(self.inner.document_of(record))
    }

    fn aside(&self) -> Result<Vec<(DocumentId, StoredChange)>, Died> {
        fine(self.inner.aside())
    }

    fn own(&self, id: DocumentId) -> Result<Vec<OwnChange>, Died> {
        fine(self.inner.own(id))
    }

    fn offering(&self) -> Result<Vec<DocumentId>, Died> {
        fine(self.inner.offering())
    }

    fn key(&self, record: RecordId) -> Result<Option<RecordKey>, Died> {
        fine(self.inner.key(record))
    }

    fn rows(&self, class: Class, query: ListQuery) -> Result<Vec<RowChange>, Died> {
        fine(self.inner.rows(class, query))
    }

    fn unsent(&self) -> Result<BTreeMap<RecordId, Option<String>>, Died> {
        fine(self.inner.unsent())
    }

    fn save_edit(&mut self, edit: &SavedEdit) -> Result<(), Died> {
        self.write(|inner| {
            let Ok(()) = inner.save_edit(edit);
        })
    }

    fn apply(&mut self, update: &Update) -> Result<(), Died> {
        self.write(|inner| {
            let Ok(()) = inner.apply(update);
        })
    }
}
