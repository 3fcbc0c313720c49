//! Records under the units of their date, or under those of today.
//!
//! A record stays where it was made: in a document of the unit of that day. What a list or a count of it looks like
//! afterwards is a question of view – *as it was*, with every record under the tree of its own date, or *as it is now*,
//! with every record under who inherited it. Neither changes anything that is stored.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rusqlite::Connection;
use serde::Serialize;
use sync_core::ids::UnitId;
use utoipa::ToSchema;

use crate::aggregates::{self, Days, Sums};
use crate::clock::{day_of, midnight_ms};
use crate::policy::{Permit, Read};
use crate::realm::{self, RealmError};
use crate::records::Span;
use crate::tree::{Tree, Unit};

/// Under which units records are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum View {
    /// Those of the day on which the help was given.
    Was,
    /// Those of today.
    #[default]
    Now,
}

impl View {
    /// Every view.
    pub const ALL: [View; 2] = [View::Was, View::Now];

    /// The word of a view.
    pub fn word(self) -> &'static str {
        match self {
            View::Was => "was",
            View::Now => "now",
        }
    }

    /// The view of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.word() == word)
    }
}

/// A stretch of time in which the tree is one and the same.
#[derive(Debug)]
pub struct Era {
    /// From then on, UTC milliseconds; the first has no beginning.
    pub from_ms: Option<i64>,
    /// Until before then; the last has no end.
    pub until_ms: Option<i64>,
    /// The tree.
    pub tree: Tree,
}

/// The sums of one unit and of what is below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Count {
    /// The unit.
    #[schema(value_type = UnitId)]
    pub unit: String,
    /// Its code in that view.
    #[schema(examples("15367"))]
    pub code: String,
    /// Its name in that view.
    #[schema(examples("Xã Vĩnh Hưng"))]
    pub name: String,
    /// The sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// Every stretch of time up to today.
///
/// # Errors
/// The store's, or a day whose units are no tree.
pub fn eras(conn: &Connection, today: Date) -> Result<Vec<Era>, RealmError> {
    let days = realm::turning_days(conn, Date::MIN, today)?;
    // What is dated before there were units is under the first ones.
    let begins = days.iter().skip(1).map(|day| Some(*day));
    let begins: Vec<Option<Date>> = std::iter::once(None).chain(begins).collect();
    let ends = begins.iter().skip(1).copied().chain([None]);
    let first = days.first().copied().unwrap_or(today);
    begins
        .iter()
        .zip(ends)
        .map(|(begin, end)| {
            Ok(Era {
                from_ms: begin.and_then(midnight_ms),
                until_ms: end.and_then(midnight_ms),
                tree: realm::tree(conn, begin.unwrap_or(first))?,
            })
        })
        .collect()
}

/// Where the records are that were under a unit on their own date.
///
/// # Errors
/// The store's, or a day whose units are no tree.
pub fn spans(conn: &Connection, today: Date, unit: UnitId) -> Result<Vec<Span>, RealmError> {
    let spans = eras(conn, today)?.into_iter().map(|era| Span {
        units: era.tree.subtree(unit),
        from_ms: era.from_ms,
        until_ms: era.until_ms,
    });
    Ok(spans.filter(|span| !span.units.is_empty()).collect())
}

/// Sums of what a permit holds for, by the unit of a level that it is under in a view – by its own unit, without a level.
///
/// # Errors
/// The store's, or a day whose units are no tree.
pub fn counts(
    conn: &Connection,
    permit: &Permit<Read>,
    view: View,
    level: Option<&str>,
    (from_ms, until_ms): (Option<i64>, Option<i64>),
    now_ms: i64,
) -> Result<Vec<Count>, RealmError> {
    let today = day_of(now_ms);
    let eras = match view {
        View::Was => eras(conn, today)?,
        View::Now => vec![Era {
            from_ms: None,
            until_ms: None,
            tree: realm::tree(conn, today)?,
        }],
    };
    let mut counts: BTreeMap<UnitId, Count> = BTreeMap::new();
    for era in &eras {
        let from = era.from_ms.max(from_ms);
        let until = [era.until_ms, until_ms].into_iter().flatten().min();
        for (unit, sums) in aggregates::by_unit(conn, permit, &Days::between(from, until))? {
            add(&mut counts, &era.tree, unit, level, sums);
        }
    }
    let mut counts: Vec<Count> = counts.into_values().collect();
    counts.sort_by(|a, b| (&a.code, &a.unit).cmp(&(&b.code, &b.unit)));
    Ok(counts)
}

fn add(counts: &mut BTreeMap<UnitId, Count>, tree: &Tree, unit: UnitId, level: Option<&str>, sums: Sums) {
    // What was recorded under a unit that had ended already is its successor's, in either view.
    let heir = tree.heir(unit).unwrap_or(unit);
    let is_of = |unit: &&Unit| level.is_none_or(|level| unit.level == level);
    let shown = tree
        .unit(heir)
        .into_iter()
        .chain(tree.ancestors(heir))
        .find(is_of);
    let id = shown.map_or(heir, |shown| shown.id);
    let count = counts.entry(id).or_insert_with(|| Count {
        unit: id.to_string(),
        code: String::new(),
        name: String::new(),
        sums: Sums::default(),
    });
    if let Some(shown) = shown {
        count.code.clone_from(&shown.code);
        count.name.clone_from(&shown.name);
    }
    count.sums += sums;
}

/// The units of a day that somebody may know: those in reach, and what is above them.
pub fn known(tree: &Tree, permit: &Permit<Read>) -> BTreeSet<UnitId> {
    let reached = tree.units().filter(|unit| permit.units().contains(&unit.id));
    let above = |unit: &Unit| tree.ancestors(unit.id).map(|unit| unit.id).collect::<Vec<_>>();
    reached
        .flat_map(|unit| above(unit).into_iter().chain([unit.id]))
        .collect()
}
