//! Sums of the records by unit, day, category and outcome: what overviews, charts and reports are made of.
//!
//! They are kept where the rows are written, in the same transaction: a row that is about to change leaves its sums, and
//! joins them again as it is then. So nothing here ever reads a record to answer, and `langso verify` proves the sums equal
//! to those of the rows. A day is a day in Vietnam, and eras of the tree begin at midnight there: any view is a sum of days.

mod part;

use jiff::civil::Date;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::Serialize;
use sync_core::ids::UnitId;
use utoipa::ToSchema;

use crate::clock::{day_of, midnight_ms};
use crate::policy::{Permit, Read};
use crate::records::Span;
pub(crate) use part::{Part, differences, moved};

const DAY_MS: i64 = 24 * 3_600_000;

/// Sums of some records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sums {
    /// Records that were not taken back. Everything else but the last is of these alone.
    pub records: u64,
    /// People helped.
    pub people: u64,
    /// How many citizens were satisfied so much, from 1 to 5. Not every one was asked.
    #[schema(min_items = 5, max_items = 5)]
    pub stars: [u64; 5],
    /// Records that were taken back.
    pub retracted: u64,
}

impl Sums {
    /// How many citizens said how satisfied they were.
    pub fn rated(&self) -> u64 {
        self.stars.iter().sum()
    }

    /// How satisfied they were on average, from 1 to 5; `None` if nobody said.
    pub fn satisfaction(&self) -> Option<f64> {
        let total: u64 = (1..).zip(self.stars).map(|(star, count)| star * count).sum();
        let rated = self.rated();
        (rated > 0).then(|| total as f64 / rated as f64)
    }
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.people += other.people;
        self.retracted += other.retracted;
        self.stars
            .iter_mut()
            .zip(other.stars)
            .for_each(|(star, more)| *star += more);
    }
}

impl std::iter::Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

/// Days in Vietnam.
#[derive(Clone, Debug, Default)]
pub struct Days {
    /// The first; `None`: from the beginning.
    pub from: Option<Date>,
    /// The first that is no longer meant; `None`: without an end.
    pub until: Option<Date>,
    /// Only in one of these: what was under a unit on its own date.
    pub spans: Option<Vec<Span>>,
}

impl Days {
    /// From a day up to and with another.
    pub fn through(from: Date, last: Date) -> Self {
        Self {
            from: Some(from),
            until: last.tomorrow().ok(),
            spans: None,
        }
    }

    /// The days between two midnights in Vietnam, UTC milliseconds.
    pub fn between(from_ms: Option<i64>, until_ms: Option<i64>) -> Self {
        Self {
            from: from_ms.map(day_of),
            until: until_ms.map(day_of),
            spans: None,
        }
    }

    /// The condition on columns `unit` and `day`, and its values.
    fn condition(&self, permit: &Permit<Read>) -> (String, Vec<Value>) {
        let (mut condition, mut values) = stretch(permit.units(), self.from, self.until);
        for (at, span) in self.spans.iter().flatten().enumerate() {
            let days = (span.from_ms.map(day_of), span.until_ms.map(day_of));
            let (part, more) = stretch(&span.units, days.0, days.1);
            condition.push_str(if at == 0 { " AND (" } else { " OR " });
            condition.push_str(&part);
            values.extend(more);
        }
        match self.spans.as_deref() {
            None => {}
            Some([]) => condition.push_str(" AND 0"),
            Some(_) => condition.push(')'),
        }
        (condition, values)
    }
}

/// Sums of a permit's units for some days.
///
/// # Errors
/// The store's.
pub fn total(conn: &Connection, permit: &Permit<Read>, days: &Days) -> rusqlite::Result<Sums> {
    Ok(by_unit(conn, permit, days)?
        .into_iter()
        .map(|(_, sums)| sums)
        .sum())
}

/// Sums of each unit that has records.
///
/// # Errors
/// The store's.
pub fn by_unit(
    conn: &Connection,
    permit: &Permit<Read>,
    days: &Days,
) -> rusqlite::Result<Vec<(UnitId, Sums)>> {
    grouped(conn, permit, days, "unit", |row| {
        row.get(0).map(UnitId::from_bytes)
    })
}

/// Sums of each day that has records, ascending.
///
/// # Errors
/// The store's.
pub fn by_day(conn: &Connection, permit: &Permit<Read>, days: &Days) -> rusqlite::Result<Vec<(Date, Sums)>> {
    grouped(conn, permit, days, "day", |row| row.get(0).map(date))
}

/// Sums of each category, the most frequent first.
///
/// # Errors
/// The store's.
pub fn by_category(
    conn: &Connection,
    permit: &Permit<Read>,
    days: &Days,
) -> rusqlite::Result<Vec<(String, Sums)>> {
    Ok(most_first(grouped(conn, permit, days, "category", |row| {
        row.get(0)
    })?))
}

/// Sums of each outcome, the most frequent first.
///
/// # Errors
/// The store's.
pub fn by_outcome(
    conn: &Connection,
    permit: &Permit<Read>,
    days: &Days,
) -> rusqlite::Result<Vec<(String, Sums)>> {
    Ok(most_first(grouped(conn, permit, days, "outcome", |row| {
        row.get(0)
    })?))
}

/// Sums of each unit on each day that has records: by unit, then ascending by day.
///
/// # Errors
/// The store's.
pub fn grid(
    conn: &Connection,
    permit: &Permit<Read>,
    days: &Days,
) -> rusqlite::Result<Vec<((UnitId, Date), Sums)>> {
    grouped(conn, permit, days, "unit, day", |row| {
        Ok((UnitId::from_bytes(row.get(0)?), date(row.get(1)?)))
    })
}

/// Sums of each category in each unit.
///
/// # Errors
/// The store's.
pub fn by_unit_and_category(
    conn: &Connection,
    permit: &Permit<Read>,
    days: &Days,
) -> rusqlite::Result<Vec<((UnitId, String), Sums)>> {
    grouped(conn, permit, days, "unit, category", |row| {
        Ok((UnitId::from_bytes(row.get(0)?), row.get(1)?))
    })
}

/// A unit, a category and an outcome.
pub type Kind = (UnitId, String, String);

/// Sums of each category and outcome in each unit: the finest there is but for the day.
///
/// # Errors
/// The store's.
pub fn by_unit_category_and_outcome(
    conn: &Connection,
    permit: &Permit<Read>,
    days: &Days,
) -> rusqlite::Result<Vec<(Kind, Sums)>> {
    grouped(conn, permit, days, "unit, category, outcome", |row| {
        Ok((UnitId::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?))
    })
}

fn most_first(mut sums: Vec<(String, Sums)>) -> Vec<(String, Sums)> {
    sums.sort_by(|(a, x), (b, y)| (y.records, a).cmp(&(x.records, b)));
    sums
}

/// Sums under the keys that some columns make; the sums stand behind these columns.
fn grouped<K>(
    conn: &Connection,
    permit: &Permit<Read>,
    days: &Days,
    columns: &str,
    key: impl Fn(&Row<'_>) -> rusqlite::Result<K>,
) -> rusqlite::Result<Vec<(K, Sums)>> {
    let (condition, values) = days.condition(permit);
    let sql = format!(
        "SELECT {columns}, sum(records), sum(people), sum(stars_1), sum(stars_2), sum(stars_3), sum(stars_4),
                sum(stars_5), sum(retracted)
         FROM daily WHERE {condition} GROUP BY {columns} ORDER BY {columns}"
    );
    let behind = columns.split(',').count();
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((key(row)?, sums(row, behind)?))
    })?;
    rows.collect()
}

fn sums(row: &Row<'_>, at: usize) -> rusqlite::Result<Sums> {
    let mut stars = [0; 5];
    for (star, column) in stars.iter_mut().zip(at + 2..) {
        *star = row.get(column)?;
    }
    Ok(Sums {
        records: row.get(at)?,
        people: row.get(at + 1)?,
        stars,
        retracted: row.get(at + 7)?,
    })
}

/// Units for some days, as a condition.
fn stretch<'a>(
    units: impl IntoIterator<Item = &'a UnitId>,
    from: Option<Date>,
    until: Option<Date>,
) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = units
        .into_iter()
        .map(|unit| unit.to_bytes().to_vec().into())
        .collect();
    let marks = vec!["?"; values.len()].join(", ");
    values.push(from.and_then(number).unwrap_or(i64::MIN).into());
    values.push(until.and_then(number).unwrap_or(i64::MAX).into());
    (format!("(unit IN ({marks}) AND day >= ? AND day < ?)"), values)
}

/// A day as it stands in the table; `None` beyond the years that a timestamp has.
fn number(day: Date) -> Option<i64> {
    Some((midnight_ms(day)? - midnight_ms(Date::constant(1970, 1, 1))?) / DAY_MS)
}

fn date(number: i64) -> Date {
    // Vietnam is ahead of UTC: midnight there begins the day in both.
    day_of(number.saturating_mul(DAY_MS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date as day;
    use sync_core::ids::{AccountId, Class, DeviceId, DocumentId, Month, RecordId};
    use sync_core::projection::RowChange;
    use sync_core::record::{Assistance, RetractReason, Retraction};

    use super::*;
    use crate::policy::console;
    use crate::rows;
    use crate::store::migrate;

    fn unit(n: u64) -> UnitId {
        UnitId::from_parts(n, 0)
    }

    /// A store of rows that follow from no log.
    fn store() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        conn.pragma_update(None, "foreign_keys", false).unwrap();
        conn
    }

    fn help(n: u64, of: u64, at: Date) -> Assistance {
        let author = AccountId::from_parts(1, 1);
        Assistance {
            id: RecordId::from_parts(n, 0),
            document: DocumentId::new(Class::Ledger, unit(of), Some(Month(58))).unwrap(),
            occurred_at_ms: midnight_ms(at).unwrap(),
            category: "dich_vu_cong".into(),
            procedure: None,
            channel: "tai_nha".into(),
            outcome: "hoan_thanh".into(),
            people: 2,
            minutes: None,
            satisfaction: Some(4),
            recorded_by: author,
            device: DeviceId::from_parts(1, 1),
            recorded_at_ms: 0,
            retraction: None,
            sealed: BTreeMap::new(),
            unknown: BTreeMap::new(),
            conflicts: Vec::new(),
        }
    }

    fn put(conn: &mut Connection, row: &Assistance) {
        let tx = conn.transaction().unwrap();
        rows::put(&tx, 1, &[RowChange::from(row.clone())]).unwrap();
        tx.commit().unwrap();
        assert_eq!(differences(conn).unwrap(), (0, 0));
    }

    #[test]
    fn a_row_that_changes_leaves_its_old_sums_and_joins_the_new() {
        let (mut conn, permit) = (store(), console([unit(1)]).to_read());
        let mut row = help(1, 1, day(2024, 11, 8));
        put(&mut conn, &row);
        put(&mut conn, &help(2, 1, day(2024, 11, 8)));
        row.category = "dinh_danh".into();
        row.satisfaction = Some(1);
        row.occurred_at_ms += DAY_MS - 1;
        put(&mut conn, &row);
        let sums = by_category(&conn, &permit, &Days::default()).unwrap();
        let of = |stars| Sums {
            records: 1,
            people: 2,
            stars,
            retracted: 0,
        };
        assert_eq!(
            sums,
            [
                ("dich_vu_cong".to_owned(), of([0, 0, 0, 1, 0])),
                ("dinh_danh".to_owned(), of([1, 0, 0, 0, 0]))
            ]
        );
        row.retraction = Some(Retraction {
            reason: RetractReason::Mistake,
            by: row.recorded_by,
            at_ms: 0,
        });
        put(&mut conn, &row);
        let sums = total(&conn, &permit, &Days::default()).unwrap();
        assert_eq!((sums.records, sums.retracted, sums.rated()), (1, 1, 1));
        assert_eq!(sums.satisfaction(), Some(4.0));
        // Of what nobody has any more no sum is left.
        let left: i64 = conn
            .query_row("SELECT count(*) FROM daily", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 2);
    }

    #[test]
    fn a_day_is_one_in_vietnam() {
        let (mut conn, permit) = (store(), console([unit(1)]).to_read());
        let mut last = help(1, 1, day(2024, 11, 8));
        last.occurred_at_ms += DAY_MS - 1;
        put(&mut conn, &last);
        put(&mut conn, &help(2, 1, day(2024, 11, 9)));
        let days = by_day(&conn, &permit, &Days::default()).unwrap();
        assert_eq!(
            days.iter()
                .map(|(day, sums)| (*day, sums.records))
                .collect::<Vec<_>>(),
            [(day(2024, 11, 8), 1), (day(2024, 11, 9), 1)]
        );
        let first = Days::through(day(2024, 11, 1), day(2024, 11, 8));
        assert_eq!(total(&conn, &permit, &first).unwrap().records, 1);
    }

    #[test]
    fn sums_are_of_the_permits_units_and_of_the_spans_asked_for() {
        let mut conn = store();
        for (n, of, at) in [(1, 1, 8), (2, 2, 8), (3, 2, 20), (4, 3, 8)] {
            put(&mut conn, &help(n, of, day(2024, 11, at)));
        }
        let permit = console([unit(1), unit(2)]).to_read();
        let grid = grid(&conn, &permit, &Days::default()).unwrap();
        let cells: Vec<_> = grid.iter().map(|((unit, day), _)| (*unit, day.day())).collect();
        assert_eq!(cells, [(unit(1), 8), (unit(2), 8), (unit(2), 20)]);
        let span = Span {
            units: vec![unit(2), unit(3)],
            from_ms: None,
            until_ms: midnight_ms(day(2024, 11, 9)),
        };
        let was = |spans| Days {
            spans: Some(spans),
            ..Days::default()
        };
        assert_eq!(total(&conn, &permit, &was(vec![span])).unwrap().records, 1);
        assert_eq!(total(&conn, &permit, &was(Vec::new())).unwrap(), Sums::default());
    }

    #[test]
    fn sums_are_read_by_unit_and_day_and_no_record_with_them() {
        let (conn, permit) = (store(), console((0..120).map(unit)).to_read());
        let (condition, values) = Days::through(day(2024, 11, 1), day(2024, 11, 30)).condition(&permit);
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT day, sum(records) FROM daily WHERE {condition} GROUP BY day");
        let mut statement = conn.prepare(&sql).unwrap();
        let plan = statement
            .query_map(params_from_iter(values), |row| row.get(3))
            .unwrap();
        let plan: Vec<String> = plan.collect::<rusqlite::Result<_>>().unwrap();
        assert!(
            plan[0].starts_with("SEARCH daily USING PRIMARY KEY (unit=? AND day>? AND day<?)"),
            "{plan:?}"
        );
    }
}
