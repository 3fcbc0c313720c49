//! The phone's store: what survives when the process is killed between any two steps.
//!
//! The trait is made of whole steps – save an edit, apply an answer –, each all or nothing and flushed to disk before
//! it returns. There is no method that deletes a change without a receipt. Not here: what any of it means.

mod memory;

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use memory::MemoryStore;

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::digest::DigestSum;
use crate::enrolment::Enrolment;
use crate::ids::{ChangeHash, Class, DocumentId, RecordId, UnitId};
use crate::projection::RowChange;
use crate::protocol::{Epoch, ExchangeToken, ScopeSet};
use crate::record::Assistance;
use crate::seal::{KeySeed, RecordKey};
use crate::signature::DeviceKey;

/// What a phone remembers between exchanges.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SyncState {
    /// The server's epoch.
    #[n(0)]
    pub epoch: Option<Epoch>,
    /// The token of the exchange.
    #[n(1)]
    pub token: Option<ExchangeToken>,
    /// Where the next page starts.
    #[n(2)]
    pub cursor: Option<ByteVec>,
    /// What this device may read and write.
    #[n(3)]
    pub scopes: Option<ScopeSet>,
    /// Server clock minus device clock, milliseconds.
    #[n(4)]
    pub clock_offset_ms: i64,
    /// The last complete exchange, UTC milliseconds of the server.
    #[n(5)]
    pub last_sync_ms: Option<i64>,
    /// Whether the last page was the last one.
    #[n(6)]
    pub complete: bool,
    /// Whether the server said that its documents differ.
    #[n(7)]
    pub diverged: bool,
    /// When it was noticed that the server had been restored, UTC milliseconds of the server.
    #[n(8)]
    pub restored_at_ms: Option<i64>,
    /// The last receipt for something of this device's own, UTC milliseconds of the server.
    #[n(9)]
    pub last_receipt_ms: Option<i64>,
}

/// Who this phone is. Written before the enrolment is asked for: its answer may be lost, its key must not be.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Credentials {
    /// What it signs with.
    #[n(0)]
    pub key: DeviceKey,
    /// That it was enrolled, once it was.
    #[n(1)]
    pub enrolment: Option<Enrolment>,
    /// The access token, while it has one.
    #[n(2)]
    pub access_token: Option<String>,
}

/// One document in short.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentSummary {
    /// Which.
    pub id: DocumentId,
    /// Over its confirmed heads.
    pub digest: DigestSum,
    /// Changes without a receipt that are to be sent.
    pub pending: usize,
    /// Changes that were refused and stand aside until somebody has decided.
    pub refused: usize,
    /// When the oldest of both was made, UTC milliseconds.
    pub oldest_pending_ms: Option<i64>,
}

/// One document as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredDocument {
    /// Confirmed changes up to some point, as automerge saves them.
    pub snapshot: Option<Vec<u8>>,
    /// Changes since, in the order in which they were stored, which is causal.
    pub changes: Vec<StoredChange>,
    /// Heads of the confirmed changes, ascending.
    pub confirmed_heads: Vec<ChangeHash>,
    /// What the keys of pending records are derived from.
    pub seed: Option<KeySeed>,
}

/// One change as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// The chunk.
    pub bytes: Vec<u8>,
    /// What is known of its fate; `None`: it has a receipt, or it came from the server.
    pub pending: Option<Pending>,
}

/// A change without a receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The record it is about.
    pub record: RecordId,
    /// When it was made, UTC milliseconds.
    pub made_at_ms: i64,
    /// The server refused it: it stands aside, is no part of the document, and is never deleted.
    pub refused: Option<Refused>,
}

/// A change that stands aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The code with which it was refused.
    pub code: String,
    /// Its record as it was shown when it was set aside.
    pub shown: Option<RowChange>,
    /// Why it was discarded; `None`: nobody has decided yet.
    pub verdict: Option<String>,
}

impl Refused {
    /// Refused just now.
    pub fn new(code: &str, shown: Option<RowChange>) -> Self {
        Self {
            code: code.to_owned(),
            shown,
            verdict: None,
        }
    }
}

impl StoredChange {
    /// Why it stands aside, if it does.
    pub fn refused(&self) -> Option<&Refused> {
        self.pending.as_ref()?.refused.as_ref()
    }
}

/// An own change that has a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnChange {
    /// Its hash. The bytes are in its document.
    pub hash: ChangeHash,
    /// The record it is about.
    pub record: RecordId,
    /// Whether it is to be delivered once more.
    pub offered: bool,
}

/// An own change that gets its receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Its hash.
    pub hash: ChangeHash,
    /// The record it is about.
    pub record: RecordId,
    /// The log position that the receipt names.
    pub position: Option<u64>,
    /// When the receipt came, UTC milliseconds of the server.
    pub at_ms: i64,
}

/// Which own changes are to be delivered once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Those after this log position, and those whose position is not known.
    After(u64),
    /// All that are kept.
    All,
}

/// An edit to be saved.
#[derive(Clone, Debug)]
pub struct SavedEdit {
    /// Its document.
    pub document: DocumentId,
    /// The change.
    pub change: StoredChange,
    /// What the keys of this document's pending records are derived from.
    pub seed: KeySeed,
    /// The key of the record, if the edit created it.
    pub key: Option<RecordKey>,
    /// The rows that follow.
    pub rows: Vec<RowChange>,
}

/// What one answer does to the store.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The new state, cursor included.
    pub state: SyncState,
    /// Documents that changed.
    pub documents: Vec<DocumentUpdate>,
    /// Keys that came. The first of a record wins.
    pub keys: Vec<(RecordId, RecordKey)>,
    /// Records whose keys are to be destroyed, and never taken again.
    pub erased: Vec<RecordId>,
    /// Documents that may no longer be read. One with changes that are to be delivered, also once more, stays until they
    /// have a receipt.
    pub gone: Vec<DocumentId>,
    /// Own changes that are to be delivered once more, of those that had a receipt before this update.
    pub offer: Option<Offer>,
    /// Own changes whose receipt came before this time need not be kept any longer, UTC milliseconds of the server.
    pub forget_own_before_ms: Option<i64>,
}

/// What one answer does to a document, in this order.
#[derive(Clone, Debug)]
pub struct DocumentUpdate {
    /// Which.
    pub id: DocumentId,
    /// Own changes that have a receipt now.
    pub confirmed: Vec<Confirmed>,
    /// Changes of this device that others take the place of, or that say nothing new.
    pub dropped: Vec<ChangeHash>,
    /// Stands for all confirmed changes so far, which are dropped.
    pub snapshot: Option<Vec<u8>>,
    /// Changes that came, in causal order, on top of it. One that stood aside is confirmed by that.
    pub new: Vec<(ChangeHash, Vec<u8>)>,
    /// Changes without a receipt, in the order in which they are to be sent; one that is here already takes its place
    /// at the end.
    pub pending: Vec<StoredChange>,
    /// Heads of the confirmed changes afterwards, ascending.
    pub confirmed_heads: Vec<ChangeHash>,
    /// The rows that follow.
    pub rows: Vec<RowChange>,
    /// Records that have no row any more.
    pub rows_gone: Vec<RecordId>,
}

impl DocumentUpdate {
    /// One that changes nothing but what is filled in.
    pub fn of(id: DocumentId) -> Self {
        Self {
            id,
            confirmed: Vec::new(),
            dropped: Vec::new(),
            snapshot: None,
            new: Vec::new(),
            pending: Vec::new(),
            confirmed_heads: Vec::new(),
            rows: Vec::new(),
            rows_gone: Vec::new(),
        }
    }
}

/// A record's place in a list: by its time, then by its id, both descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPlace {
    /// The record's time, UTC milliseconds.
    pub at_ms: i64,
    /// The record.
    pub record: RecordId,
}

impl From<&RowChange> for ListPlace {
    fn from(row: &RowChange) -> Self {
        Self {
            at_ms: row.at_ms(),
            record: row.record(),
        }
    }
}

/// Which records a list shows, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Of this unit alone.
    pub unit: Option<UnitId>,
    /// About this: a directive, or the record of a remark.
    pub about: Option<RecordId>,
    /// At or after this time – help given, directive issued –, UTC milliseconds.
    pub from_ms: Option<i64>,
    /// Before this time, UTC milliseconds.
    pub until_ms: Option<i64>,
    /// Only those with conflicts.
    pub in_conflict: Option<bool>,
    /// Only those that a list shows after this one.
    pub after: Option<ListPlace>,
    /// At most this many; all without.
    pub limit: Option<usize>,
}

/// A phone's store. Each method is one step, all or nothing; a step that returned is on disk.
pub trait LocalStore {
    /// What can go wrong in it.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Who this phone is; `None` before [`LocalStore::keep_credentials`].
    fn credentials(&self) -> Result<Option<Credentials>, Self::Error>;

    /// Keeps who this phone is, in place of what was kept before.
    fn keep_credentials(&mut self, credentials: &Credentials) -> Result<(), Self::Error>;

    /// The state that the last update left.
    fn state(&self) -> Result<SyncState, Self::Error>;

    /// Every document, in short.
    fn documents(&self) -> Result<Vec<DocumentSummary>, Self::Error>;

    /// One document, whole.
    fn document(&self, id: DocumentId) -> Result<Option<StoredDocument>, Self::Error>;

    /// The document that holds a record.
    fn document_of(&self, record: RecordId) -> Result<Option<DocumentId>, Self::Error>;

    /// Every change that stands aside, with its document.
    fn aside(&self) -> Result<Vec<(DocumentId, StoredChange)>, Self::Error>;

    /// Own changes of a document that have a receipt, in the order in which they got it.
    fn own(&self, id: DocumentId) -> Result<Vec<OwnChange>, Self::Error>;

    /// Documents with own changes that are to be delivered once more.
    fn offering(&self) -> Result<Vec<DocumentId>, Self::Error>;

    /// The key of a record.
    fn key(&self, record: RecordId) -> Result<Option<RecordKey>, Self::Error>;

    /// Records of one class for a list, newest first.
    fn rows(&self, class: Class, query: ListQuery) -> Result<Vec<RowChange>, Self::Error>;

    /// Assistance records for a list, newest first.
    fn assistances(&self, query: ListQuery) -> Result<Vec<Assistance>, Self::Error> {
        let rows = self.rows(Class::Ledger, query)?.into_iter();
        Ok(rows
            .filter_map(|row| match row {
                RowChange::Assistance(row) => Some(*row),
                RowChange::Draft(_)
                | RowChange::Directive(_)
                | RowChange::Acknowledgement(_)
                | RowChange::Remark(_) => None,
            })
            .collect())
    }

    /// Records with changes that have no receipt; with the code, where one was refused.
    fn unsent(&self) -> Result<BTreeMap<RecordId, Option<String>>, Self::Error>;

    /// Saves an edit: from here on it is never lost.
    fn save_edit(&mut self, edit: &SavedEdit) -> Result<(), Self::Error>;

    /// Applies an answer.
    fn apply(&mut self, update: &Update) -> Result<(), Self::Error>;
}
