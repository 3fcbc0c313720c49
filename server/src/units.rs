//! Units from a CSV file: `code,parent_code,level,name` with a header; further columns are ignored.
//!
//! A code is text – it has leading zeros –, and it is unique among the units of one import only: codes are reused when
//! units change, so a unit gets an identity of its own. Importing the same rows for the same day again changes nothing.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Deserialize;
use sync_core::ids::UnitId;
use unicode_normalization::UnicodeNormalization;

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
    /// Not CSV, or a column is missing.
    #[error("the file is not CSV with the columns code, parent_code, level, name: {0}")]
    Csv(#[from] csv::Error),
    /// A field is empty or too long.
    #[error("line {0}: code, level and name must have 1 to {TEXT_BYTES} bytes")]
    Field(u64),
    /// Two lines have the same code.
    #[error("line {0}: the code {1} stands on an earlier line")]
    Duplicate(u64, String),
    /// The parent is neither in the file nor in the store.
    #[error("line {0}: there is no unit with the code {1}")]
    NoParent(u64, String),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Reads and checks a file.
///
/// # Errors
/// [`UnitsError`] names the line.
pub fn parse(input: impl Read) -> Result<Vec<UnitRow>, UnitsError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let headers: csv::StringRecord = reader
        .headers()?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}'))
        .collect();
    reader.set_headers(headers);
    let (mut rows, mut codes) = (Vec::new(), HashSet::new());
    for (row, line) in reader.deserialize::<UnitRow>().zip(2..) {
        let row = row?;
        let nfc = |text: &str| text.nfc().collect::<String>();
        let row = UnitRow {
            code: row.code,
            parent_code: row.parent_code,
            level: nfc(&row.level),
            name: nfc(&row.name),
        };
        if [&row.code, &row.level, &row.name]
            .iter()
            .any(|text| !(1..=TEXT_BYTES).contains(&text.len()))
        {
            return Err(UnitsError::Field(line));
        }
        if !codes.insert(row.code.clone()) {
            return Err(UnitsError::Duplicate(line, row.code));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Adds units that hold from a day on. Gives how many are new.
///
/// # Errors
/// [`UnitsError`]; the caller rolls back.
pub fn import(
    tx: &Transaction<'_>,
    rows: &[UnitRow],
    valid_from: Date,
    mut fresh: impl FnMut() -> UnitId,
) -> Result<usize, UnitsError> {
    let day = valid_from.to_string();
    let mut ids: HashMap<&str, UnitId> = HashMap::new();
    let mut added = HashSet::new();
    for row in rows {
        let known = by_code(tx, &row.code, &day)?;
        let id = known.unwrap_or_else(&mut fresh);
        if known.is_none() {
            tx.prepare_cached("INSERT INTO unit (id) VALUES (?)")?
                .execute([id.to_bytes()])?;
            added.insert(id);
        }
        ids.insert(&row.code, id);
    }
    for (row, line) in rows.iter().zip(2..) {
        let Some(id) = ids.get(row.code.as_str()).filter(|id| added.contains(*id)) else {
            continue;
        };
        let parent = match row.parent_code.as_str() {
            "" => None,
            code => Some(match ids.get(code) {
                Some(id) => *id,
                None => {
                    by_code(tx, code, &day)?.ok_or_else(|| UnitsError::NoParent(line, code.to_owned()))?
                }
            }),
        };
        tx.prepare_cached(
            "INSERT INTO unit_period (unit, valid_from, level, code, name, parent) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            id.to_bytes(),
            day,
            row.level,
            row.code,
            row.name,
            parent.map(UnitId::to_bytes)
        ])?;
    }
    Ok(added.len())
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
        assert!(parse("code,name\n1,A\n".as_bytes()).is_err());
    }
}
