//! The history of one record: who wrote what, when, on which phone, and when it arrived.
//!
//! It is read out of the record's document, which has to be loaded for it: this is for the page of one record, not for
//! lists. What is sealed is told to who may read citizens' data, for as long as the record's key is there.

use rusqlite::{Connection, OptionalExtension};
use sync_core::document::trail::TraceKind;
use sync_core::ids::{AccountId, DeviceId, DocumentId, RecordId};
use sync_core::record::Scalar;
use sync_core::seal::{MasterKey, RecordKey, SealedField, open};

use crate::documents::Loaded;
use crate::log::{self, ReplayError};
use crate::policy::{Permit, Read};
use crate::records;

/// One change of a record.
#[derive(Clone, Debug)]
pub struct Step {
    /// Whose edit.
    pub by: Option<AccountId>,
    /// On which phone; the server's own replica bears the realm's id.
    pub device: Option<DeviceId>,
    /// When it was made by the clock of its device, UTC milliseconds.
    pub at_ms: i64,
    /// When it arrived here, UTC milliseconds.
    pub arrived_at_ms: Option<i64>,
    /// Its position in the log.
    pub position: Option<u64>,
    /// What kind it is.
    pub kind: TraceKind,
    /// The fields that it wrote.
    pub fields: Vec<(String, Told)>,
}

/// What a field was set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Nothing: it was emptied.
    Emptied,
    /// A value.
    Clear(Scalar),
    /// A text of a citizen, opened.
    Opened(String),
    /// A text of a citizen that the reader may not read, or whose key was destroyed.
    Sealed,
}

/// The history of a record in the order of its document; `None` if the permit does not hold for it.
///
/// # Errors
/// [`ReplayError`] when the log is damaged or the store failed.
pub fn history(
    conn: &Connection,
    permit: &Permit<Read>,
    master: &MasterKey,
    record: RecordId,
) -> Result<Option<Vec<Step>>, ReplayError> {
    let row: Option<i64> = conn
        .prepare_cached("SELECT document FROM assistance WHERE record = ?")?
        .query_row([record.to_bytes()], |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let id = log::document_by_row(conn, row)?;
    if !permit.units().contains(&id.unit()) {
        return Ok(None);
    }
    let loaded = Loaded::load(conn, id)?;
    let teller = Teller::of(conn, permit, master, (id, record))?;
    let steps = loaded.document.trail(record).into_iter();
    let steps = steps.map(|trace| {
        let written = log::written_down(conn, row, &trace.actor, trace.seq)?;
        let position = written.map(|(_, position)| position);
        let arrived_at_ms = position.map(|position| arrived(conn, position)).transpose()?;
        Ok(Step {
            by: trace.account,
            device: written.map(|(device, _)| device),
            at_ms: trace.at_ms,
            arrived_at_ms: arrived_at_ms.flatten(),
            position,
            kind: trace.kind,
            fields: teller.told(trace.fields),
        })
    });
    steps.collect::<Result<_, ReplayError>>().map(Some)
}

fn arrived(conn: &Connection, position: u64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT received_at FROM entry WHERE last >= ? ORDER BY last LIMIT 1";
    conn.prepare_cached(sql)?
        .query_row([position], |row| row.get(0))
        .optional()
}

/// Says what fields of one record were set to.
pub(crate) struct Teller {
    id: DocumentId,
    record: RecordId,
    key: Option<RecordKey>,
}

impl Teller {
    /// For who has a permit: it opens what that holds for.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn of(
        conn: &Connection,
        permit: &Permit<Read>,
        master: &MasterKey,
        (id, record): (DocumentId, RecordId),
    ) -> rusqlite::Result<Self> {
        let here = permit.within(id.unit());
        let key = match here.personal() && !here.units().is_empty() {
            true => records::key(conn, master, record)?,
            false => None,
        };
        Ok(Self { id, record, key })
    }

    fn told(&self, fields: Vec<(String, Option<Scalar>)>) -> Vec<(String, Told)> {
        let told = |(field, value): (String, Option<Scalar>)| {
            let told = self.tell(&field, value);
            (field, told)
        };
        fields.into_iter().map(told).collect()
    }

    /// What a field was set to.
    pub(crate) fn tell(&self, field: &str, value: Option<Scalar>) -> Told {
        match (SealedField::from_key(field), value) {
            (_, None) => Told::Emptied,
            (None, Some(value)) => Told::Clear(value),
            (Some(field), Some(Scalar::Bytes(bytes))) => {
                let key = self.key.as_ref();
                let opened = key.and_then(|key| open(key, &self.id, self.record, field, &bytes).ok());
                opened.map_or(Told::Sealed, Told::Opened)
            }
            (Some(_), Some(_)) => Told::Sealed,
        }
    }
}
