//! The way in: batches of one device become plans, plans become transactions, and receipts follow the commit.
//!
//! Judging is work for the processor and happens on a bounded pool; writing is the writer thread's. A document is held
//! from judging to commit, so two batches for one document are judged one after the other, and the plan that is
//! executed was made for the heads that are in the table. If something comes between all the same, the plan is stale:
//! the document is dropped and the batch judged again.

mod judge;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use sync_core::ids::{AccountId, ChangeHash, DeviceId, DocumentId, RealmId};
use sync_core::projection::RowChange;
use sync_core::protocol::{Batch, Receipt};
use sync_core::record::Settled;
use sync_core::seal::MasterKey;
use sync_core::signature::PublicKey;

use crate::audit::By;
use crate::documents::{Documents, Held};
use crate::log::{self, Advance, Append, AppendError};
use crate::policy::Access;
use crate::quarantine::{self, Decision, Kept, Room};
use crate::rows;
use crate::search;
use crate::store::{Store, WriteError, is_full};
use crate::workers::Workers;
pub use turns::Turns;

/// How often a stale plan is made again before the device is asked to come back.
const ATTEMPTS: usize = 3;
/// Most changes that are judged and stored at a time, but for a batch that has more: some ten milliseconds.
const PART_CHANGES: usize = 50;

/// Who delivers.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The device that signed the request's batches.
    pub device: DeviceId,
    /// The person that it is enrolled for.
    pub account: AccountId,
    /// The device's key.
    pub key: PublicKey,
    /// What the account may do.
    pub access: Access,
}

/// By which way batches come.
#[derive(Clone, Debug)]
pub enum Way {
    /// From a device.
    Delivered,
    /// From quarantine, by the decision of a person, which is written down in the transaction that carries it out.
    Released {
        /// The quarantined batch.
        id: i64,
        /// Who decided.
        by: By,
    },
}

/// What stays the same for every delivery.
#[derive(Debug)]
pub struct Ingest {
    /// The realm that batches must be signed for.
    pub realm: RealmId,
    /// Wraps record keys.
    pub master: MasterKey,
    /// Documents in memory.
    pub documents: Documents,
    /// Judges deliveries.
    pub workers: Workers,
    /// Who goes first.
    pub turns: Turns,
}

/// What became of a delivery.
#[derive(Debug, Default)]
pub struct Delivered {
    /// One per batch, in order.
    pub receipts: Vec<Receipt>,
    /// Positions that this delivery took: `first..=last` for each stored batch.
    pub own: Vec<(u64, u64)>,
    /// What it did to documents.
    pub advances: Vec<Advance>,
    /// The number of the decision to release it; nothing if it was decided before, or nothing was.
    pub decision: Option<u64>,
}

impl Delivered {
    /// The next part of it.
    fn add(&mut self, part: Delivered) {
        self.receipts.extend(part.receipts);
        self.own.extend(part.own);
        self.advances.extend(part.advances);
        self.decision = part.decision.or(self.decision);
    }
}

/// One part of a delivery on its way in.
struct Delivery {
    sender: Arc<Sender>,
    /// All of it.
    batches: Arc<[Batch]>,
    /// Which of them are meant.
    part: Range<usize>,
    way: Way,
    now_ms: i64,
}

impl Delivery {
    fn batches(&self) -> std::slice::Iter<'_, Batch> {
        self.batches.get(self.part.clone()).unwrap_or_default().iter()
    }
}

/// Why a delivery has no receipts. The device sends it again.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Too much is waiting already.
    #[error("too many deliveries are waiting")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The store failed.
    #[error("the store failed: {0}")]
    Storage(String),
    /// A stored document cannot be loaded.
    #[error("document {0} does not load: {1}")]
    Damaged(DocumentId, log::ReplayError),
    /// The process is going down, or a bug made a worker panic.
    #[error("the delivery was abandoned")]
    Abandoned,
}

/// The documents of a delivery, held in the order of their ids so that two deliveries never wait for each other.
///
/// They may be ahead of the log. Unless they are given back after a commit they are forgotten, whatever came between – an
/// error, a panic, a request that its client gave up –, and loaded again when they are needed: what is only in memory would
/// be answered as a duplicate, and be nowhere once its device has forgotten it.
#[derive(Default)]
struct HeldDocuments(BTreeMap<DocumentId, Held>);

impl HeldDocuments {
    async fn hold(documents: &Documents, ids: BTreeSet<DocumentId>) -> Self {
        let mut held = Self::default();
        for id in ids {
            held.0.insert(id, documents.hold(id).await);
        }
        held
    }

    /// The log has all that they have.
    fn give_back(mut self, documents: &Documents) {
        for (id, slot) in std::mem::take(&mut self.0) {
            documents.release(id, slot);
        }
    }
}

impl Drop for HeldDocuments {
    fn drop(&mut self) {
        self.0.values_mut().for_each(|slot| **slot = None);
    }
}

/// A judged delivery, ready to be written.
#[derive(Debug, Default)]
struct Judged {
    verdicts: Vec<Verdict>,
}

/// What judging said about one batch.
#[derive(Debug)]
enum Verdict {
    /// Nothing is to be written for it.
    Answer(Receipt),
    /// Its bytes are to be kept: what it is answered is true once they are.
    Park(Receipt, Box<Kept>),
    /// A plan, and the rows that follow.
    Write(Box<Append>, Follows),
}

/// What follows from a plan.
#[derive(Debug)]
struct Follows {
    rows: Vec<RowChange>,
    settled: Vec<Settled>,
}

impl Ingest {
    /// Judges and stores `batches`. When it returns receipts, what they call durable is on disk. `committed` is told
    /// what documents became, in the order of the log and before anybody is answered.
    ///
    /// A long delivery is judged and stored part by part, and lets others go first in between.
    ///
    /// # Errors
    /// [`IngestError`]: nothing is answered; what was stored is a duplicate when the device sends it again.
    pub async fn deliver(
        self: &Arc<Self>,
        store: &Store,
        sender: &Arc<Sender>,
        batches: &Arc<[Batch]>,
        now_ms: i64,
        way: &Way,
        committed: impl Fn(&Connection, &Delivered) + Clone + Send + 'static,
    ) -> Result<Delivered, IngestError> {
        let (mut delivered, mut refused) = (Delivered::default(), HashSet::new());
        let mut first = Some(self.turns.first_part());
        for part in parts(batches) {
            if first.is_none() {
                self.turns.let_others_go().await;
            }
            let delivery = Delivery {
                sender: Arc::clone(sender),
                batches: Arc::clone(batches),
                part,
                way: way.clone(),
                now_ms,
            };
            let (stored, now_refused) = self
                .deliver_part(store, delivery, refused, committed.clone())
                .await?;
            delivered.add(stored);
            refused = now_refused;
            first = None;
        }
        Ok(delivered)
    }

    /// One part, in one transaction. Takes and gives what of the delivery was refused.
    async fn deliver_part(
        self: &Arc<Self>,
        store: &Store,
        delivery: Delivery,
        refused: HashSet<ChangeHash>,
        committed: impl Fn(&Connection, &Delivered) + Clone + Send + 'static,
    ) -> Result<(Delivered, HashSet<ChangeHash>), IngestError> {
        let delivery = Arc::new(delivery);
        for _ in 0..ATTEMPTS {
            let ids = delivery.batches().map(|batch| batch.document).collect();
            let mut held = HeldDocuments::hold(&self.documents, ids).await;
            let (ingest, store_, delivery_) = (Arc::clone(self), store.clone(), Arc::clone(&delivery));
            let mut refused = refused.clone();
            let judging = self.workers.run(move || {
                let judged = judge::judge(&ingest, &store_, &delivery_, &mut held, &mut refused);
                (judged, held, refused)
            });
            let (judged, held, refused) = judging.await.map_err(|_| IngestError::Abandoned)?;
            let way = (delivery.now_ms, &delivery.way);
            let written = write(store, judged?, way, committed.clone()).await;
            match written {
                Ok(delivered) => {
                    held.give_back(&self.documents);
                    return Ok((delivered, refused));
                }
                Err(WriteError::Job(AppendError::Stale)) => {}
                Err(WriteError::Busy) => return Err(IngestError::Busy),
                Err(WriteError::Full) => return Err(IngestError::Full),
                Err(WriteError::Job(AppendError::Sqlite(error))) if is_full(&error) => {
                    return Err(IngestError::Full);
                }
                Err(error) => return Err(IngestError::Storage(error.to_string())),
            }
        }
        Err(IngestError::Busy)
    }
}

/// Cuts a delivery into parts that keep nobody waiting for long.
fn parts(batches: &[Batch]) -> Vec<Range<usize>> {
    let (mut parts, mut from, mut changes) = (Vec::new(), 0, 0);
    for (at, batch) in batches.iter().enumerate() {
        if changes > 0 && changes + batch.changes.len() > PART_CHANGES {
            parts.push(from..at);
            (from, changes) = (at, 0);
        }
        changes += batch.changes.len();
    }
    if from < batches.len() {
        parts.push(from..batches.len());
    }
    parts
}

/// One transaction for a part of a delivery.
async fn write(
    store: &Store,
    judged: Judged,
    (now_ms, way): (i64, &Way),
    committed: impl FnOnce(&Connection, &Delivered) + Send + 'static,
) -> Result<Delivered, WriteError<AppendError>> {
    let release = match way {
        Way::Released { id, by } if judged.verdicts.iter().all(Verdict::is_in) => Some((*id, by.clone())),
        Way::Released { .. } | Way::Delivered => None,
    };
    if release.is_none() && judged.verdicts.iter().all(Verdict::is_answer) {
        return Ok(judged.answers());
    }
    let job = move |tx: &Transaction<'_>| {
        let mut delivered = Delivered::default();
        for verdict in judged.verdicts {
            match verdict {
                Verdict::Answer(receipt) => delivered.receipts.push(receipt),
                Verdict::Park(receipt, kept) => {
                    delivered
                        .receipts
                        .push(match quarantine::keep(tx, &kept, now_ms)? {
                            Room::Kept => receipt,
                            Room::Full => Receipt::Rejected {
                                code: "quarantine_full".to_owned(),
                                retry: true,
                            },
                        });
                }
                Verdict::Write(plan, follows) => {
                    let appended = log::append(tx, &plan)?;
                    rows::put(tx, appended.advance.row, &follows.rows)?;
                    rows::put_settled(tx, appended.advance.row, &follows.settled)?;
                    note_for_search(tx, &follows.rows)?;
                    let (from, to) = (appended.first, appended.advance.last);
                    delivered.receipts.push(Receipt::Durable { from, to });
                    delivered.own.push((from, to));
                    delivered.advances.push(appended.advance);
                }
            }
        }
        if let Some((id, by)) = &release {
            delivered.decision = quarantine::decide(tx, *id, Decision::Release, by)?;
        }
        Ok(delivered)
    };
    store.write_then(job, committed).await
}

/// What records are found by follows their rows, later.
fn note_for_search(tx: &Transaction<'_>, changes: &[RowChange]) -> rusqlite::Result<()> {
    changes.iter().try_for_each(|change| match change {
        RowChange::Assistance(row) => search::index::note(tx, row.id),
        RowChange::Draft(_)
        | RowChange::Directive(_)
        | RowChange::Acknowledgement(_)
        | RowChange::Remark(_) => Ok(()),
    })
}

impl Verdict {
    /// Whether the batch is in the document, now or already.
    fn is_in(&self) -> bool {
        match self {
            Verdict::Write(..) | Verdict::Answer(Receipt::Durable { .. } | Receipt::Duplicate { .. }) => true,
            Verdict::Answer(
                Receipt::MissingDeps { .. }
                | Receipt::ActorFork { .. }
                | Receipt::Quarantined { .. }
                | Receipt::Rejected { .. },
            )
            | Verdict::Park(..) => false,
        }
    }

    /// Whether nothing is to be written for the batch.
    fn is_answer(&self) -> bool {
        match self {
            Verdict::Answer(_) => true,
            Verdict::Park(..) | Verdict::Write(..) => false,
        }
    }
}

impl Judged {
    fn answers(self) -> Delivered {
        let receipts = self.verdicts.into_iter().filter_map(|verdict| match verdict {
            Verdict::Answer(receipt) => Some(receipt),
            Verdict::Park(..) | Verdict::Write(..) => None,
        });
        Delivered {
            receipts: receipts.collect(),
            ..Delivered::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use minicbor::bytes::ByteVec;
    use sync_core::ids::{Class, Month, UnitId};
    use sync_core::protocol::{ED25519, Keys};
    use sync_core::signature::Signature;

    use super::*;

    fn batch(changes: usize) -> Batch {
        Batch {
            document: DocumentId::new(Class::Ledger, UnitId::from_parts(1, 1), Some(Month(58))).unwrap(),
            account: AccountId::from_parts(1, 1),
            changes: vec![ByteVec::from(Vec::new()); changes],
            alg: ED25519,
            signature: Signature([0; 64]),
            keys: Keys {
                seed: None,
                listed: Vec::new(),
            },
        }
    }

    #[test]
    fn a_long_delivery_is_cut_between_batches_and_a_short_one_is_not() {
        let cut = |sizes: &[usize]| -> Vec<(usize, usize)> {
            let batches: Vec<Batch> = sizes.iter().map(|size| batch(*size)).collect();
            let parts = parts(&batches).into_iter();
            parts.map(|part| (part.start, part.end)).collect()
        };
        assert_eq!(cut(&[]), []);
        assert_eq!(cut(&[50]), [(0, 1)]);
        assert_eq!(cut(&[25, 20, 5]), [(0, 3)]);
        assert_eq!(cut(&[25, 20, 6, 5]), [(0, 2), (2, 4)]);
        assert_eq!(cut(&[500, 1, 500]), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(cut(&[0, 500]), [(0, 2)], "who sends nothing costs nothing");
    }
}
