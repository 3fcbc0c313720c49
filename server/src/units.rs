//! Units from a CSV file: `code,parent_code,level,name` with a header; further columns are ignored.
//!
//! A code is text – it has leading zeros –, and it is unique among the units of one import only: codes are reused when
//! units change, so a unit gets an identity of its own. Importing the same rows for the same day again changes nothing.
//! What becomes of units afterwards is [`change`], and of many at once [`reform`].

pub mod change;
pub mod eras;
pub mod history;
pub mod reform;

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io::Read;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction};
use serde::Deserialize;
use serde_json::json;
use sync_core::ids::UnitId;
use unicode_normalization::UnicodeNormalization;

use crate::audit::{self, Act, By};
use crate::lines::{self, RowError};
use crate::policy::{Permit, Write};
use change::{Change, ChangeError, Period};

/// Longest name, code and level, in bytes.
const TEXT_BYTES: usize = 200;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct UnitRow {
    /// Official code.
    pub code: String,
    /// The code of the unit above; empty at the top.
    pub parent_code: String,
    /// What kind of unit.
    pub level: String,
    /// Its name.
    pub name: String,
}

/// A file that cannot be imported. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// Not CSV, or a column is missing; the line is named.
    #[error("the file is not CSV with the right columns: {0}")]
    Csv(#[from] csv::Error),
    /// Lines that cannot be taken, each with its number.
    #[error("{}", lines::told(.0))]
    Rows(Vec<RowError>),
    /// What comes out is not possible.
    #[error(transparent)]
    Change(ChangeError),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Reads and checks a file.
///
/// # Errors
/// [`UnitsError`] names every line that cannot be taken.
pub fn parse(input: impl Read) -> Result<Vec<UnitRow>, UnitsError> {
    let mut reader = reader(input)?;
    let (mut rows, mut codes, mut bad) = (Vec::new(), HashSet::new(), Vec::new());
    for (row, line) in reader.deserialize::<UnitRow>().zip(2..) {
        let row = row?;
        let nfc = |text: &str| text.nfc().collect::<String>();
        let row = UnitRow {
            code: row.code,
            parent_code: row.parent_code,
            level: nfc(&row.level),
            name: nfc(&row.name),
        };
        let mut refuse = |key, parts: &[(_, &dyn Display)]| bad.push(RowError::new(line, key, parts));
        if [&row.code, &row.level, &row.name]
            .iter()
            .any(|text| !(1..=TEXT_BYTES).contains(&text.len()))
        {
            refuse("line-unit-text", &[("most", &TEXT_BYTES)]);
        }
        if !codes.insert(row.code.clone()) {
            refuse("line-code-earlier", &[("code", &row.code)]);
        }
        rows.push(row);
    }
    if bad.is_empty() {
        Ok(rows)
    } else {
        Err(UnitsError::Rows(bad))
    }
}

/// A reader that takes a byte order mark for what it is.
fn reader<R: Read>(input: R) -> Result<csv::Reader<R>, UnitsError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let headers: csv::StringRecord = reader
        .headers()?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}'))
        .collect();
    reader.set_headers(headers);
    Ok(reader)
}

/// Adds units that hold from a day on, under units that the permit holds for. One that is there already must be there as
/// the line says. Gives how many are new.
///
/// # Errors
/// [`UnitsError`] names every line that cannot be taken; the caller rolls back.
pub fn import(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    rows: &[UnitRow],
    valid_from: Date,
    mut fresh: impl FnMut() -> UnitId,
) -> Result<usize, UnitsError> {
    let day = valid_from.to_string();
    let (mut ids, mut bad) = (HashMap::new(), Vec::new());
    let (mut known, mut new) = (HashSet::new(), Vec::new());
    for row in rows {
        let id = by_code(tx, &row.code, &day)?;
        known.extend(id);
        let id = id.unwrap_or_else(|| {
            let id = fresh();
            new.push(id);
            id
        });
        ids.insert(row.code.as_str(), id);
    }
    for (row, line) in rows.iter().zip(2..) {
        let mut refuse = |key, code: &str| bad.push(RowError::new(line, key, &[("code", &code)]));
        let Some(unit) = ids.get(row.code.as_str()).copied() else {
            continue;
        };
        let parent = match row.parent_code.as_str() {
            "" => None,
            code => match ids
                .get(code)
                .copied()
                .map_or_else(|| by_code(tx, code, &day), |id| Ok(Some(id)))?
            {
                Some(parent) => Some(parent),
                None => {
                    refuse("line-no-unit", code);
                    continue;
                }
            },
        };
        let period = Period {
            level: row.level.clone(),
            code: row.code.clone(),
            name: row.name.clone(),
            parent,
        };
        if !known.contains(&unit) {
            let create = Change::Create { unit, period };
            if change::in_reach(&create, permit, by, &new).is_err() {
                refuse("line-above-beyond", &row.code);
                continue;
            }
            change::apply(tx, valid_from, &create)?;
        } else if change::period_on(tx, unit, valid_from)? != period {
            refuse("line-unit-differs", &row.code);
        }
    }
    if !bad.is_empty() {
        return Err(UnitsError::Rows(bad));
    }
    change::check(tx, valid_from)?;
    let added = rows.len() - known.len();
    let told = json!({ "added": added, "from": valid_from.to_string() });
    audit::record(tx, by, Act::UnitsImported, &audit::Change::now("units", told))?;
    Ok(added)
}

/// The unit that has a code on a day.
///
/// # Errors
/// The store's.
pub fn by_code(conn: &Connection, code: &str, day: &str) -> rusqlite::Result<Option<UnitId>> {
    conn.prepare_cached(
        "SELECT unit FROM unit_period WHERE code = ?1 AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2)",
    )?
    .query_row([code, day], |row| row.get(0).map(UnitId::from_bytes))
    .optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_with_its_traps() {
        let file = "\u{feff}code,parent_code,level,name,lat\n01,,district,Huye\u{302}\u{323}n A,1\n007,01,commune,Xã B,2\n";
        let rows = parse(file.as_bytes()).unwrap();
        assert_eq!(rows[0].name, "Huyện A", "names are NFC");
        assert_eq!(rows[1].code, "007", "codes keep their zeros");
    }

    #[test]
    fn a_bad_line_is_named() {
        let line = |body: &str| {
            parse(format!("code,parent_code,level,name\n{body}").as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert!(line("1,,x,A\n1,,x,B\n").starts_with("line 3"));
        assert!(line("1,,x,A\n2,,,B\n").starts_with("line 3"));
        assert_eq!(
            line("1,,,A\n1,,x,B\n").lines().count(),
            2,
            "every bad line is named"
        );
        assert!(parse("code,name\n1,A\n".as_bytes()).is_err());
    }
}
