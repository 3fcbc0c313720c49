//! The board of a directive: who has to answer, and how far each has come.
//!
//! It is made when somebody looks at it: who has to answer follows from the directive's targets on the day it was
//! issued, and from what became of these units since.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, params};
use sync_core::ids::{AccountId, UnitId};
use sync_core::progress::{Progress, finishes};
use sync_core::record::{Directive, Issue, Stage};

use super::asked::asked_of;
use super::{Asked, issued_on};
use crate::policy::{Permit, Read};
use crate::realm::{self, RealmError};
use crate::tree::Tree;

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

/// The board of one version under the units of a tree, for those that the permit holds for.
///
/// # Errors
/// The store's.
pub fn board(
    conn: &Connection,
    permit: &Permit<Read>,
    directive: &Directive,
    asked: &Asked,
    tree: &Tree,
) -> rusqlite::Result<Board> {
    let heard = heard(conn, &directive.issue, Arrivals::Told)?;
    let arrived_at = arrival(conn, directive)?;
    Ok(of(
        permit,
        (directive, asked),
        tree,
        heard,
        (arrived_at, &last_seen(conn)?),
    ))
}

/// The boards of several directives under one tree. What they have in common is read once, and when each answer arrived is
/// not asked.
#[derive(Debug)]
pub struct Boards<'a> {
    conn: &'a Connection,
    permit: &'a Permit<Read>,
    tree: &'a Tree,
    last_seen: BTreeMap<UnitId, i64>,
    /// The days on which units became others.
    turns: Vec<Date>,
    /// The units from such a day on.
    trees: BTreeMap<Option<Date>, Arc<Tree>>,
}

impl<'a> Boards<'a> {
    /// # Errors
    /// The store's.
    pub fn new(conn: &'a Connection, permit: &'a Permit<Read>, tree: &'a Tree) -> rusqlite::Result<Self> {
        Ok(Self {
            conn,
            permit,
            tree,
            last_seen: last_seen(conn)?,
            turns: realm::turning_days(conn, Date::MIN, Date::MAX)?,
            trees: BTreeMap::new(),
        })
    }

    /// The board of one of them.
    ///
    /// # Errors
    /// The store's, or a day whose units are no tree.
    pub fn board(&mut self, directive: &Directive) -> Result<Board, RealmError> {
        let day = issued_on(directive);
        let turn = self.turns.iter().copied().rfind(|turn| *turn <= day);
        let tree = match self.trees.get(&turn) {
            Some(tree) => Arc::clone(tree),
            None => {
                let tree = Arc::new(realm::tree(self.conn, day)?);
                self.trees.insert(turn, Arc::clone(&tree));
                tree
            }
        };
        let asked = asked_of(self.conn, directive, tree)?;
        let heard = heard(self.conn, &directive.issue, Arrivals::Left)?;
        let seen = (arrival(self.conn, directive)?, &self.last_seen);
        Ok(of(self.permit, (directive, &asked), self.tree, heard, seen))
    }
}

/// What was heard, put on a board.
fn of(
    permit: &Permit<Read>,
    (directive, asked): (&Directive, &Asked),
    tree: &Tree,
    heard: Vec<Heard>,
    (arrived_at, last_seen): (Option<i64>, &BTreeMap<UnitId, i64>),
) -> Board {
    let mut said: BTreeMap<UnitId, Vec<Heard>> = BTreeMap::new();
    for heard in heard {
        said.entry(heard.unit).or_default().push(heard);
    }
    let units = asked
        .expected(tree)
        .into_iter()
        .filter(|(unit, _)| permit.units().contains(unit));
    let units = units.map(|(unit, speakers)| {
        let events: Vec<&Heard> = speakers
            .iter()
            .filter_map(|unit| said.get(unit))
            .flatten()
            .filter(|event| asked.hears(event.by, &speakers))
            .collect();
        let seen = speakers.iter().filter_map(|unit| last_seen.get(unit)).max();
        standing(directive, unit, &events, seen.copied() < arrived_at)
    });
    Board {
        units: units.collect(),
    }
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
    let arrived_at_ms = finishing.filter_map(|event| event.arrived_at_ms).min();
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
    by: AccountId,
    stage: Stage,
    note: Option<String>,
    at_ms: i64,
    /// Where it was asked for.
    arrived_at_ms: Option<i64>,
}

/// Whether it is asked when something arrived.
#[derive(Clone, Copy, Debug)]
enum Arrivals {
    /// It follows from its place in the log.
    Told,
    Left,
}

/// What was said about exactly this version, and not after its device was revoked.
fn heard(conn: &Connection, issue: &Issue, arrivals: Arrivals) -> rusqlite::Result<Vec<Heard>> {
    let arrived = match arrivals {
        Arrivals::Told => {
            "(SELECT e.received_at FROM entry e
                WHERE e.last >= (SELECT c.position FROM actor x JOIN change c ON c.actor = x.id AND c.seq = a.seq
                                 WHERE x.document = a.document AND x.actor = a.actor)
                ORDER BY e.last LIMIT 1)"
        }
        Arrivals::Left => "NULL",
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT a.unit, a.stage, a.note, a.at, a.by_account, {arrived}
         FROM acknowledgement a LEFT JOIN device d ON d.id = a.device
         WHERE a.directive = ? AND a.version = ? AND a.digest = ? AND (d.revoked_at IS NULL OR a.at < d.revoked_at)"
    ))?;
    let key = params![issue.directive.to_bytes(), issue.version, issue.digest];
    let rows = statement.query_map(key, |row| {
        let stage: String = row.get(1)?;
        Ok(Stage::from_code(&stage).map(|stage| {
            Ok(Heard {
                unit: UnitId::from_bytes(row.get(0)?),
                stage,
                note: row.get(2)?,
                at_ms: row.get(3)?,
                by: AccountId::from_bytes(row.get(4)?),
                arrived_at_ms: row.get(5)?,
            })
        }))
    })?;
    rows.filter_map(|row| row.transpose().map(|row| row.and_then(|row| row)))
        .collect()
}

/// When a directive arrived here, by its place in the log.
fn arrival(conn: &Connection, directive: &Directive) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT e.received_at FROM directive d
                 JOIN actor x ON x.document = d.document AND x.actor = d.actor
                 JOIN change c ON c.actor = x.id AND c.seq = d.seq
                 JOIN entry e ON e.last >= c.position
               WHERE d.record = ? ORDER BY e.last LIMIT 1";
    conn.prepare_cached(sql)?
        .query_row([directive.id.to_bytes()], |row| row.get(0))
        .optional()
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
