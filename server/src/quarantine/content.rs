//! What a batch says: its edits, tried on a copy of the document, so that a person knows what is decided about.
//!
//! Nothing is merged by looking. A batch that does not even fit onto the document – it stands on what is not here, or
//! breaks a rule of structure – shows how many changes it has, and no record.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;
use sync_core::admission::{Admission, Gate, admit};
use sync_core::ids::RecordId;
use sync_core::preflight::{PreflightLimits, chunk_hash, preflight};
use sync_core::projection::RowChange;
use sync_core::protocol::Batch;
use sync_core::record::{Assistance, Remark};
use sync_core::seal::{MasterKey, RecordKey, SealedField, open};
use utoipa::ToSchema;

use super::list::{Parked, find};
use crate::documents::Loaded;
use crate::log::ReplayError;
use crate::policy::{Permit, Read};

/// So many batches, each standing on the one before, are put together for a look.
const CHAIN: usize = 64;

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangeView {
    /// Its hash.
    #[schema(examples("b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184"))]
    pub hash: String,
    /// How large it is.
    pub bytes: usize,
    /// When it says it was made, UTC milliseconds; nothing where it cannot be read.
    pub made_at_ms: Option<i64>,
}

/// A record as it would be.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The row.
    pub row: RowChange,
    /// Its sealed fields in the clear, for a permit that holds for them.
    pub personal: Option<BTreeMap<SealedField, String>>,
}

/// A batch and what it says.
#[derive(Clone, Debug)]
pub struct Content {
    /// What is known of it.
    pub parked: Parked,
    /// Its changes.
    pub changes: Vec<ChangeView>,
    /// The records that it makes or changes, as they would be.
    pub records: Vec<Shown>,
}

/// Whether somebody wants to see sealed fields. It takes a permit that holds for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The fields that everybody sees who may decide.
    Clear,
    /// Citizens' data too.
    Personal,
}

/// What a batch of the permit's units says; `None` if there is none.
///
/// # Errors
/// When the store fails, or the document cannot be rebuilt.
pub fn content(
    conn: &Connection,
    permit: &Permit<Read>,
    id: i64,
    master: &MasterKey,
    wanted: Wanted,
) -> Result<Option<Content>, ReplayError> {
    let Some((parked, batch)) = find(conn, permit, id, master)? else {
        return Ok(None);
    };
    let mut chain = vec![batch];
    let mut joins = parked.joins;
    while let Some(base) = joins.filter(|_| chain.len() < CHAIN) {
        let Some((before, batch)) = find(conn, permit, base, master)? else {
            break;
        };
        joins = before.joins;
        chain.push(batch);
    }
    let rows = tried(conn, &chain)?;
    let clear = wanted == Wanted::Personal && permit.personal();
    let shown = |row: RowChange| {
        let personal = clear.then(|| opened(conn, &chain, &row, master)).transpose()?;
        Ok::<_, rusqlite::Error>(Shown { row, personal })
    };
    Ok(Some(Content {
        changes: chain.first().map(views).unwrap_or_default(),
        records: rows.into_iter().map(shown).collect::<Result<_, _>>()?,
        parked,
    }))
}

/// The rows that the first of `chain` makes, once those that it stands on are in.
fn tried(conn: &Connection, chain: &[Batch]) -> Result<Vec<RowChange>, ReplayError> {
    let Some(batch) = chain.first() else {
        return Ok(Vec::new());
    };
    let mut document = Loaded::load(conn, batch.document)?.document;
    let mut rows = Vec::new();
    for batch in chain.iter().rev() {
        let chunks: Vec<&[u8]> = batch.changes.iter().map(|chunk| chunk.as_slice()).collect();
        rows = match admit(&document, &chunks, Gate::Log) {
            Ok(Admission::Plan(plan)) => document.adopt(*plan),
            Ok(Admission::Duplicate) | Err(_) => Vec::new(),
        };
    }
    Ok(rows)
}

fn views(batch: &Batch) -> Vec<ChangeView> {
    let limits = PreflightLimits::default();
    let view = |chunk: &[u8]| ChangeView {
        hash: data_encoding::HEXLOWER.encode(&chunk_hash(chunk)),
        bytes: chunk.len(),
        made_at_ms: preflight(chunk, &limits).ok().map(|header| header.time_ms),
    };
    batch.changes.iter().map(|chunk| view(chunk)).collect()
}

/// The sealed fields of a row. The key is here if its record is, and comes with the batches if they make it.
fn opened(
    conn: &Connection,
    chain: &[Batch],
    row: &RowChange,
    master: &MasterKey,
) -> rusqlite::Result<BTreeMap<SealedField, String>> {
    let Some(sealed) = sealed(row).filter(|sealed| !sealed.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let (document, record) = (row.document(), row.record());
    let stored = stored_key(conn, record, master)?;
    let mut keys = stored
        .into_iter()
        .chain(chain.iter().filter_map(|batch| batch.keys.of(record)));
    let open_with = |key: RecordKey| {
        let opened: BTreeMap<SealedField, String> = sealed
            .iter()
            .filter_map(|(field, bytes)| Some((*field, open(&key, &document, record, *field, bytes).ok()?)))
            .collect();
        (!opened.is_empty()).then_some(opened)
    };
    Ok(keys.find_map(open_with).unwrap_or_default())
}

fn stored_key(
    conn: &Connection,
    record: RecordId,
    master: &MasterKey,
) -> rusqlite::Result<Option<RecordKey>> {
    use rusqlite::OptionalExtension;
    let wrapped: Option<Vec<u8>> = conn
        .prepare_cached("SELECT wrapped FROM record_key WHERE record = ?")?
        .query_row([record.to_bytes()], |row| row.get(0))
        .optional()?;
    Ok(wrapped.and_then(|wrapped| master.unwrap_key(&wrapped, record).ok()))
}

/// The ciphertext of a row, where its class has any.
pub fn sealed(row: &RowChange) -> Option<&BTreeMap<SealedField, Vec<u8>>> {
    match row {
        RowChange::Assistance(row) => {
            let Assistance { sealed, .. } = row.as_ref();
            Some(sealed)
        }
        RowChange::Remark(row) => {
            let Remark { sealed, .. } = row.as_ref();
            Some(sealed)
        }
        RowChange::Draft(_) | RowChange::Directive(_) | RowChange::Acknowledgement(_) => None,
    }
}
