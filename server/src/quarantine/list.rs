//! What waits, for the people who decide: found by permit, read page by page.

use std::str::FromStr;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::Serialize;
use sync_core::ids::{AccountId, DeviceId, DocumentId, UnitId};
use sync_core::protocol::{Batch, Keys, ListedKey};
use sync_core::seal::{KeySeed, MasterKey};
use utoipa::ToSchema;

use super::{Discard, WrappedKeys, place_of};
use crate::policy::{Permit, Read};
use crate::records::FEW;

/// One row, for people.
#[derive(Clone, Debug, Serialize, PartialEq, Eq, ToSchema)]
pub struct Parked {
    /// Its number here.
    pub id: i64,
    /// Who delivered it.
    pub device: DeviceId,
    /// Whose edits it claims to be.
    pub account: AccountId,
    /// For which document.
    #[schema(examples("ledger/01JF0A5X7M3Q8R2W9YB4CDE6GH/2025-03"))]
    pub document: String,
    /// Of which unit.
    pub unit: UnitId,
    /// When it came, UTC milliseconds.
    pub received_at_ms: i64,
    /// `quarantined`, or `rejected`: nothing that this software makes, and kept for whoever looks for the bug.
    #[schema(examples("quarantined"))]
    pub verdict: String,
    /// Why it was not merged.
    #[schema(examples("not_permitted"))]
    pub reason: String,
    /// How many changes it has.
    pub changes: usize,
    /// The quarantined batch that it stands on.
    pub joins: Option<i64>,
    /// `released` or `discarded`; nothing while it is open.
    #[schema(examples("discarded"))]
    pub outcome: Option<String>,
    /// Why it was discarded.
    #[schema(value_type = Option<Discard>)]
    pub outcome_reason: Option<String>,
    /// When that was decided, UTC milliseconds.
    pub decided_at_ms: Option<i64>,
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// It waits for a person.
    #[default]
    Waiting,
    /// A person has decided.
    Decided,
    /// Nothing that this software makes: nobody has to decide.
    Rejected,
}

impl State {
    /// Every state.
    pub const ALL: [State; 3] = [State::Waiting, State::Decided, State::Rejected];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Decided => "decided",
            State::Rejected => "rejected",
        }
    }

    fn condition(self) -> &'static str {
        match self {
            State::Waiting => "verdict = 'quarantined' AND outcome IS NULL",
            State::Decided => "outcome IS NOT NULL",
            State::Rejected => "verdict = 'rejected' AND outcome IS NULL",
        }
    }
}

/// Not one of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waiting, decided or rejected")]
pub struct NoState;

impl FromStr for State {
    type Err = NoState;

    fn from_str(word: &str) -> Result<Self, NoState> {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.word() == word).ok_or(NoState)
    }
}

/// Which batches.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// How far they have come.
    pub state: State,
    /// Delivered by this device.
    pub device: Option<DeviceId>,
    /// In the name of this account.
    pub account: Option<AccountId>,
    /// With this code.
    pub reason: Option<String>,
    /// After this one in the list.
    pub after: Option<i64>,
}

/// Batches for units of the permit, oldest first, at most `limit`.
///
/// # Errors
/// The store's.
pub fn page(
    conn: &Connection,
    permit: &Permit<Read>,
    filter: &Filter,
    limit: usize,
) -> rusqlite::Result<Vec<Parked>> {
    let (sql, values) = page_query(permit, filter, limit);
    let mut statement = conn.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), parked)?.collect()
}

fn page_query(permit: &Permit<Read>, filter: &Filter, limit: usize) -> (String, Vec<Value>) {
    let (mut wheres, mut values) = within(permit, filter.state);
    wheres.push_str(" AND ");
    wheres.push_str(filter.state.condition());
    let mut and = |sql: &str, value: Option<Value>| {
        if let Some(value) = value {
            wheres.push_str(sql);
            values.push(value);
        }
    };
    and(
        " AND device = ?",
        filter.device.map(|id| id.to_bytes().to_vec().into()),
    );
    and(
        " AND account = ?",
        filter.account.map(|id| id.to_bytes().to_vec().into()),
    );
    and(" AND reason = ?", filter.reason.clone().map(Value::from));
    and(" AND id > ?", filter.after.map(Value::from));
    values.push((limit as i64).into());
    (format!("{PARKED} WHERE {wheres} ORDER BY id LIMIT ?"), values)
}

/// How many batches wait for a decision in units of the permit.
///
/// # Errors
/// The store's.
pub fn waiting(conn: &Connection, permit: &Permit<Read>) -> rusqlite::Result<u64> {
    let (wheres, values) = within(permit, State::Waiting);
    let condition = State::Waiting.condition();
    let sql = format!("SELECT count(*) FROM quarantine WHERE {wheres} AND {condition}");
    conn.prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))
}

/// Everything that is open, oldest first: for the server's own console.
///
/// # Errors
/// The store's.
pub fn list(conn: &Connection) -> rusqlite::Result<Vec<Parked>> {
    let mut statement = conn.prepare_cached(&format!("{PARKED} WHERE outcome IS NULL ORDER BY id"))?;
    statement.query_map([], parked)?.collect()
}

/// The unit for which a batch was delivered; who asks for a permit needs to know it.
///
/// # Errors
/// The store's.
pub fn unit_of(conn: &Connection, id: i64) -> rusqlite::Result<Option<UnitId>> {
    let sql = format!("{PARKED} WHERE id = ?");
    let found = conn.prepare_cached(&sql)?.query_row([id], parked).optional()?;
    Ok(found.map(|parked| parked.unit))
}

/// One batch of the permit's units, with its bytes and the keys that are needed to merge it.
///
/// # Errors
/// The store's.
pub fn find(
    conn: &Connection,
    permit: &Permit<Read>,
    id: i64,
    master: &MasterKey,
) -> rusqlite::Result<Option<(Parked, Batch)>> {
    let sql = format!("{PARKED} WHERE id = ?");
    let found = conn.prepare_cached(&sql)?.query_row([id], parked).optional()?;
    let Some(parked) = found.filter(|parked| permit.units().contains(&parked.unit)) else {
        return Ok(None);
    };
    let sql = "SELECT batch, keys, digest FROM quarantine WHERE id = ?";
    let (batch, keys, digest): (Vec<u8>, Option<Vec<u8>>, [u8; 32]) = conn
        .prepare_cached(sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let batch: Option<Batch> = minicbor::decode(&batch).ok();
    let keys: Option<WrappedKeys> = keys.and_then(|keys| minicbor::decode(&keys).ok());
    Ok(batch.map(|batch| {
        let keys = keys.map_or_else(Keys::default, |keys| unwrapped(&keys, &digest, master));
        (parked, Batch { keys, ..batch })
    }))
}

fn unwrapped(keys: &WrappedKeys, digest: &[u8; 32], master: &MasterKey) -> Keys {
    let seed = keys
        .seed
        .as_ref()
        .and_then(|seed| master.unwrap_key(seed, place_of(digest)).ok());
    let listed = keys.listed.iter().filter_map(|(record, wrapped)| {
        let key = master.unwrap_key(wrapped, *record).ok()?;
        Some(ListedKey { record: *record, key })
    });
    Keys {
        seed: seed.map(|seed| KeySeed::from_bytes(seed.to_bytes())),
        listed: listed.collect(),
    }
}

/// Open batches that stand on one.
///
/// # Errors
/// The store's.
pub fn joined(conn: &Connection, id: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT id FROM quarantine WHERE joins = ? AND outcome IS NULL ORDER BY id";
    let mut statement = conn.prepare_cached(sql)?;
    statement.query_map([id], |row| row.get(0))?.collect()
}

/// The condition that keeps a query within a permit, and its values.
fn within(permit: &Permit<Read>, state: State) -> (String, Vec<Value>) {
    let marks = vec!["?"; permit.units().len()].join(", ");
    let units = permit.units().iter();
    let values = units.map(|unit| unit.to_string().into()).collect();
    // What is open is little, and in an index of its own; of what was decided the units say where to look, if they are few.
    let column = match state {
        State::Decided if permit.units().len() <= FEW => "unit",
        State::Decided | State::Waiting | State::Rejected => "+unit",
    };
    (format!("{column} IN ({marks})"), values)
}

const PARKED: &str =
    "SELECT id, device, account, document, received_at, reason, joins, outcome, outcome_reason,
    (SELECT count(*) FROM quarantine_change WHERE quarantine = quarantine.id), verdict, decided_at FROM quarantine";

fn parked(row: &Row<'_>) -> rusqlite::Result<Parked> {
    let document: String = row.get(3)?;
    let id: DocumentId = document.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
    Ok(Parked {
        id: row.get(0)?,
        device: DeviceId::from_bytes(row.get(1)?),
        account: AccountId::from_bytes(row.get(2)?),
        document,
        unit: id.unit(),
        received_at_ms: row.get(4)?,
        reason: row.get(5)?,
        joins: row.get(6)?,
        outcome: row.get(7)?,
        outcome_reason: row.get(8)?,
        changes: row.get(9)?,
        verdict: row.get(10)?,
        decided_at_ms: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::console;
    use crate::store::migrate;

    #[test]
    fn what_is_open_is_found_without_a_look_at_what_was_decided() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        for count in [1, FEW as u64, 120] {
            let permit = console((0..count).map(|n| UnitId::from_parts(n, 0))).to_read();
            for (state, index) in [
                (State::Waiting, "quarantine_waiting"),
                (State::Rejected, "quarantine_rejected"),
            ] {
                let filter = Filter {
                    state,
                    after: Some(3),
                    ..Filter::default()
                };
                let (sql, values) = page_query(&permit, &filter, 30);
                let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let plan = statement
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap();
                let plan: Vec<String> = plan.collect::<rusqlite::Result<_>>().unwrap();
                assert!(plan[0].contains(index), "{count}: {plan:?}");
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
            }
        }
    }
}
