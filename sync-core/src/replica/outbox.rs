//! The outbox: pending changes cut into signed batches, again and again until each has its receipt.

use minicbor::bytes::ByteVec;

use super::{Identity, Replica, Result, open::OpenDocument};
use crate::ids::{ChangeHash, DocumentId};
use crate::local_store::{LocalStore, StoredChange};
use crate::protocol::{Batch, ED25519, Keys, limits};
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
    /// The last exchange failed.
    pub(super) cautious: bool,
}

/// One batch that was sent.
#[derive(Clone, Debug)]
pub(super) struct SentBatch {
    pub(super) document: DocumentId,
    pub(super) changes: Vec<ChangeHash>,
}

impl<S: LocalStore> Replica<S> {
    /// Batches for what is pending, as much as one request may hold, each with what is needed to match its receipt.
    pub(super) fn batches(&mut self) -> Result<Vec<(Batch, SentBatch)>, S> {
        let waiting: Vec<DocumentId> = self
            .summaries
            .values()
            .filter(|summary| summary.pending > 0)
            .map(|summary| summary.id)
            .collect();
        let mut room = if self.outbox.cautious {
            CAUTIOUS_BYTES
        } else {
            limits::PUSH_BYTES
        };
        let mut batches = Vec::new();
        for id in waiting {
            let identity = self.identity.clone();
            let open = self.open_document(id)?;
            // What stands on a refused change would be refused with it.
            if open.refused() > 0 {
                continue;
            }
            let mut rest = open.pending.as_slice();
            while !rest.is_empty() && room > 0 && batches.len() < limits::PUSH_BATCHES {
                let (now, later) = rest.split_at(fitting(rest, room.min(limits::BATCH_BYTES)));
                room = room.saturating_sub(now.iter().map(|change| change.bytes.len()).sum());
                batches.push(batch(&identity, open, now));
                rest = later;
            }
        }
        Ok(batches)
    }
}

/// How many of `changes` go into one batch of at most `bytes`: at least one, whatever its size.
///
/// A batch is of one day, as rights are: when one ended in between, what was made before is not refused with the rest.
fn fitting(changes: &[StoredChange], bytes: usize) -> usize {
    let mut sum = 0;
    let fits = |change: &&StoredChange| {
        sum += change.bytes.len();
        sum <= bytes
    };
    let day = changes.first().map(day_made);
    changes
        .iter()
        .take(limits::BATCH_CHANGES)
        .take_while(|change| Some(day_made(change)) == day)
        .take_while(fits)
        .count()
        .max(1)
}

/// The day in Vietnam on which a pending change was made, counted from 1970.
fn day_made(change: &StoredChange) -> i64 {
    let made_at_ms = change.pending.as_ref().map_or(0, |pending| pending.made_at_ms);
    (made_at_ms + VIETNAM_MS).div_euclid(DAY_MS)
}

fn batch(identity: &Identity, open: &OpenDocument, changes: &[StoredChange]) -> (Batch, SentBatch) {
    let document = open.document.id();
    let hashes: Vec<ChangeHash> = changes.iter().map(|change| change.hash).collect();
    let raw: Vec<[u8; 32]> = hashes.iter().map(|hash| hash.0).collect();
    let keys = Keys {
        seed: open.seed.clone().filter(|_| open.document.schema().has_sealed()),
        listed: Vec::new(),
    };
    let statement = BatchStatement {
        realm: identity.realm,
        device: identity.device,
        account: identity.account,
        document,
        changes: &raw,
        keys_digest: keys.digest(),
    };
    let batch = Batch {
        document,
        account: identity.account,
        changes: changes
            .iter()
            .map(|change| ByteVec::from(change.bytes.clone()))
            .collect(),
        signature: statement.sign(&identity.key),
        alg: ED25519,
        keys,
    };
    (
        batch,
        SentBatch {
            document,
            changes: hashes,
        },
    )
}
