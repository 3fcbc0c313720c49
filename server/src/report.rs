//! The report of a month, of a commune or of the whole district: what officials hand in.
//!
//! It is of the units as they stood on the last day of the month – a month that has not ended, as they stand today – and
//! is made of sums: of records by category and by unit, of directives by who has done them on time. It says how complete
//! it is and up to which position of the log, so that two people with different numbers can find out why.

mod xlsx;

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::Connection;
use sync_core::ids::{RecordId, UnitId};

use crate::aggregates::{self, Days, Kind, Sums};
use crate::audit;
use crate::clock::{day_of, midnight_ms};
use crate::completeness::{Complete, LastSeen};
use crate::directives::{self, Boards, Counts};
use crate::log;
use crate::policy::{Permit, Read};
use crate::realm::{self, RealmError};
use crate::records::{self, Span};
use crate::tree::{Tree, Unit};

pub use xlsx::workbook;

/// Leave to read what a report is made of.
#[derive(Clone, Debug)]
pub struct Permits {
    /// Records, of all that is in reach.
    pub records: Permit<Read>,
    /// Boards.
    pub boards: Permit<Read>,
    /// Which phones have not synced.
    pub phones: Permit<Read>,
}

/// The report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The unit.
    pub unit: UnitId,
    /// Its name then.
    pub name: String,
    /// The name of the unit above it then.
    pub above: Option<String>,
    /// The first day of the month.
    pub first: Date,
    /// Its last.
    pub last: Date,
    /// When it was made, UTC milliseconds.
    pub made_at_ms: i64,
    /// Of the month.
    pub total: Sums,
    /// Of the month before.
    pub before: Sums,
    /// By category, the most frequent first.
    pub categories: Vec<(String, Sums)>,
    /// By outcome, the most frequent first.
    pub outcomes: Vec<(String, Sums)>,
    /// The units below in the order of their codes, each under what it is below: communes, and their hamlets.
    pub units: Vec<UnitLine>,
    /// Directives that were issued to units below, in the month.
    pub directives: Vec<DirectiveLine>,
    /// How complete it is.
    pub complete: Complete,
    /// The last position of the log that is in it.
    pub position: u64,
    /// The head of the audit.
    pub audit_head: audit::Head,
}

/// One unit, with everything below it.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitLine {
    /// The unit.
    pub unit: UnitId,
    /// Its name then.
    pub name: String,
    /// How far below the report's unit it is: 1, 2 …
    pub depth: usize,
    /// Its sums.
    pub sums: Sums,
}

/// One directive.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectiveLine {
    /// The record of this version.
    pub id: RecordId,
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// Its deadline, UTC milliseconds.
    pub deadline_ms: Option<i64>,
    /// Who had to answer, has done it, and has done it on time.
    pub counts: Counts,
}

impl Report {
    /// All directives together.
    pub fn done(&self) -> Counts {
        let mut sum = Counts::default();
        for line in &self.directives {
            sum.targeted += line.counts.targeted;
            sum.finished += line.counts.finished;
            sum.on_time += line.counts.on_time;
            sum.silent += line.counts.silent;
        }
        sum
    }
}

/// Makes a report; `None` if the unit was not there in that month, or is not in reach.
///
/// # Errors
/// The store's, or a day whose units are no tree.
pub fn report(
    conn: &Connection,
    permits: &Permits,
    unit: UnitId,
    month: Date,
    now_ms: i64,
) -> Result<Option<Report>, RealmError> {
    let conn = &*conn.unchecked_transaction()?;
    let (first, last, today) = (month.first_of_month(), month.last_of_month(), day_of(now_ms));
    let then = realm::tree(conn, last.min(today))?;
    let Some(own) = then
        .unit(unit)
        .filter(|_| permits.records.units().contains(&unit))
    else {
        return Ok(None);
    };
    let month = Month::read(conn, permits, &then, unit, &Days::through(first, last))?;
    let earlier = first.yesterday().unwrap_or(first);
    let before = Days::through(earlier.first_of_month(), earlier);
    let before = Month::read(conn, permits, &then, unit, &before)?;
    let now = realm::tree(conn, today)?;
    Ok(Some(Report {
        unit,
        name: own.name.clone(),
        above: then.ancestors(unit).next().map(|above| above.name.clone()),
        first,
        last,
        made_at_ms: now_ms,
        total: month.total(),
        before: before.total(),
        categories: month.by(|(_, category, _)| category),
        outcomes: month.by(|(.., outcome)| outcome),
        units: units(&then, unit, &month.by_unit()),
        directives: of_directives(conn, permits, &then, unit, (first, last), &now)?,
        complete: complete(conn, permits, &now, unit, last, today)?,
        position: log::head(conn)?,
        audit_head: audit::head(conn)?,
    }))
}

/// The sums of a month below a unit, by the unit of that day that each belongs to, category and outcome.
struct Month(Vec<(Kind, Sums)>);

impl Month {
    fn read(
        conn: &Connection,
        permits: &Permits,
        tree: &Tree,
        unit: UnitId,
        days: &Days,
    ) -> rusqlite::Result<Self> {
        let sums = aggregates::by_unit_category_and_outcome(conn, &permits.records, days)?;
        // What was recorded under a unit that had ended by then is its successor's.
        let sums = sums.into_iter().filter_map(|((of, category, outcome), sums)| {
            let heir = tree.heir(of).filter(|heir| tree.is_within(*heir, unit))?;
            Some(((heir, category, outcome), sums))
        });
        Ok(Self(sums.collect()))
    }

    fn total(&self) -> Sums {
        self.0.iter().map(|(_, sums)| *sums).sum()
    }

    fn by(&self, part: impl Fn(&Kind) -> &String) -> Vec<(String, Sums)> {
        let mut by: BTreeMap<&String, Sums> = BTreeMap::new();
        for (key, sums) in &self.0 {
            *by.entry(part(key)).or_default() += *sums;
        }
        let mut by: Vec<(String, Sums)> = by.into_iter().map(|(code, sums)| (code.clone(), sums)).collect();
        by.sort_by(|(a, x), (b, y)| (y.records, a).cmp(&(x.records, b)));
        by
    }

    fn by_unit(&self) -> BTreeMap<UnitId, Sums> {
        let mut by: BTreeMap<UnitId, Sums> = BTreeMap::new();
        for ((unit, ..), sums) in &self.0 {
            *by.entry(*unit).or_default() += *sums;
        }
        by
    }
}

/// What is below a unit, each with everything below itself.
fn units(tree: &Tree, root: UnitId, sums: &BTreeMap<UnitId, Sums>) -> Vec<UnitLine> {
    let mut lines = Vec::new();
    let mut open: Vec<(UnitId, usize)> = tree.children(root).iter().rev().map(|unit| (*unit, 1)).collect();
    while let Some((id, depth)) = open.pop() {
        let below = tree.subtree(id);
        lines.extend(tree.unit(id).map(|unit| UnitLine {
            unit: id,
            name: unit.name.clone(),
            depth,
            sums: below.iter().filter_map(|unit| sums.get(unit)).copied().sum(),
        }));
        open.extend(tree.children(id).iter().rev().map(|unit| (*unit, depth + 1)));
    }
    lines
}

/// Directives that were issued in the month and ask something of units below: the version in force of each.
fn of_directives(
    conn: &Connection,
    permits: &Permits,
    then: &Tree,
    unit: UnitId,
    (first, last): (Date, Date),
    today: &Tree,
) -> Result<Vec<DirectiveLine>, RealmError> {
    let end = last.tomorrow().ok().and_then(midnight_ms).unwrap_or(i64::MAX);
    let begin = midnight_ms(first).unwrap_or(i64::MIN);
    let month = Span {
        units: permits.boards.units().iter().copied().collect(),
        from_ms: Some(begin),
        until_ms: Some(end),
    };
    let mut boards = Boards::new(conn, &permits.boards, today)?;
    let before_end = Some((end, RecordId::from_bytes([0; 16])));
    let mut lines = Vec::new();
    for directive in directives::list(conn, &permits.boards, Some(&[month]), before_end, usize::MAX)? {
        if directives::ended_by(conn, today, &directive)?.is_some() {
            continue;
        }
        let board = boards.board(&directive)?;
        let below = board.units.iter().filter(|standing| {
            let of_then = then.heir(standing.unit).unwrap_or(standing.unit);
            then.is_within(of_then, unit) || today.is_within(standing.unit, unit)
        });
        let counts = Counts::of(below);
        if counts.targeted > 0 {
            lines.push(DirectiveLine {
                id: directive.id,
                number: directive.number,
                title: directive.title,
                deadline_ms: directive.deadline_ms,
                counts,
            });
        }
    }
    lines.reverse();
    Ok(lines)
}

/// Which of the hamlets have had a phone here since the month ended – or since midnight, while it goes on.
fn complete(
    conn: &Connection,
    permits: &Permits,
    tree: &Tree,
    unit: UnitId,
    last: Date,
    today: Date,
) -> rusqlite::Result<Complete> {
    let since_ms = last.tomorrow().unwrap_or(last).min(today);
    let since_ms = midnight_ms(since_ms).unwrap_or(i64::MIN);
    let root = tree.heir(unit).unwrap_or(unit);
    let phones = records::phones(conn, &permits.phones, today)?;
    let below = |leaf: &Unit| tree.is_within(leaf.id, root);
    Ok(LastSeen::of(tree, below, &phones).since(since_ms))
}
