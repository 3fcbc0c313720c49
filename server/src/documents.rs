//! Documents in memory: loaded from the log when a batch comes for them, kept while they are in use.
//!
//! A document is held by one exchange at a time, from admission to commit; exchanges for other documents go on beside
//! it. What is kept is bounded by the changes it consists of. A document that went through anything but a clean commit
//! is dropped and loaded again: the log is the truth, this is a cache.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use rusqlite::Connection;
use sync_core::admission::{Admission, Gate, admit};
use sync_core::document::Document;
use sync_core::ids::{ActorId, DeviceId, DocumentId};
use tokio::sync::OwnedMutexGuard;

use crate::log::{self, ReplayError};

/// A document, and whose actors wrote it.
#[derive(Debug)]
pub struct Loaded {
    /// The document as the log has it.
    pub document: Document,
    /// The device of each actor.
    pub owners: HashMap<ActorId, DeviceId>,
}

/// The place of a document: empty until it is needed.
pub type Slot = Option<Loaded>;
/// A document that is held by one exchange.
pub type Held = OwnedMutexGuard<Slot>;

/// The documents in memory.
#[derive(Debug)]
pub struct Documents {
    places: Mutex<Places>,
    /// Keep at most this many changes in all.
    capacity: usize,
}

#[derive(Debug)]
struct Places {
    lru: LruCache<DocumentId, Place>,
    total: usize,
}

#[derive(Debug)]
struct Place {
    slot: Arc<tokio::sync::Mutex<Slot>>,
    /// Changes in it when it was last given back.
    weight: usize,
}

impl Documents {
    /// A cache for about `capacity` changes; one takes about a kilobyte.
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            places: Mutex::new(Places {
                lru: LruCache::unbounded(),
                total: 0,
            }),
            capacity: capacity.get(),
        }
    }

    /// Waits until nobody else holds the document, and holds it.
    pub async fn hold(&self, id: DocumentId) -> Held {
        let slot = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Place {
                slot: Arc::default(),
                weight: 0,
            };
            Arc::clone(&places.lru.get_or_insert_mut(id, fresh).slot)
        };
        slot.lock_owned().await
    }

    /// How many documents are in memory.
    pub fn loaded(&self) -> usize {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.lru.iter().filter(|(_, place)| place.weight > 0).count()
    }

    /// Gives a document back; drops what was not used for longest where there is too much.
    pub fn release(&self, id: DocumentId, held: Held) {
        let weight = held.as_ref().map_or(0, |loaded| loaded.document.history().len());
        drop(held);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.lru.peek_mut(&id) {
            let before = std::mem::replace(&mut place.weight, weight);
            places.total = places.total + weight - before;
        }
        let mut in_use = Vec::new();
        while places.total > self.capacity {
            let Some((id, place)) = places.lru.pop_lru() else {
                break;
            };
            places.total -= place.weight;
            if Arc::strong_count(&place.slot) > 1 {
                in_use.push((id, place));
            }
        }
        for (id, place) in in_use {
            places.total += place.weight;
            places.lru.put(id, place);
        }
    }
}

impl Loaded {
    /// The document as the log has it: the stored snapshot, and what came after.
    ///
    /// # Errors
    /// [`ReplayError`] when the log itself is damaged. A damaged snapshot is passed over.
    pub fn load(conn: &Connection, id: DocumentId) -> Result<Self, ReplayError> {
        let Some((_, row, _)) = log::find_document(conn, id)? else {
            return Ok(Self {
                document: Document::new(id),
                owners: HashMap::new(),
            });
        };
        let stored = log::snapshot(conn, row)?;
        let loaded = stored.and_then(|(position, bytes)| Some((position, Document::load(id, &bytes).ok()?)));
        let (position, mut document) = loaded.unwrap_or_else(|| (0, Document::new(id)));
        replay(conn, row, position, &mut document)?;
        Ok(Self {
            document,
            owners: log::owners(conn, row)?.into_iter().collect(),
        })
    }
}

/// Applies every change of the log after a position.
///
/// # Errors
/// [`ReplayError`] when an entry does not inflate or apply.
pub fn replay(conn: &Connection, row: i64, after: u64, document: &mut Document) -> Result<(), ReplayError> {
    let mut outcome = Ok(());
    log::entries_of_document(conn, row, after, i64::MAX as u64, |entry| {
        let chunks: Vec<&[u8]> = entry.changes.iter().map(Vec::as_slice).collect();
        match admit(document, &chunks, Gate::Log) {
            Ok(Admission::Plan(plan)) => drop(document.adopt(*plan)),
            Ok(Admission::Duplicate) => {}
            Err(refusal) => outcome = Err(ReplayError::Refused(entry.last, refusal)),
        }
        if outcome.is_ok() {
            std::ops::ControlFlow::Continue(())
        } else {
            std::ops::ControlFlow::Break(())
        }
    })?;
    outcome
}
