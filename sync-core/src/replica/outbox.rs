//! The outbox: changes cut into signed batches, again and again until each has its receipt.
//!
//! Besides what is pending it holds what a server that was restored has to be offered once more.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;

use super::{Replica, ReplicaError, Result};
use crate::document::rebase::chunk_of;
use crate::enrolment::Identity;
use crate::ids::{ChangeHash, DocumentId, RecordId};
use crate::local_store::{LocalStore, OwnChange};
use crate::preflight::{PreflightLimits, preflight};
use crate::protocol::{Batch, ED25519, Keys, ListedKey, limits};
use crate::seal::{KeySeed, RecordKey};
use crate::signature::BatchStatement;

/// After a failed exchange a push is this small, so that a bad connection costs little per attempt.
const CAUTIOUS_BYTES: usize = 32 * 1024;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Vietnam keeps UTC+7 all year round.
const VIETNAM_MS: i64 = 7 * 3600 * 1000;

/// How much is sent at once, and what is on its way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) exchanges: u64,
    /// The batches of the exchange that is on its way, in order; `None` when none is.
    pub(super) in_flight: Option<Vec<SentBatch>>,
    /// How many questions it holds.
    pub(super) asked: usize,
    /// The last exchange failed.
    pub(super) cautious: bool,
    /// Documents with own changes that are to be offered once more.
    pub(super) offering: Vec<DocumentId>,
    /// Documents whose changes stand on others that the server does not have: sent again when something came for them.
    pub(super) waiting: BTreeSet<DocumentId>,
    /// Documents whose changes go out one by one, so that those which stand on nothing missing get through.
    pub(super) single: BTreeSet<DocumentId>,
    /// Why the server does not take an offered change.
    pub(super) refused_offers: BTreeMap<ChangeHash, String>,
    /// Rebases since something was confirmed: an exchange that only ever leads to another one has to end.
    pub(super) rebases: u32,
}

/// One batch that was sent.
#[derive(Clone, Debug)]
pub(super) struct SentBatch {
    pub(super) document: DocumentId,
    /// Each change, and the record that it is about.
    pub(super) changes: Vec<(ChangeHash, RecordId)>,
    /// Whether its changes had a receipt before.
    pub(super) offered: bool,
}

/// A change on its way into a batch.
#[derive(Clone, Debug)]
struct Outgoing {
    hash: ChangeHash,
    record: RecordId,
    made_at_ms: i64,
    bytes: Vec<u8>,
}

/// Most changes of a batch, fewer than a server takes: it stores a batch at one go, and others wait for that long.
const BATCH_CHANGES: usize = 50;

/// What one request still holds.
struct Room {
    bytes: usize,
    batches: usize,
}

impl<S: LocalStore> Replica<S> {
    /// Batches for what is to be sent, as much as one request may hold, each with what is needed to match its receipt.
    pub(super) fn batches(&mut self) -> Result<Vec<(Batch, SentBatch)>, S> {
        let pending = self.summaries.values().filter(|summary| summary.pending > 0);
        let mut waiting: BTreeSet<DocumentId> = pending.map(|summary| summary.id).collect();
        waiting.extend(&self.outbox.offering);
        let mut room = Room {
            bytes: if self.outbox.cautious {
                CAUTIOUS_BYTES
            } else {
                limits::PUSH_BYTES
            },
            batches: limits::PUSH_BATCHES,
        };
        let mut batches = Vec::new();
        for id in waiting {
            if self.outbox.waiting.contains(&id) {
                continue;
            }
            if !self.loads(id)? {
                continue;
            }
            // What is pending may stand on what is offered: the other way round it is never.
            let offers = self.offers(id)?;
            let all = self.cut(id, offers, true, &mut room, &mut batches)?;
            if all {
                let pending = self.pending_of(id)?;
                self.cut(id, pending, false, &mut room, &mut batches)?;
            }
        }
        Ok(batches)
    }

    /// Cuts changes into batches as long as there is room; tells whether all of them went out.
    fn cut(
        &self,
        id: DocumentId,
        changes: Vec<Outgoing>,
        offered: bool,
        room: &mut Room,
        batches: &mut Vec<(Batch, SentBatch)>,
    ) -> Result<bool, S> {
        let most = if self.outbox.single.contains(&id) {
            1
        } else {
            BATCH_CHANGES
        };
        let mut rest = changes.as_slice();
        while !rest.is_empty() && room.bytes > 0 && room.batches > 0 {
            let (now, later) = rest.split_at(fitting(rest, most, room.bytes.min(limits::BATCH_BYTES)));
            room.bytes = room
                .bytes
                .saturating_sub(now.iter().map(|change| change.bytes.len()).sum());
            room.batches -= 1;
            let keys = self.keys_of(id, now)?;
            let sent = SentBatch {
                document: id,
                changes: now.iter().map(|change| (change.hash, change.record)).collect(),
                offered,
            };
            batches.push((batch(&self.identity, id, now, keys), sent));
            rest = later;
        }
        Ok(rest.is_empty())
    }

    fn pending_of(&mut self, id: DocumentId) -> Result<Vec<Outgoing>, S> {
        let pending = self.open_document(id)?.pending.iter();
        let outgoing = pending.filter_map(|change| {
            let pending = change.pending.as_ref()?;
            Some(Outgoing {
                hash: change.hash,
                record: pending.record,
                made_at_ms: pending.made_at_ms,
                bytes: change.bytes.clone(),
            })
        });
        Ok(outgoing.collect())
    }

    /// Own changes that the server may have lost.
    fn offers(&mut self, id: DocumentId) -> Result<Vec<Outgoing>, S> {
        if !self.outbox.offering.contains(&id) {
            return Ok(Vec::new());
        }
        let own = self.store.own(id).map_err(ReplicaError::Store)?;
        let refused: BTreeSet<ChangeHash> = self.outbox.refused_offers.keys().copied().collect();
        let document = &self.open_document(id)?.document;
        let offered = own
            .into_iter()
            .filter(|own: &OwnChange| own.offered && !refused.contains(&own.hash));
        let outgoing = offered.filter_map(|own| {
            Some(Outgoing {
                hash: own.hash,
                record: own.record,
                made_at_ms: document.history().node(&own.hash)?.time_ms,
                bytes: chunk_of(document.automerge(), &own.hash)?,
            })
        });
        Ok(outgoing.collect())
    }

    /// Whether something is to be delivered that no server has answered: pending changes, or what a server that was
    /// restored has to be offered.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn owes(&self) -> Result<bool, S> {
        if self.summaries.values().any(|summary| summary.pending > 0) {
            return Ok(true);
        }
        for id in &self.outbox.offering {
            let own = self.store.own(*id).map_err(ReplicaError::Store)?;
            let answered = |own: &OwnChange| self.outbox.refused_offers.contains_key(&own.hash);
            if own.iter().any(|own| own.offered && !answered(own)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The keys of the records that these changes create: by their seed where they follow from it, spelled out otherwise.
    fn keys_of(&self, id: DocumentId, changes: &[Outgoing]) -> Result<Keys, S> {
        let seed = self.documents.get(&id).and_then(|open| open.seed.clone());
        let mut keys = Keys::default();
        for change in changes.iter().filter(|change| creates(&change.bytes)) {
            let Some(key) = self.store.key(change.record).map_err(ReplicaError::Store)? else {
                continue;
            };
            match &seed {
                Some(seed) if follows(seed, change.record, &key) => keys.seed = Some(seed.clone()),
                Some(_) | None => keys.listed.push(ListedKey {
                    record: change.record,
                    key,
                }),
            }
        }
        Ok(keys)
    }
}

fn follows(seed: &KeySeed, record: RecordId, key: &RecordKey) -> bool {
    seed.record_key(record) == *key
}

/// Whether a change makes the map that its last operation is about.
fn creates(chunk: &[u8]) -> bool {
    preflight(chunk, &PreflightLimits::default())
        .is_ok_and(|header| header.object == Some((header.actor, header.start_op)))
}

/// How many of `changes` go into one batch of at most `most` changes and `bytes`: at least one, whatever its size.
///
/// A batch is of one day, as rights are: when one ended in between, what was made before is not refused with the rest.
fn fitting(changes: &[Outgoing], most: usize, bytes: usize) -> usize {
    let mut sum = 0;
    let fits = |change: &&Outgoing| {
        sum += change.bytes.len();
        sum <= bytes
    };
    let day = changes.first().map(day_made);
    changes
        .iter()
        .take(most)
        .take_while(|change| Some(day_made(change)) == day)
        .take_while(fits)
        .count()
        .max(1)
}

/// The day in Vietnam on which a change was made, counted from 1970.
fn day_made(change: &Outgoing) -> i64 {
    (change.made_at_ms + VIETNAM_MS).div_euclid(DAY_MS)
}

fn batch(identity: &Identity, document: DocumentId, changes: &[Outgoing], keys: Keys) -> Batch {
    let hashes: Vec<[u8; 32]> = changes.iter().map(|change| change.hash.0).collect();
    let statement = BatchStatement {
        realm: identity.realm,
        device: identity.device,
        account: identity.account,
        document,
        changes: &hashes,
        keys_digest: keys.digest(),
    };
    Batch {
        document,
        account: identity.account,
        changes: changes
            .iter()
            .map(|change| ByteVec::from(change.bytes.clone()))
            .collect(),
        signature: statement.sign(&identity.key),
        alg: ED25519,
        keys,
    }
}
