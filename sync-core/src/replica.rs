//! A replica: the phone's half of the exchange, sans IO.
//!
//! The app gives it edits, carries [`Exchange`] bodies to the server and back, and tells it the time; nothing here waits,
//! ticks or connects. What it calls saved is on disk. A change leaves the outbox for a receipt and for nothing else: it
//! is sent again until one comes, however often the phone dies in between.

mod catalogue;
mod desk;
mod directives;
mod exchange;
mod heal;
mod lists;
mod look;
mod open;
mod outbox;
mod page;
mod posts;
mod refile;
mod staged;

use std::collections::BTreeMap;

use rand_core::CryptoRng;

use crate::digest::DigestSum;
use crate::directory::Directory;
use crate::edit::{Author, Edit, EditError, EditKind, Personal, Place};
use crate::enrolment::Identity;
use crate::ids::{ActorId, ChangeHash, Class, DocumentId, Month, RecordId, Scope};
use crate::local_store::{
    DocumentSummary, ListQuery, LocalStore, Pending, Refused, SavedEdit, StoredChange, SyncState, Update,
};
use crate::projection::{RowChange, rows_of};
use crate::protocol::BodyError;
use crate::record::{Assistance, Remark};
use crate::seal::{KeySeed, SealError, SealedField, open as open_sealed};

pub use desk::{Beginning, SeenConflict};
pub use directives::Pinned;
pub use exchange::{Exchange, ExchangeId, Received};
pub use lists::{Delivery, Disagreement, Shown, ShownPage};
use open::OpenDocument;

/// A difference of clocks below this is the network's.
const CLOCK_NOISE_MS: u64 = 10_000;

/// What the replica can tell about itself. No personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Changes that the server has not confirmed, refused ones included.
    pub unsent: usize,
    /// When the oldest of them was made, UTC milliseconds.
    pub oldest_unsent_ms: Option<i64>,
    /// Changes that the server refused; they stand aside and wait for a person.
    pub refused: usize,
    /// The last receipt for something of this device's own, UTC milliseconds of the server.
    pub last_receipt_ms: Option<i64>,
    /// The last complete exchange, UTC milliseconds of the server.
    pub last_sync_ms: Option<i64>,
    /// Whether everything that the device may read has arrived.
    pub complete: bool,
    /// Whether the server holds other documents than this replica, although nothing is on its way.
    pub diverged: bool,
}

/// An edit that the server refused. It stays on the phone.
#[derive(Clone, Debug, PartialEq)]
pub struct SetAside {
    /// The document it was made in.
    pub document: DocumentId,
    /// Its change.
    pub change: ChangeHash,
    /// The record it is about.
    pub record: RecordId,
    /// When it was made, UTC milliseconds.
    pub made_at_ms: i64,
    /// Why it was refused, what the record said, and what was decided.
    pub refused: Refused,
}

/// What went wrong, by what the app can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError<E: std::error::Error + 'static> {
    /// The store failed: nothing was changed.
    #[error("the store failed: {0}")]
    Store(#[source] E),
    /// The edit may not be made.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// This account may not write there.
    #[error("this account may not write to {0:?}")]
    NotPermitted(Scope),
    /// This account has no unit for that, so that none can be left out.
    #[error("there is no unit in whose name this account does that")]
    NoHome,
    /// This account has several units for that: one has to be named.
    #[error("the unit has to be named")]
    ManyHomes,
    /// A field in conflict has other values by now than those that were seen.
    #[error("the field has other values by now")]
    ChangedMeanwhile,
    /// The clock shows a time for which there are no documents.
    #[error("the clock is outside of the years that documents exist for")]
    Clock,
    /// A stored document does not load.
    #[error("document {0} is damaged")]
    Damaged(DocumentId),
    /// The answer is no message.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The answer does not fit: it was not applied, and the next exchange asks again.
    #[error("the answer was not applied: {0}")]
    Answer(&'static str),
    /// The answer belongs to an exchange that is over.
    #[error("the answer came too late")]
    Late,
}

impl<E: std::error::Error + 'static> ReplicaError<E> {
    /// A stable code for apps.
    pub fn code(&self) -> &'static str {
        match self {
            ReplicaError::Store(_) => "store",
            ReplicaError::Edit(error) => error.code(),
            ReplicaError::NotPermitted(_) => "not_permitted",
            ReplicaError::NoHome => "unit_unknown",
            ReplicaError::ManyHomes => "unit_needed",
            ReplicaError::ChangedMeanwhile => "changed_meanwhile",
            ReplicaError::Clock => "clock",
            ReplicaError::Damaged(_) => "damaged",
            ReplicaError::Body(_) => "body",
            ReplicaError::Answer(_) => "answer",
            ReplicaError::Late => "late",
        }
    }
}

type Result<T, S> = std::result::Result<T, ReplicaError<<S as LocalStore>::Error>>;

/// One phone's documents, outbox and lists.
#[derive(Debug)]
pub struct Replica<S: LocalStore> {
    store: S,
    identity: Identity,
    state: SyncState,
    /// Every stored document in short.
    summaries: BTreeMap<DocumentId, DocumentSummary>,
    /// Documents that were used since the replica was opened.
    documents: BTreeMap<DocumentId, OpenDocument>,
    outbox: outbox::Outbox,
    /// Directives may have arrived for which nothing was said yet.
    arrivals: bool,
    healing: heal::Healing,
    /// The directory of the units for which this account speaks, and of those above.
    near: Directory,
}

impl<S: LocalStore> Replica<S> {
    /// Opens what `store` holds. Documents are loaded when they are needed.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn open(store: S, identity: Identity) -> Result<Self, S> {
        let state = store.state().map_err(ReplicaError::Store)?;
        let summaries = store.documents().map_err(ReplicaError::Store)?;
        let summaries = summaries
            .into_iter()
            .map(|summary| (summary.id, summary))
            .collect();
        let outbox = outbox::Outbox {
            offering: store.offering().map_err(ReplicaError::Store)?,
            ..outbox::Outbox::default()
        };
        let mut replica = Self {
            store,
            identity,
            state,
            summaries,
            documents: BTreeMap::new(),
            outbox,
            arrivals: true,
            healing: heal::Healing::default(),
            near: Directory::default(),
        };
        replica.look_around()?;
        Ok(replica)
    }

    /// Gives the store back, as if the process had ended.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Who this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The server's clock as far as this device knows it, UTC milliseconds.
    pub fn corrected(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.state.clock_offset_ms)
    }

    /// The server told its time outside of an exchange. Remembered if the difference is worth a write.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn learn_clock(&mut self, server_time_ms: i64, now_ms: i64) -> Result<(), S> {
        let clock_offset_ms = server_time_ms.saturating_sub(now_ms);
        if clock_offset_ms.abs_diff(self.state.clock_offset_ms) < CLOCK_NOISE_MS {
            return Ok(());
        }
        let mut update = Update {
            state: self.state.clone(),
            ..Update::default()
        };
        update.state.clock_offset_ms = clock_offset_ms;
        self.store.apply(&update).map_err(ReplicaError::Store)?;
        self.state = update.state;
        Ok(())
    }

    /// Makes one edit. When it returns, the edit is on disk and shows in every list. `false`: it said nothing new.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing was changed.
    pub fn edit(&mut self, edit: &Edit, now_ms: i64, rng: &mut impl CryptoRng) -> Result<bool, S> {
        let (device_now_ms, now_ms) = (now_ms, self.corrected(now_ms));
        let id = self.document_for(edit, now_ms)?;
        self.check_scope(id.scope(), edit.kind())?;
        let fresh_actor = fresh_actor(rng);
        let fresh_seed = KeySeed::from_bytes(random(rng));
        let stored_key = self.store.key(edit.record()).map_err(ReplicaError::Store)?;
        let Identity {
            account,
            device,
            ref key,
            ..
        } = self.identity;
        let signing = key.clone();

        let open = self.open_document(id)?;
        let seed = open.seed.clone().unwrap_or(fresh_seed);
        let creates = edit.place() != Place::Existing && open.document.schema().has_sealed();
        let key = if creates {
            Some(seed.record_key(edit.record()))
        } else {
            stored_key
        };
        let actor = open.actor.clone().unwrap_or(fresh_actor);
        let author = Author {
            account,
            device,
            actor,
            now_ms,
            device_now_ms,
            key: signing,
        };
        let write = edit.prepare(&open.document, &author, key.as_ref())?;

        // The edit is made on a clone: if the store fails, the replica still says what the disk says.
        let mut document = open.document.clone();
        let Some(written) = document.write(&write, &author) else {
            return Ok(false);
        };
        let pending = Pending {
            record: edit.record(),
            made_at_ms: now_ms,
            refused: None,
        };
        let saved = SavedEdit {
            document: id,
            change: StoredChange {
                hash: written.hash,
                bytes: written.bytes,
                pending: Some(pending),
            },
            seed: seed.clone(),
            key: if creates { key } else { None },
            rows: rows_of(&document, [edit.record()]),
        };
        self.store.save_edit(&saved).map_err(ReplicaError::Store)?;

        if let Some(open) = self.documents.get_mut(&id) {
            open.document = document;
            open.actor = Some(author.actor);
            open.seed = Some(seed);
            open.pending.push(saved.change);
        }
        let summary = self.summaries.entry(id).or_insert(DocumentSummary {
            id,
            digest: DigestSum::default(),
            pending: 0,
            refused: 0,
            oldest_pending_ms: None,
        });
        summary.pending += 1;
        summary.oldest_pending_ms.get_or_insert(now_ms);
        Ok(true)
    }

    /// A record of any class as it stands now.
    ///
    /// # Errors
    /// [`ReplicaError`] when the store fails or its document does not load.
    pub fn row(&mut self, record: RecordId) -> Result<Option<RowChange>, S> {
        match self.store.document_of(record).map_err(ReplicaError::Store)? {
            Some(id) => Ok(self.open_document(id)?.document.row(record)),
            None => Ok(None),
        }
    }

    /// Records of one class for a list, newest first.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn rows(&self, class: Class, query: ListQuery) -> Result<Vec<RowChange>, S> {
        self.store.rows(class, query).map_err(ReplicaError::Store)
    }

    /// Records for a list, newest first.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn assistances(&self, query: ListQuery) -> Result<Vec<Assistance>, S> {
        self.store.assistances(query).map_err(ReplicaError::Store)
    }

    /// The personal data of a record, as far as its key is here.
    ///
    /// # Errors
    /// [`ReplicaError::Store`]; a field that does not open is left out.
    pub fn personal(&self, record: &Assistance) -> Result<Personal, S> {
        self.opened(record.id, record.document, &record.sealed)
    }

    /// The words of a remark, as far as its key is here.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn words(&self, remark: &Remark) -> Result<Option<String>, S> {
        let mut opened = self.opened(remark.id, remark.document, &remark.sealed)?;
        Ok(opened.0.remove(&SealedField::Note))
    }

    fn opened(
        &self,
        record: RecordId,
        document: DocumentId,
        sealed: &BTreeMap<SealedField, Vec<u8>>,
    ) -> Result<Personal, S> {
        let Some(key) = self.store.key(record).map_err(ReplicaError::Store)? else {
            return Ok(Personal::default());
        };
        let opened = sealed.iter().map(|(field, bytes)| {
            let clear: std::result::Result<String, SealError> =
                open_sealed(&key, &document, record, *field, bytes);
            (*field, clear)
        });
        Ok(Personal(
            opened
                .filter_map(|(field, clear)| Some((field, clear.ok()?)))
                .collect(),
        ))
    }

    /// Whether the key of a record is here.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn has_key(&self, record: RecordId) -> Result<bool, S> {
        Ok(self.store.key(record).map_err(ReplicaError::Store)?.is_some())
    }

    /// Records that have not reached the server whole; with the code, where a change of theirs was refused.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn unsent(&self) -> Result<BTreeMap<RecordId, Option<String>>, S> {
        self.store.unsent().map_err(ReplicaError::Store)
    }

    /// The store, for what is not about documents.
    pub(crate) fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let sum = |of: fn(&DocumentSummary) -> usize| self.summaries.values().map(of).sum();
        Status {
            unsent: sum(|summary| summary.pending + summary.refused),
            oldest_unsent_ms: self
                .summaries
                .values()
                .filter_map(|summary| summary.oldest_pending_ms)
                .min(),
            refused: sum(|summary| summary.refused),
            last_receipt_ms: self.state.last_receipt_ms,
            last_sync_ms: self.state.last_sync_ms,
            complete: self.state.complete,
            diverged: self.state.diverged,
        }
    }

    /// Edits that the server refused: what they were about, why, and what a person decided. Oldest first.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn set_aside(&self) -> Result<Vec<SetAside>, S> {
        let stored = self.store.aside().map_err(ReplicaError::Store)?;
        let aside = stored.into_iter().filter_map(|(document, change)| {
            let pending = change.pending?;
            Some(SetAside {
                document,
                change: change.hash,
                record: pending.record,
                made_at_ms: pending.made_at_ms,
                refused: pending.refused?,
            })
        });
        let mut list: Vec<SetAside> = aside.collect();
        list.sort_by_key(|aside| (aside.made_at_ms, aside.record));
        Ok(list)
    }

    /// The confirmed heads of every document, for comparisons in tests and for diagnosis.
    pub fn digests(&self) -> impl Iterator<Item = (DocumentId, DigestSum)> + '_ {
        self.summaries
            .values()
            .map(|summary| (summary.id, summary.digest))
    }

    /// The scopes that the server said this device has; `None` before the first answer.
    pub fn scopes(&self) -> Option<&crate::protocol::ScopeSet> {
        self.state.scopes.as_ref()
    }

    /// Where the next page starts, as the server said it; `None` before the first answer.
    pub fn cursor(&self) -> Option<&[u8]> {
        self.state.cursor.as_ref().map(|cursor| cursor.as_slice())
    }

    /// The document that an edit goes into: a new record into the month of the day, anything else to its record.
    fn document_for(&self, edit: &Edit, now_ms: i64) -> Result<DocumentId, S> {
        match edit.place() {
            Place::New { unit, class } => {
                let month = Month::of_millis(now_ms).ok_or(ReplicaError::Clock)?;
                DocumentId::new(class, unit, Some(month)).ok_or(ReplicaError::Edit(EditError::WrongClass))
            }
            Place::Existing => {
                let record = edit.record();
                let document = self.store.document_of(record).map_err(ReplicaError::Store)?;
                document.ok_or(ReplicaError::Edit(EditError::NoSuchRecord(record)))
            }
        }
    }

    /// Before the first answer nothing is known, and nothing is refused: the server decides.
    fn check_scope(&self, scope: Scope, kind: EditKind) -> Result<(), S> {
        match &self.state.scopes {
            Some(scopes) if !scopes.may_edit(&scope, kind) => Err(ReplicaError::NotPermitted(scope)),
            Some(_) | None => Ok(()),
        }
    }

    /// The sum over the documents that both sides count: those of the scope set.
    fn digest(&self) -> DigestSum {
        let Some(scopes) = &self.state.scopes else {
            return DigestSum::default();
        };
        self.summaries
            .values()
            .filter(|summary| scopes.covers(&summary.id))
            .map(|summary| summary.digest)
            .sum()
    }
}

/// `N` fresh random bytes.
fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// An actor that nothing was written under.
fn fresh_actor(rng: &mut impl CryptoRng) -> ActorId {
    ActorId::from(random::<16>(rng).as_slice())
}
