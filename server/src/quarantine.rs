//! Quarantine: bytes that were refused are kept, so that a person can decide, and an honest phone with a bug be helped.
//!
//! The same bytes are kept once, and a device can only fill its share. Keys are kept wrapped: what is not merged makes
//! nothing readable, and can still be merged later. A decision has a number, and goes down to the device as an item.

mod content;
mod list;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::json;
use sha2::{Digest, Sha256};
use sync_core::ids::{ChangeHash, DeviceId, DocumentId, RecordId};
use sync_core::preflight::chunk_hash;
use sync_core::protocol::{Batch, HashBytes, Item, Keys, Receipt, VerdictOutcome};
use sync_core::seal::{MasterKey, RecordKey};

use crate::audit::{self, Act, By, Change};
pub use content::{ChangeView, Content, Shown, Wanted, content, sealed};
pub use list::{Filter, NoState, Parked, State, find, joined, list, page, unit_of, waiting};

/// Bytes that one device may have here.
const DEVICE_BYTES: i64 = 4 * 1024 * 1024;
/// Decisions on one page.
const VERDICTS: usize = 64;

/// The reason of a batch that stands on a quarantined one.
pub const DEPENDS: &str = "depends_on_quarantined";

/// A refused batch.
#[derive(Debug)]
pub struct Kept {
    digest: [u8; 32],
    device: DeviceId,
    batch: Batch,
    keys: Vec<u8>,
    verdict: &'static str,
    reason: String,
    joins: Option<i64>,
}

/// Keys of a batch, each wrapped by the master key.
#[derive(Debug, Encode, Decode)]
struct WrappedKeys {
    #[n(0)]
    seed: Option<ByteVec>,
    #[n(1)]
    listed: Vec<(RecordId, ByteVec)>,
}

/// What the same bytes were answered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// They wait.
    Waits {
        /// Why.
        reason: String,
    },
    /// A person discarded them.
    Discarded,
}

/// The name of what a device delivers: over device, document and the hashes of the changes.
fn digest(device: DeviceId, batch: &Batch) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(device.to_bytes());
    hash.update(batch.document.to_string());
    batch.changes.iter().for_each(|chunk| {
        hash.update((chunk.len() as u64).to_be_bytes());
        hash.update(chunk.as_slice());
    });
    hash.finalize().into()
}

/// Wrapped keys are bound to the batch in place of a record.
fn place_of(digest: &[u8; 32]) -> RecordId {
    let mut place = [0; 16];
    place.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    RecordId::from_bytes(place)
}

impl Kept {
    /// What is to be kept of a batch that got this receipt. Missing changes and forks are not kept: the phone still has
    /// everything and sends it again in another form.
    pub fn of(
        device: DeviceId,
        batch: &Batch,
        receipt: &Receipt,
        joins: Option<i64>,
        master: &MasterKey,
    ) -> Option<Self> {
        let (verdict, reason) = match receipt {
            Receipt::Quarantined { reason } => ("quarantined", reason.clone()),
            Receipt::Rejected { code, retry: false } => ("rejected", code.clone()),
            Receipt::Rejected { retry: true, .. }
            | Receipt::Durable { .. }
            | Receipt::Duplicate { .. }
            | Receipt::MissingDeps { .. }
            | Receipt::ActorFork { .. } => return None,
        };
        let digest = digest(device, batch);
        let seed = batch
            .keys
            .seed
            .as_ref()
            .map(|seed| RecordKey::from_bytes(seed.to_bytes()));
        let keys = WrappedKeys {
            seed: seed.map(|seed| master.wrap(&seed, place_of(&digest)).into()),
            listed: batch
                .keys
                .listed
                .iter()
                .map(|listed| (listed.record, master.wrap(&listed.key, listed.record).into()))
                .collect(),
        };
        Some(Self {
            digest,
            device,
            keys: minicbor::to_vec(&keys).unwrap_or_default(),
            batch: Batch {
                keys: Keys::default(),
                ..batch.clone()
            },
            verdict,
            reason,
            joins,
        })
    }
}

/// Whether a refused batch is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is, now or already.
    Kept,
    /// What waits of its device leaves no room: the phone has to keep it until somebody has decided.
    Full,
}

/// Keeps a refused batch.
///
/// # Errors
/// The store's.
pub fn keep(tx: &Transaction<'_>, kept: &Kept, now_ms: i64) -> rusqlite::Result<Room> {
    let bytes = minicbor::to_vec(&kept.batch).unwrap_or_default();
    if !has_room(tx, kept, bytes.len())? {
        tracing::warn!(device = %kept.device, "quarantine share is full; a refused batch was sent back");
        return Ok(Room::Full);
    }
    let added = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO quarantine
               (digest, device, account, document, received_at, verdict, reason, batch, keys, joins)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            kept.digest,
            kept.device.to_bytes(),
            kept.batch.account.to_bytes(),
            kept.batch.document.to_string(),
            now_ms,
            kept.verdict,
            kept.reason,
            bytes,
            kept.keys,
            kept.joins,
        ])?;
    let id = tx.last_insert_rowid();
    for chunk in kept.batch.changes.iter().filter(|_| added == 1) {
        tx.prepare_cached("INSERT OR IGNORE INTO quarantine_change (hash, quarantine) VALUES (?, ?)")?
            .execute(params![chunk_hash(chunk), id])?;
    }
    Ok(Room::Kept)
}

/// Whether a batch is here already, or fits beside what waits of its device. What was decided takes nobody's room.
fn has_room(tx: &Transaction<'_>, kept: &Kept, bytes: usize) -> rusqlite::Result<bool> {
    let known = tx
        .prepare_cached("SELECT 1 FROM quarantine WHERE digest = ?")?
        .exists([kept.digest])?;
    let used: i64 = tx
        .prepare_cached(
            "SELECT coalesce(sum(length(batch)), 0) FROM quarantine WHERE device = ? AND outcome IS NULL",
        )?
        .query_row([kept.device.to_bytes()], |row| row.get(0))?;
    Ok(known || used.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX)) <= DEVICE_BYTES)
}

/// What these very bytes of this device were answered before, unless they were let in or never meant to be.
///
/// # Errors
/// The store's.
pub fn before(conn: &Connection, device: DeviceId, batch: &Batch) -> rusqlite::Result<Option<Before>> {
    conn.prepare_cached(
        "SELECT reason, outcome FROM quarantine
         WHERE digest = ? AND verdict = 'quarantined' AND outcome IS NOT 'released'",
    )?
    .query_row([digest(device, batch)], |row| {
        Ok(match row.get::<_, Option<String>>(1)? {
            Some(_) => Before::Discarded,
            None => Before::Waits { reason: row.get(0)? },
        })
    })
    .optional()
}

/// The open quarantined batch of a device that holds one of these changes. What stands on another device's work – which
/// it can only have from a life of the store that is over – waits for that device instead.
///
/// # Errors
/// The store's.
pub fn holding(
    conn: &Connection,
    device: DeviceId,
    document: DocumentId,
    hashes: &[ChangeHash],
) -> rusqlite::Result<Option<i64>> {
    let mut statement = conn.prepare_cached(
        "SELECT q.id FROM quarantine_change c JOIN quarantine q ON q.id = c.quarantine
         WHERE c.hash = ? AND q.device = ? AND q.document = ? AND q.verdict = 'quarantined' AND q.outcome IS NULL",
    )?;
    for hash in hashes {
        let found = statement
            .query_row(params![hash.0, device.to_bytes(), document.to_string()], |row| {
                row.get(0)
            })
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Why a batch is not merged after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// The same help is recorded elsewhere.
    Duplicate,
    /// It was recorded by mistake.
    Mistake,
    /// It belongs to others, who have been told.
    NotOurs,
    /// Nobody did that: the phone was in other hands.
    NotGenuine,
    /// Something else.
    Other,
}

impl Discard {
    /// Every reason.
    pub const ALL: [Discard; 5] = [
        Discard::Duplicate,
        Discard::Mistake,
        Discard::NotOurs,
        Discard::NotGenuine,
        Discard::Other,
    ];

    /// The word that the phone gets: words of a person's own could name citizens in the audit.
    pub fn code(self) -> &'static str {
        match self {
            Discard::Duplicate => "duplicate",
            Discard::Mistake => "mistake",
            Discard::NotOurs => "not_ours",
            Discard::NotGenuine => "not_genuine",
            Discard::Other => "other",
        }
    }

    /// The reason of a word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// What a person decides about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is merged.
    Release,
    /// It is not, and its bytes stay where they are.
    Discard(Discard),
}

/// One batch stands on another that waits: it follows that one.
///
/// # Errors
/// The store's.
pub fn join(tx: &Transaction<'_>, id: i64, base: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE quarantine SET joins = ?2 WHERE id = ?1 AND outcome IS NULL")?
        .execute([id, base])?;
    Ok(())
}

/// Writes a decision down, and into the audit; gives its number, or nothing if there was one before.
///
/// # Errors
/// The store's.
pub fn decide(tx: &Transaction<'_>, id: i64, decision: Decision, by: &By) -> rusqlite::Result<Option<u64>> {
    let (outcome, reason) = match decision {
        Decision::Release => ("released", None),
        Decision::Discard(reason) => ("discarded", Some(reason.code())),
    };
    let number: Option<u64> = tx
        .prepare_cached(
            "UPDATE quarantine SET outcome = ?, outcome_reason = ?, decided_at = ?,
               number = (SELECT coalesce(max(number), 0) + 1 FROM quarantine)
             WHERE id = ? AND outcome IS NULL RETURNING number",
        )?
        .query_row(params![outcome, reason, by.now_ms, id], |row| row.get(0))
        .optional()?;
    if number.is_some() {
        let mut after = json!({ "outcome": outcome });
        if let (Some(reason), Some(members)) = (reason, after.as_object_mut()) {
            members.insert("reason".to_owned(), reason.into());
        }
        let change = Change::now(format!("quarantine {id}"), after);
        audit::record(tx, by, Act::QuarantineJudged, &change)?;
    }
    Ok(number)
}

/// The number of the last decision about each device's batches.
///
/// # Errors
/// The store's.
pub fn last_numbers(conn: &Connection) -> rusqlite::Result<Vec<(DeviceId, u64)>> {
    let sql = "SELECT device, max(number) FROM quarantine WHERE number IS NOT NULL GROUP BY device";
    let mut statement = conn.prepare(sql)?;
    statement
        .query_map([], |row| Ok((DeviceId::from_bytes(row.get(0)?), row.get(1)?)))?
        .collect()
}

/// Decisions for a device after a number, as items, and the number that they reach.
///
/// # Errors
/// The store's.
pub fn verdicts(conn: &Connection, device: DeviceId, after: u64) -> rusqlite::Result<(Vec<Item>, u64)> {
    let mut statement = conn.prepare_cached(
        "SELECT number, outcome, outcome_reason, batch FROM quarantine
         WHERE device = ? AND number > ? ORDER BY number LIMIT ?",
    )?;
    let mut rows = statement.query(params![device.to_bytes(), after, VERDICTS])?;
    let (mut items, mut reached) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        reached = row.get(0)?;
        let outcome = match row.get::<_, String>(1)?.as_str() {
            "released" => VerdictOutcome::Released,
            _ => VerdictOutcome::Discarded {
                reason: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            },
        };
        let Ok(batch) = minicbor::decode::<Batch>(row.get_ref(3)?.as_blob()?) else {
            continue;
        };
        items.push(Item::Verdict {
            document: batch.document,
            changes: batch
                .changes
                .iter()
                .map(|chunk| HashBytes(chunk_hash(chunk)))
                .collect(),
            outcome,
        });
    }
    Ok((items, reached))
}
