//! Judging a delivery: cheap checks, the signature, then admission against the document.

use std::collections::HashSet;

use minicbor::bytes::ByteVec;
use sync_core::admission::{Admission, Authority, Gate, Plan, Refusal, admit_watched};
use sync_core::document::schema::Schema;
use sync_core::edit::EditKind;
use sync_core::ids::{ActorId, ChangeHash, DeviceId, DocumentId, Month};
use sync_core::preflight::chunk_hash;
use sync_core::protocol::{Batch, ED25519, HashBytes, Receipt, limits};
use sync_core::signature::{BatchStatement, RecordStatement, Signature};

use super::{Delivery, Follows, HeldDocuments, Ingest, IngestError, Judged, Sender, Verdict, Way};
use crate::documents::Loaded;
use crate::log::{self, Append, AppendChange};
use crate::metrics;
use crate::policy::{Permit, Write};
use crate::quarantine::{self, Before, DEPENDS, Kept};
use crate::store::Store;

/// Most missing hashes that a receipt names.
const MISSING_NAMED: usize = 64;

/// Judges every batch in turn; what a batch adds to its document is there for the next one. What was refused in this very
/// delivery is `refused_now`: its sender does not know yet, and will not insist.
pub(super) fn judge(
    ingest: &Ingest,
    store: &Store,
    delivery: &Delivery,
    held: &mut HeldDocuments,
    refused_now: &mut HashSet<ChangeHash>,
) -> Result<Judged, IngestError> {
    let mut judged = Judged::default();
    let (sender, way, now_ms) = (&*delivery.sender, &delivery.way, delivery.now_ms);
    for batch in delivery.batches() {
        let verdict = match precheck(ingest, sender, batch) {
            Err(refusal) => Err(Refused::from(refusal)),
            Ok(()) => {
                let Some(slot) = held.0.get_mut(&batch.document) else {
                    return Err(IngestError::Abandoned);
                };
                // While a document is worked on its place is empty: a panic leaves nothing half done behind.
                let mut loaded = match slot.take() {
                    Some(loaded) => loaded,
                    None => load(store, batch.document)?,
                };
                let verdict = match way {
                    Way::Delivered => {
                        let before = before(store, sender, batch, &loaded);
                        before.and_then(|()| permit(sender, batch, now_ms))
                    }
                    Way::Released { .. } => sender
                        .access
                        .write(batch.document.scope())
                        .ok_or(Refusal::Quarantined("not_permitted").into()),
                };
                let verdict = match verdict {
                    Err(Refused::Known) => Ok(Verdict::Answer(duplicate(store, batch, &loaded))),
                    Err(refused) => Err(refused),
                    Ok(permit) => admit_batch(ingest, store, sender, batch, permit, now_ms, &mut loaded)
                        .map_err(|refusal| joins(store, sender, batch, refusal, refused_now)),
                };
                **slot = Some(loaded);
                verdict
            }
        };
        judged.verdicts.push(match verdict {
            Ok(verdict) => verdict,
            Err(refused) => {
                let (receipt, joins) = refused.answer();
                refused_now.extend(batch.changes.iter().map(|chunk| ChangeHash(chunk_hash(chunk))));
                let kept = match way {
                    Way::Delivered => Kept::of(sender.device, batch, &receipt, joins, &ingest.master),
                    Way::Released { .. } => None,
                };
                match kept {
                    Some(kept) => Verdict::Park(receipt, Box::new(kept)),
                    None => Verdict::Answer(receipt),
                }
            }
        });
    }
    Ok(judged)
}

/// Why a batch is not merged now.
enum Refused {
    /// By admission.
    By(Refusal),
    /// Every change of it is here already.
    Known,
    /// It waits in quarantine, or was discarded.
    Before(Before),
    /// It stands on a batch in quarantine.
    Joins(i64),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused::By(refusal)
    }
}

impl Refused {
    /// The receipt, and the quarantined batch that this one joins.
    fn answer(&self) -> (Receipt, Option<i64>) {
        match self {
            Refused::By(refusal) => (receipt(refusal), None),
            Refused::Known => (Receipt::Duplicate { from: 0, to: 0 }, None),
            Refused::Before(Before::Waits { reason }) => (
                Receipt::Quarantined {
                    reason: reason.clone(),
                },
                None,
            ),
            Refused::Before(Before::Discarded) => (receipt(&Refusal::Rejected("discarded")), None),
            Refused::Joins(id) => (receipt(&Refusal::Quarantined(DEPENDS)), Some(*id)),
        }
    }
}

/// The same bytes get the same answer, whatever the sender may do by now.
fn before(store: &Store, sender: &Sender, batch: &Batch, loaded: &Loaded) -> Result<(), Refused> {
    let known = |chunk: &ByteVec| loaded.document.history().contains(&ChangeHash(chunk_hash(chunk)));
    if batch.changes.iter().all(known) {
        return Err(Refused::Known);
    }
    // A store that does not answer is found out by the next step.
    let before = store.read_blocking(|conn| quarantine::before(conn, sender.device, batch));
    match before {
        Ok(Some(before)) => Err(Refused::Before(before)),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// A batch that stands on a quarantined one joins it – unless that was refused just now: then its sender makes it again.
fn joins(
    store: &Store,
    sender: &Sender,
    batch: &Batch,
    refusal: Refusal,
    refused_now: &HashSet<ChangeHash>,
) -> Refused {
    let Refusal::MissingDeps(missing) = &refusal else {
        return refusal.into();
    };
    if missing.iter().any(|hash| refused_now.contains(hash)) {
        return refusal.into();
    }
    let holding =
        store.read_blocking(|conn| quarantine::holding(conn, sender.device, batch.document, missing));
    match holding {
        Ok(Some(id)) => Refused::Joins(id),
        Ok(None) | Err(_) => refusal.into(),
    }
}

fn load(store: &Store, id: DocumentId) -> Result<Loaded, IngestError> {
    store
        .read_blocking(|conn| Loaded::load(conn, id))
        .map_err(|error| IngestError::Damaged(id, error))
}

/// What can be said without the document.
fn precheck(ingest: &Ingest, sender: &Sender, batch: &Batch) -> Result<(), Refusal> {
    let bytes: usize = batch.changes.iter().map(|chunk| chunk.len()).sum();
    let fits = (1..=limits::BATCH_CHANGES).contains(&batch.changes.len())
        && bytes <= limits::BATCH_BYTES
        && batch.keys.listed.len() <= limits::BATCH_CHANGES;
    if !fits {
        return Err(Refusal::Rejected("batch_limits"));
    }
    if batch.alg != ED25519 {
        return Err(Refusal::Rejected("signature_algorithm"));
    }
    if batch.account != sender.account {
        return Err(Refusal::Rejected("account"));
    }
    let hashes: Vec<[u8; 32]> = batch.changes.iter().map(|chunk| chunk_hash(chunk)).collect();
    let statement = BatchStatement {
        realm: ingest.realm,
        device: sender.device,
        account: batch.account,
        document: batch.document,
        changes: &hashes,
        keys_digest: batch.keys.digest(),
    };
    statement
        .verify(&sender.key, &batch.signature)
        .map_err(|_| Refusal::Rejected("signature"))
}

/// Leave to append to the batch's document.
fn permit(sender: &Sender, batch: &Batch, now_ms: i64) -> Result<Permit<Write>, Refused> {
    let latest = Month::of_millis(now_ms).map(Month::next);
    if batch
        .document
        .period()
        .is_some_and(|month| latest.is_none_or(|latest| month > latest))
    {
        return Err(Refusal::Rejected("period").into());
    }
    sender
        .access
        .write(batch.document.scope())
        .ok_or(Refusal::Quarantined("not_permitted").into())
}

fn admit_batch(
    ingest: &Ingest,
    store: &Store,
    sender: &Sender,
    batch: &Batch,
    permit: Permit<Write>,
    now_ms: i64,
    loaded: &mut Loaded,
) -> Result<Verdict, Refusal> {
    let chunks: Vec<&[u8]> = batch.changes.iter().map(|chunk| chunk.as_slice()).collect();
    let authority = DocumentAuthority {
        loaded,
        sender,
        document: batch.document,
    };
    let gate = Gate::Device {
        account: batch.account,
        device: sender.device,
        authority: &authority,
    };
    match admit_watched(&loaded.document, &chunks, gate, &mut metrics::stages())? {
        Admission::Duplicate => Ok(Verdict::Answer(duplicate(store, batch, loaded))),
        Admission::Plan(plan) => {
            let append = append(ingest, sender, batch, permit, now_ms, &plan)?;
            for new in &plan.new {
                loaded.owners.insert(new.node.actor.clone(), sender.device);
            }
            let settle = plan.new.iter().filter(|new| new.settles).map(|new| new.hash);
            let settle: Vec<ChangeHash> = settle.collect();
            let rows = loaded.document.adopt(*plan);
            let settled = settle
                .iter()
                .flat_map(|change| loaded.document.settled_by(change));
            let settled = settled.collect();
            Ok(Verdict::Write(Box::new(append), Follows { rows, settled }))
        }
    }
}

fn append(
    ingest: &Ingest,
    sender: &Sender,
    batch: &Batch,
    permit: Permit<Write>,
    now_ms: i64,
    plan: &Plan,
) -> Result<Append, Refusal> {
    let needs_key = Schema::of(batch.document.class()).has_sealed();
    let changes = plan.new.iter().map(|new| {
        let key = match new.creates.filter(|_| needs_key) {
            Some(record) => {
                // A record without a key could hold sealed fields that nobody ever opens.
                let key = batch.keys.of(record).ok_or(Refusal::Quarantined("key_missing"))?;
                Some((record, ingest.master.wrap(&key, record)))
            }
            None => None,
        };
        let bytes = batch
            .changes
            .get(new.index)
            .map_or_else(Vec::new, |chunk| chunk.to_vec());
        Ok(AppendChange {
            hash: new.hash,
            actor: new.node.actor.clone(),
            seq: new.node.seq,
            bytes,
            key,
        })
    });
    let is_new = |place: usize| plan.new.binary_search_by_key(&place, |new| new.index).is_ok();
    let known = (0..)
        .zip(&batch.changes)
        .filter(|(place, _)| !is_new((*place).into()));
    Ok(Append {
        permit,
        document: batch.document,
        device: sender.device,
        account: batch.account,
        received_at: now_ms,
        alg: batch.alg,
        signature: batch.signature,
        keys_digest: batch.keys.digest(),
        known: known
            .map(|(place, chunk)| (place, ChangeHash(chunk_hash(chunk))))
            .collect(),
        before: plan.before.clone(),
        after: plan.after.clone(),
        changes: changes.collect::<Result<_, Refusal>>()?,
    })
}

/// The receipt of a batch that is here already. Its positions are a courtesy: without them it is still a receipt.
fn duplicate(store: &Store, batch: &Batch, loaded: &Loaded) -> Receipt {
    let positions = store.read_blocking(|conn| {
        let Some((_, row, _)) = log::find_document(conn, batch.document)? else {
            return Ok(Vec::new());
        };
        let nodes = batch
            .changes
            .iter()
            .filter_map(|chunk| loaded.document.history().node(&ChangeHash(chunk_hash(chunk))));
        nodes
            .map(|node| log::written_down(conn, row, &node.actor, node.seq))
            .collect::<Result<Vec<_>, _>>()
    });
    let positions: Vec<_> = positions
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .map(|(_, position)| position)
        .collect();
    let (from, to) = (positions.iter().min(), positions.iter().max());
    Receipt::Duplicate {
        from: from.copied().unwrap_or(0),
        to: to.copied().unwrap_or(0),
    }
}

fn receipt(refusal: &Refusal) -> Receipt {
    match refusal {
        Refusal::MissingDeps(hashes) => Receipt::MissingDeps {
            hashes: hashes
                .iter()
                .take(MISSING_NAMED)
                .map(|hash| HashBytes(hash.0))
                .collect(),
        },
        Refusal::ActorFork { actor, seq } => {
            let actor = actor.to_bytes().try_into().unwrap_or_default();
            Receipt::ActorFork { actor, seq: *seq }
        }
        Refusal::Quarantined(reason) => Receipt::Quarantined {
            reason: (*reason).to_owned(),
        },
        Refusal::Rejected(code) => Receipt::Rejected {
            code: (*code).to_owned(),
            retry: false,
        },
    }
}

/// What admission may ask about one document.
struct DocumentAuthority<'a> {
    loaded: &'a Loaded,
    sender: &'a Sender,
    document: DocumentId,
}

impl Authority for DocumentAuthority<'_> {
    fn owner(&self, actor: &ActorId) -> Option<DeviceId> {
        self.loaded.owners.get(actor).copied()
    }

    fn may(&self, kind: EditKind, at_ms: i64) -> bool {
        self.sender.access.may_edit(self.document.scope(), kind, at_ms)
    }

    fn signed(&self, statement: &RecordStatement<'_>, signature: &Signature) -> bool {
        statement.verify(&self.sender.key, signature).is_ok()
    }
}
