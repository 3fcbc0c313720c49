//! How long it takes from a directive to what it asks: of every unit that has to answer, and what is overdue.
//!
//! It is read from the boards of the directives themselves, each of which is found by an index: who has to answer, and what
//! counts as an answer, is nowhere decided but there.

use std::collections::BTreeMap;

use rusqlite::Connection;
use sync_core::ids::UnitId;
use sync_core::progress::Due;
use sync_core::record::Relation;

use super::{Boards, ended_by, list};
use crate::policy::{Permit, Read};
use crate::realm::RealmError;
use crate::records::Span;
use crate::tree::Tree;

const DAY_MS: i64 = 24 * 3_600_000;
/// Most directives that are looked at, the newest.
const DIRECTIVES: usize = 60;

/// How fast some directives were carried out.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// How many directives.
    pub directives: usize,
    /// There are more than were looked at.
    pub more: bool,
    /// One for each unit that has to answer one of them.
    pub answers: Vec<Answer>,
}

/// How far a unit is with a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The unit of today.
    pub unit: UnitId,
    /// How long after it was issued what is asked was done, milliseconds; `None`: it is not done.
    pub after_ms: Option<i64>,
    /// It is not done, and the deadline is past.
    pub overdue: bool,
}

impl Pace {
    /// How many did what is asked within so many days.
    pub fn within(&self, days: i64) -> usize {
        let in_time = |answer: &&Answer| answer.after_ms.is_some_and(|after| after <= days * DAY_MS);
        self.answers.iter().filter(in_time).count()
    }

    /// How many did what is asked.
    pub fn done(&self) -> usize {
        self.answers
            .iter()
            .filter(|answer| answer.after_ms.is_some())
            .count()
    }

    /// After how long half of all had done what is asked, milliseconds; `None` while half of them have not.
    pub fn median_ms(&self) -> Option<i64> {
        let mut times: Vec<i64> = self.answers.iter().filter_map(|answer| answer.after_ms).collect();
        times.sort_unstable();
        let half = self.answers.len().div_ceil(2);
        times.get(half.checked_sub(1)?).copied()
    }

    /// Units with something overdue and how much that is, most first.
    pub fn overdue(&self) -> Vec<(UnitId, u64)> {
        let mut by_unit: BTreeMap<UnitId, u64> = BTreeMap::new();
        for answer in self.answers.iter().filter(|answer| answer.overdue) {
            *by_unit.entry(answer.unit).or_default() += 1;
        }
        let mut units: Vec<_> = by_unit.into_iter().collect();
        units.sort_by_key(|(unit, n)| (std::cmp::Reverse(*n), *unit));
        units
    }
}

/// How fast what was issued between two instants on the boards was carried out by the units of `acks`: what is in force, of
/// the newest directives.
///
/// # Errors
/// The store's.
pub fn pace(
    conn: &Connection,
    (boards, acks): (&Permit<Read>, &Permit<Read>),
    (from_ms, until_ms): (Option<i64>, Option<i64>),
    tree: &Tree,
    now_ms: i64,
) -> Result<Pace, RealmError> {
    let span = Span {
        units: boards.units().iter().copied().collect(),
        from_ms,
        until_ms,
    };
    let mut found = list(conn, boards, Some(&[span]), None, DIRECTIVES + 1)?;
    let mut pace = Pace {
        more: found.len() > DIRECTIVES,
        ..Pace::default()
    };
    found.truncate(DIRECTIVES);
    let mut of = Boards::new(conn, acks, tree)?;
    for directive in found {
        let withdraws = directive
            .relation
            .is_some_and(|(kind, _)| kind == Relation::Withdraws);
        if withdraws || ended_by(conn, tree, &directive)?.is_some() {
            continue;
        }
        let board = of.board(&directive)?;
        pace.directives += usize::from(!board.units.is_empty());
        pace.answers.extend(board.units.iter().map(|standing| {
            let finished = standing.progress.finished(directive.asks);
            let due = standing.progress.due(&directive, now_ms);
            Answer {
                unit: standing.unit,
                after_ms: finished.map(|at_ms| (at_ms - directive.issued_at_ms).max(0)),
                overdue: due == Due::Overdue,
            }
        }));
    }
    Ok(pace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(n: u64) -> UnitId {
        UnitId::from_parts(n, 0)
    }

    fn pace(answers: &[(u64, Option<i64>, bool)]) -> Pace {
        let answers = answers.iter().map(|(of, days, overdue)| Answer {
            unit: unit(*of),
            after_ms: days.map(|days| days * DAY_MS),
            overdue: *overdue,
        });
        Pace {
            answers: answers.collect(),
            ..Pace::default()
        }
    }

    #[test]
    fn who_is_not_done_counts_as_slower_than_everybody_else() {
        let some = pace(&[(1, Some(1), false), (2, Some(9), false), (3, None, true)]);
        assert_eq!(
            (some.within(1), some.within(8), some.within(9), some.done()),
            (1, 1, 2, 2)
        );
        assert_eq!(some.median_ms(), Some(9 * DAY_MS));
        let few = pace(&[(1, Some(1), false), (2, None, false), (3, None, false)]);
        assert_eq!(few.median_ms(), None, "half of them are not done");
        assert_eq!(pace(&[]).median_ms(), None);
    }

    #[test]
    fn who_has_most_overdue_comes_first() {
        let some = pace(&[
            (1, None, true),
            (2, None, true),
            (2, None, true),
            (3, Some(2), false),
        ]);
        assert_eq!(some.overdue(), [(unit(2), 2), (unit(1), 1)]);
    }
}
