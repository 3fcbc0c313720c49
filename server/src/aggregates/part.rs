//! What one record adds to the sums: taken out and put in where its row is written, and proven by the rows.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sync_core::ids::RecordId;
use sync_core::record::Assistance;

use super::DAY_MS;

/// How far Vietnam is ahead of UTC.
const VIETNAM_MS: i64 = 7 * 3_600_000;
/// Columns of sums.
const SUMS: usize = 8;

/// What one record adds to the sums, and under which key: the columns of the table.
const PART: &str = "unit, (occurred_at + 25200000) / 86400000, category, outcome,
    retracted_reason IS NULL,
    people * (retracted_reason IS NULL),
    retracted_reason IS NOT NULL,
    retracted_reason IS NULL AND satisfaction IS 1,
    retracted_reason IS NULL AND satisfaction IS 2,
    retracted_reason IS NULL AND satisfaction IS 3,
    retracted_reason IS NULL AND satisfaction IS 4,
    retracted_reason IS NULL AND satisfaction IS 5";

/// The same of a row in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    unit: [u8; 16],
    day: i64,
    category: String,
    outcome: String,
    /// Records, people, taken back, and so many stars each.
    sums: [i64; SUMS],
}

impl Part {
    /// What a record adds.
    pub(crate) fn of(row: &Assistance) -> Self {
        let counts = i64::from(row.retraction.is_none());
        let stars = |star: u8| counts * i64::from(row.satisfaction == Some(star));
        Self {
            unit: row.document.unit().to_bytes(),
            day: row.occurred_at_ms.saturating_add(VIETNAM_MS) / DAY_MS,
            category: row.category.clone(),
            outcome: row.outcome.clone(),
            sums: [
                counts,
                counts * i64::from(row.people),
                1 - counts,
                stars(1),
                stars(2),
                stars(3),
                stars(4),
                stars(5),
            ],
        }
    }

    /// What a record adds as its row is now; nothing if there is none.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn stored(conn: &Connection, record: RecordId) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {PART} FROM assistance WHERE record = ?");
        let mut statement = conn.prepare_cached(&sql)?;
        let part = statement.query_row([record.to_bytes()], |row| {
            let mut sums = [0; SUMS];
            for (sum, column) in sums.iter_mut().zip(4..) {
                *sum = row.get(column)?;
            }
            Ok(Self {
                unit: row.get(0)?,
                day: row.get(1)?,
                category: row.get(2)?,
                outcome: row.get(3)?,
                sums,
            })
        });
        part.optional()
    }

    /// Takes it out of the sums; of what nobody has any more no sum is left.
    fn leave(mut self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        self.sums.iter_mut().for_each(|sum| *sum = -*sum);
        self.join(tx)?;
        tx.prepare_cached(
            "DELETE FROM daily
             WHERE unit = ? AND day = ? AND category = ? AND outcome = ? AND records + retracted = 0",
        )?
        .execute(params![self.unit, self.day, self.category, self.outcome])?;
        Ok(())
    }

    /// Adds it to the sums.
    fn join(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let [records, people, retracted, one, two, three, four, five] = self.sums;
        tx.prepare_cached(
            "INSERT INTO daily VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET
               records = records + excluded.records, people = people + excluded.people,
               retracted = retracted + excluded.retracted, stars_1 = stars_1 + excluded.stars_1,
               stars_2 = stars_2 + excluded.stars_2, stars_3 = stars_3 + excluded.stars_3,
               stars_4 = stars_4 + excluded.stars_4, stars_5 = stars_5 + excluded.stars_5",
        )?
        .execute(params![
            self.unit,
            self.day,
            self.category,
            self.outcome,
            records,
            people,
            retracted,
            one,
            two,
            three,
            four,
            five
        ])?;
        Ok(())
    }
}

/// A row that added `before` adds `after` from now on. Most changes of a record do not touch the sums.
///
/// # Errors
/// The store's.
pub(crate) fn moved(tx: &Transaction<'_>, before: Option<Part>, after: &Part) -> rusqlite::Result<()> {
    if before.as_ref() == Some(after) {
        return Ok(());
    }
    if let Some(before) = before {
        before.leave(tx)?;
    }
    after.join(tx)
}

/// How many sums are missing or other than those of the rows, and how many there are that follow from no row.
///
/// # Errors
/// The store's.
pub(crate) fn differences(conn: &Connection) -> rusqlite::Result<(usize, usize)> {
    let (mut keys, mut columns) = (Vec::new(), Vec::new());
    for (at, column) in PART.split(",\n").enumerate() {
        if at == 0 {
            keys.push(column);
        } else {
            columns.push(format!("sum({})", column.trim()));
        }
    }
    let rows = format!(
        "SELECT {}, {} FROM assistance GROUP BY 1, 2, 3, 4",
        keys.join(", "),
        columns.join(", ")
    );
    let count = |sql: String| conn.query_row(&sql, [], |row| row.get(0));
    Ok((
        count(format!(
            "SELECT count(*) FROM ({rows} EXCEPT SELECT * FROM daily)"
        ))?,
        count(format!(
            "SELECT count(*) FROM (SELECT * FROM daily EXCEPT {rows})"
        ))?,
    ))
}
