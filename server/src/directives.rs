//! Questions about directives, answered from projected rows: what was issued, and how far each hamlet has come.
//!
//! A board is made when somebody looks at it: who has to answer follows from the directive's targets on the day it was
//! issued, and from what became of these units since.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use sync_core::ids::{AccountId, DeviceId, DocumentId, RecordId, UnitId};
use sync_core::progress::{Progress, finishes};
use sync_core::record::{
    Acknowledgement, Asks, Directive, Draft, Issue, Origin, Reach, Relation, Stage, Targets, Urgency,
};
use sync_core::signature::Signature;

use crate::log;
use crate::policy::{Permit, Read};
use crate::tree::Tree;

/// Issued directives of the permit's units, newest first, at most `limit`, after one of them.
///
/// # Errors
/// The store's.
pub fn list(
    conn: &Connection,
    permit: &Permit<Read>,
    after: Option<(i64, RecordId)>,
    limit: usize,
) -> rusqlite::Result<Vec<Directive>> {
    let (mut wheres, mut values) = within(permit);
    if let Some((issued_at, record)) = after {
        wheres.push_str(" AND (issued_at, record) < (?, ?)");
        values.extend([issued_at.into(), record.to_bytes().to_vec().into()]);
    }
    values.push((limit as i64).into());
    let sql = format!("{DIRECTIVE} WHERE {wheres} ORDER BY issued_at DESC, record DESC LIMIT ?");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(directive_row(conn, row)?);
    }
    Ok(found)
}

/// One issued version, by its record; `None` if the permit does not hold for it.
///
/// # Errors
/// The store's.
pub fn find(
    conn: &Connection,
    permit: &Permit<Read>,
    record: RecordId,
) -> rusqlite::Result<Option<Directive>> {
    let found = directive(conn, record)?;
    Ok(found.filter(|found| permit.units().contains(&found.document.unit())))
}

/// One issued version, by its record.
///
/// # Errors
/// The store's.
pub fn directive(conn: &Connection, record: RecordId) -> rusqlite::Result<Option<Directive>> {
    let sql = format!("{DIRECTIVE} WHERE record = ?");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([record.to_bytes()])?;
    match rows.next()? {
        Some(row) => directive_row(conn, row),
        None => Ok(None),
    }
}

/// Versions of other directives that bear the same number: issued twice without seeing each other.
///
/// # Errors
/// The store's.
pub fn same_number(conn: &Connection, directive: &Directive) -> rusqlite::Result<Vec<RecordId>> {
    let sql = "SELECT record FROM directive WHERE number_key = ? AND directive <> ? ORDER BY record";
    let key = (directive.number_key(), directive.issue.directive.to_bytes());
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![key.0, key.1], |row| row.get(0).map(RecordId::from_bytes))?;
    rows.collect()
}

/// What ended a version: the version or directive that amends, replaces or withdraws it.
///
/// # Errors
/// The store's.
pub fn ended_by(conn: &Connection, record: RecordId) -> rusqlite::Result<Option<RecordId>> {
    let sql = "SELECT record FROM directive WHERE relates_to = ? ORDER BY issued_at, record LIMIT 1";
    conn.prepare_cached(sql)?
        .query_row([record.to_bytes()], |row| row.get(0).map(RecordId::from_bytes))
        .optional()
}

/// What was issued from a draft.
///
/// # Errors
/// The store's.
pub fn issued_from(conn: &Connection, draft: RecordId) -> rusqlite::Result<Option<RecordId>> {
    conn.prepare_cached("SELECT record FROM directive WHERE draft = ?")?
        .query_row([draft.to_bytes()], |row| row.get(0).map(RecordId::from_bytes))
        .optional()
}

/// One unit on the board of a directive.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The unit of today.
    pub unit: UnitId,
    /// What it said, and what the units said that it took over.
    pub progress: Progress,
    /// The reason of its last "cannot", or the note of its last word.
    pub note: Option<String>,
    /// Whether what is asked was done by the deadline; `None` while it is not done.
    pub on_time: Option<bool>,
    /// When the event arrived with which what is asked was done, UTC milliseconds.
    pub arrived_at_ms: Option<i64>,
    /// It was done on time, and we heard of it after the deadline.
    pub arrived_late: bool,
    /// No phone of the unit was here since the directive was.
    pub silent: bool,
}

/// How far everybody has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// Each unit that has to answer, by id.
    pub units: Vec<Standing>,
}

/// Counts of a board, of all of it or of the units below one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Units that have to answer.
    pub targeted: u32,
    /// Units by the state they are in, in the order of the stages; who was not heard is in none.
    pub in_stage: [u32; Stage::ALL.len()],
    /// Units that have done what is asked.
    pub finished: u32,
    /// Of these, by the deadline.
    pub on_time: u32,
    /// Units whose phones were not here since.
    pub silent: u32,
}

impl Counts {
    /// Counts some standings.
    pub fn of<'a>(units: impl IntoIterator<Item = &'a Standing>) -> Self {
        let mut counts = Self::default();
        for unit in units {
            counts.targeted += 1;
            if let Some(count) = unit
                .progress
                .stage()
                .and_then(|stage| counts.in_stage.get_mut(stage as usize))
            {
                *count += 1;
            }
            counts.finished += u32::from(unit.on_time.is_some());
            counts.on_time += u32::from(unit.on_time == Some(true));
            counts.silent += u32::from(unit.silent);
        }
        counts
    }

    /// How many of a hundred have done what is asked, rounded down.
    pub fn percent(&self) -> u32 {
        (self.finished * 100).checked_div(self.targeted).unwrap_or(100)
    }
}

/// The units of today that have to answer, each with the units of the day of issue that it stands for.
pub fn expected(directive: &Directive, issued_on: &Tree, today: &Tree) -> BTreeMap<UnitId, BTreeSet<UnitId>> {
    let mut expected: BTreeMap<UnitId, BTreeSet<UnitId>> = BTreeMap::new();
    for unit in meant(&directive.targets, issued_on) {
        if unit == directive.document.unit() {
            continue;
        }
        if let Some(heir) = today.heir(unit) {
            let heard = expected.entry(heir).or_default();
            heard.extend([unit, heir]);
        }
    }
    expected
}

/// The units that targets mean in a tree. Without a level a subtree means its lowest units; with levels, those of them.
fn meant(targets: &Targets, tree: &Tree) -> BTreeSet<UnitId> {
    let mut meant = BTreeSet::new();
    for target in targets.units() {
        let reached = match target.reach {
            Reach::Unit => vec![target.unit],
            Reach::Subtree => tree.subtree(target.unit),
        };
        meant.extend(reached.into_iter().filter(|unit| {
            match target.reach {
                Reach::Unit => true,
                Reach::Subtree if targets.levels().is_empty() => tree.children(*unit).is_empty(),
                Reach::Subtree => tree
                    .unit(*unit)
                    .is_some_and(|unit| targets.levels().contains(&unit.level)),
            }
        }));
    }
    meant
}

/// The board of one version, for the units that the permit holds for.
///
/// # Errors
/// The store's.
pub fn board(
    conn: &Connection,
    permit: &Permit<Read>,
    directive: &Directive,
    issued_on: &Tree,
    today: &Tree,
) -> rusqlite::Result<Board> {
    let expected = expected(directive, issued_on, today);
    let mut said: BTreeMap<UnitId, Vec<Heard>> = BTreeMap::new();
    for heard in heard(conn, &directive.issue)? {
        said.entry(heard.unit).or_default().push(heard);
    }
    let (arrived_at, last_seen) = (arrival(conn, directive)?, last_seen(conn)?);
    let units = expected
        .into_iter()
        .filter(|(unit, _)| permit.units().contains(unit));
    let units = units.map(|(unit, speakers)| {
        let events: Vec<&Heard> = speakers
            .iter()
            .filter_map(|unit| said.get(unit))
            .flatten()
            .collect();
        let seen = speakers.iter().filter_map(|unit| last_seen.get(unit)).max();
        standing(directive, unit, &events, seen.copied() < arrived_at)
    });
    Ok(Board {
        units: units.collect(),
    })
}

fn standing(directive: &Directive, unit: UnitId, events: &[&Heard], unseen: bool) -> Standing {
    let mut progress = Progress::default();
    events
        .iter()
        .for_each(|event| progress.add(event.stage, event.at_ms));
    let finished = progress.finished(directive.asks);
    let finishing = events
        .iter()
        .filter(|event| finishes(event.stage, directive.asks) && Some(event.at_ms) == finished);
    let arrived_at_ms = finishing.map(|event| event.arrived_at_ms).min();
    let on_time = progress.on_time(directive);
    let past_deadline = |at: i64| directive.deadline_ms.is_some_and(|deadline| at > deadline);
    let last = events
        .iter()
        .filter(|event| event.note.is_some())
        .max_by_key(|event| event.at_ms);
    Standing {
        unit,
        progress,
        note: last.and_then(|event| event.note.clone()),
        on_time,
        arrived_at_ms,
        arrived_late: on_time == Some(true) && arrived_at_ms.is_some_and(past_deadline),
        silent: unseen && progress.stage().is_none(),
    }
}

/// One event, and when it arrived.
struct Heard {
    unit: UnitId,
    stage: Stage,
    note: Option<String>,
    at_ms: i64,
    arrived_at_ms: i64,
}

/// What was said about exactly this version. When it arrived follows from its place in the log.
fn heard(conn: &Connection, issue: &Issue) -> rusqlite::Result<Vec<Heard>> {
    let mut statement = conn.prepare_cached(
        "SELECT a.unit, a.stage, a.note, a.at,
                (SELECT e.received_at FROM entry e WHERE e.last >= c.position ORDER BY e.last LIMIT 1)
         FROM acknowledgement a
           JOIN actor x ON x.document = a.document AND x.actor = a.actor
           JOIN change c ON c.actor = x.id AND c.seq = a.seq
         WHERE a.directive = ? AND a.version = ? AND a.digest = ?",
    )?;
    let key = params![issue.directive.to_bytes(), issue.version, issue.digest];
    let rows = statement.query_map(key, |row| {
        let stage: String = row.get(1)?;
        Ok(Stage::from_code(&stage).map(|stage| {
            Ok(Heard {
                unit: UnitId::from_bytes(row.get(0)?),
                stage,
                note: row.get(2)?,
                at_ms: row.get(3)?,
                arrived_at_ms: row.get(4)?,
            })
        }))
    })?;
    rows.filter_map(|row| row.transpose().map(|row| row.and_then(|row| row)))
        .collect()
}

/// When a directive arrived here.
fn arrival(conn: &Connection, directive: &Directive) -> rusqlite::Result<Option<i64>> {
    let Some((_, row, _)) = log::find_document(conn, directive.document)? else {
        return Ok(None);
    };
    // The first entry of its board that was delivered at or after it was issued: no later than its own.
    let sql = "SELECT min(received_at) FROM entry WHERE document = ? AND received_at >= ?";
    conn.prepare_cached(sql)?
        .query_row(params![row, directive.issued_at_ms], |row| row.get(0))
}

/// When a phone of each unit was last here.
fn last_seen(conn: &Connection) -> rusqlite::Result<BTreeMap<UnitId, i64>> {
    let mut statement = conn.prepare_cached(
        "SELECT r.unit, max(h.last_sync_at) FROM role r
           JOIN device d ON d.account = r.account AND d.revoked_at IS NULL
           JOIN device_health h ON h.device = d.id
         GROUP BY r.unit",
    )?;
    let rows = statement.query_map([], |row| Ok((UnitId::from_bytes(row.get(0)?), row.get(1)?)))?;
    rows.collect()
}

/// Every event for a directive, whatever version, by unit and time.
///
/// # Errors
/// The store's.
pub fn acknowledgements(conn: &Connection, directive: RecordId) -> rusqlite::Result<Vec<Acknowledgement>> {
    let mut statement = conn.prepare_cached(
        "SELECT record, document, directive, version, digest, stage, note, at, device_at, by_account, device, previous,
                signature, statement, actor, seq, unknown
         FROM acknowledgement WHERE directive = ? ORDER BY unit, at, record",
    )?;
    let mut rows = statement.query([directive.to_bytes()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let stage: String = row.get(5)?;
        let Some(stage) = Stage::from_code(&stage) else {
            continue;
        };
        found.push(Acknowledgement {
            id: RecordId::from_bytes(row.get(0)?),
            document: document(conn, row.get(1)?)?,
            issue: Issue {
                directive: RecordId::from_bytes(row.get(2)?),
                version: row.get(3)?,
                digest: row.get(4)?,
            },
            stage,
            note: row.get(6)?,
            at_ms: row.get(7)?,
            device_at_ms: row.get(8)?,
            by: AccountId::from_bytes(row.get(9)?),
            device: DeviceId::from_bytes(row.get(10)?),
            previous: row.get(11)?,
            signature: Signature(row.get(12)?),
            digest: row.get(13)?,
            origin: Origin {
                actor: row.get::<_, Vec<u8>>(14)?.into(),
                seq: row.get(15)?,
            },
            unknown: unknown(row.get(16)?),
        });
    }
    Ok(found)
}

/// Drafts of the permit's units that nobody gave up or issued, newest first.
///
/// # Errors
/// The store's.
pub fn drafts(
    conn: &Connection,
    permit: &Permit<Read>,
    record: Option<RecordId>,
) -> rusqlite::Result<Vec<Draft>> {
    let (mut wheres, mut values) = within(permit);
    match record {
        Some(record) => {
            wheres.push_str(" AND record = ?");
            values.push(record.to_bytes().to_vec().into());
        }
        None => wheres.push_str(
            " AND NOT discarded AND record NOT IN (SELECT draft FROM directive WHERE draft IS NOT NULL)",
        ),
    }
    let sql = format!(
        "SELECT record, document, number, title, body, urgency, deadline, signer, targets, asks, relation, relates_to,
                discarded, started_by, started_at, unknown
         FROM draft WHERE {wheres} ORDER BY started_at DESC, record DESC LIMIT 500"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(draft_row(conn, row)?);
    }
    Ok(found)
}

fn draft_row(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<Option<Draft>> {
    let id = RecordId::from_bytes(row.get(0)?);
    let (urgency, asks): (String, String) = (row.get(5)?, row.get(9)?);
    let Some((urgency, asks)) = Urgency::from_code(&urgency).zip(Asks::from_code(&asks)) else {
        return Ok(None);
    };
    let mut conflicts = conn.prepare_cached(r#"SELECT field, "values" FROM conflict WHERE record = ?"#)?;
    let conflicts = conflicts.query_map([id.to_bytes()], |row| {
        Ok(sync_core::record::Conflict {
            field: row.get(0)?,
            values: minicbor::decode(row.get_ref(1)?.as_blob()?).unwrap_or_default(),
        })
    })?;
    Ok(Some(Draft {
        id,
        document: document(conn, row.get(1)?)?,
        number: row.get(2)?,
        title: row.get(3)?,
        body: row.get(4)?,
        urgency,
        deadline_ms: row.get(6)?,
        signer: row.get(7)?,
        targets: targets(row.get(8)?),
        asks,
        relation: relation(row.get(10)?, row.get(11)?),
        discarded: row.get(12)?,
        started_by: AccountId::from_bytes(row.get(13)?),
        started_at_ms: row.get(14)?,
        conflicts: conflicts.collect::<rusqlite::Result<_>>()?,
        unknown: unknown(row.get(15)?),
    }))
}

const DIRECTIVE: &str = "SELECT record, document, directive, version, digest, number, title, body, urgency, deadline, \
                         signer, targets, asks, relation, relates_to, draft, issued_by, device, issued_at, signature, \
                         unknown FROM directive";

fn directive_row(conn: &Connection, row: &Row<'_>) -> rusqlite::Result<Option<Directive>> {
    let (urgency, asks): (String, String) = (row.get(8)?, row.get(12)?);
    let Some((urgency, asks)) = Urgency::from_code(&urgency).zip(Asks::from_code(&asks)) else {
        return Ok(None);
    };
    Ok(Some(Directive {
        id: RecordId::from_bytes(row.get(0)?),
        document: document(conn, row.get(1)?)?,
        issue: Issue {
            directive: RecordId::from_bytes(row.get(2)?),
            version: row.get(3)?,
            digest: row.get(4)?,
        },
        number: row.get(5)?,
        title: row.get(6)?,
        body: row.get(7)?,
        urgency,
        deadline_ms: row.get(9)?,
        signer: row.get(10)?,
        targets: targets(row.get(11)?),
        asks,
        relation: relation(row.get(13)?, row.get(14)?),
        draft: row.get::<_, Option<[u8; 16]>>(15)?.map(RecordId::from_bytes),
        issued_by: AccountId::from_bytes(row.get(16)?),
        device: DeviceId::from_bytes(row.get(17)?),
        issued_at_ms: row.get(18)?,
        signature: Signature(row.get(19)?),
        unknown: unknown(row.get(20)?),
    }))
}

fn document(conn: &Connection, row: i64) -> rusqlite::Result<DocumentId> {
    log::document_by_row(conn, row)
}

fn targets(bytes: Vec<u8>) -> Targets {
    Targets::from_bytes(&bytes).unwrap_or_default()
}

fn relation(code: Option<String>, record: Option<[u8; 16]>) -> Option<(Relation, RecordId)> {
    let relation = Relation::from_code(&code?)?;
    Some((relation, RecordId::from_bytes(record?)))
}

fn unknown(bytes: Option<Vec<u8>>) -> BTreeMap<String, sync_core::record::Scalar> {
    bytes
        .and_then(|bytes| minicbor::decode(&bytes).ok())
        .unwrap_or_default()
}

/// The day on which a directive was issued.
pub fn issued_on(directive: &Directive) -> Date {
    crate::clock::day_of(directive.issued_at_ms)
}

fn within(permit: &Permit<Read>) -> (String, Vec<Value>) {
    let marks = vec!["?"; permit.units().len()].join(", ");
    let units = permit.units().iter();
    let values = units.map(|unit| unit.to_bytes().to_vec().into()).collect();
    (format!("unit IN ({marks})"), values)
}
