//! The catalogue: categories, procedures with their national codes, channels and outcomes, from a CSV file
//! `kind,code,name_vi` with a header; optionally `name_en`, `parent` (of a procedure: its category), `weight` and
//! `valid_to`.
//!
//! A code is never reused for something else: a line with a known code gives it another name, weight or end. An entry that
//! says something else is another record of the document; of several with one kind and code the one made last counts.
//! What is in no line stays as it is. All of a file or nothing.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use jiff::civil::Date;
use rusqlite::{Connection, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use sync_core::document::schema::Schema;
use sync_core::ids::{Class, RecordId};
use sync_core::record::{CatalogueKind, Scalar};
use unicode_normalization::UnicodeNormalization;

pub use names::Names;

use crate::audit::{self, Act, By, Change};
use crate::clock::day_of;
use crate::lines::{self, Problem, RowError};
use crate::policy::{Permit, Write};
use crate::realm::{self, RealmError};

/// The kinds that there are.
pub const KINDS: &[&str] = CatalogueKind::CODES;

/// One line, and one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// One of [`KINDS`].
    pub kind: String,
    /// What records say.
    pub code: String,
    /// Vietnamese.
    pub name_vi: String,
    /// English.
    #[serde(default)]
    pub name_en: String,
    /// The category of a procedure.
    #[serde(default)]
    pub parent: String,
    /// How much one counts in comparisons, 0–1000.
    #[serde(default)]
    pub weight: Option<i64>,
    /// The first day on which it is no longer chosen.
    #[serde(default)]
    pub valid_to: Option<Date>,
}

/// A file that cannot be imported. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not CSV, or a column is missing; the line is named.
    #[error("the file is not CSV with the columns kind, code, name_vi: {0}")]
    Csv(#[from] csv::Error),
    /// Lines that cannot be taken.
    #[error("{}", lines::told(.0))]
    Rows(Vec<RowError>),
    /// The catalogue is the whole realm's, and the permit is not.
    #[error("the catalogue is the whole realm's")]
    OutOfReach,
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Entries that are new.
    pub added: usize,
    /// Entries that say something else now.
    pub changed: usize,
}

/// Reads a file, in NFC.
///
/// # Errors
/// [`CatalogueError::Csv`].
pub fn parse(input: impl Read) -> Result<Vec<Entry>, CatalogueError> {
    let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let rows = reader.into_deserialize::<Entry>().map(|row| {
        row.map(|row| Entry {
            name_vi: row.name_vi.nfc().collect(),
            name_en: row.name_en.nfc().collect(),
            ..row
        })
    });
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds and changes entries, for whom the permit holds for at every root: the catalogue is the whole realm's. `fresh` gives
/// the ids of new ones.
///
/// # Errors
/// [`CatalogueError`] names every line that cannot be taken; the caller rolls back.
pub fn import(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    entries: &[Entry],
    by: &By,
    mut fresh: impl FnMut() -> RecordId,
) -> Result<Imported, CatalogueError> {
    let tree = realm::tree(tx, day_of(by.now_ms))?;
    if !tree.roots().iter().all(|root| permit.units().contains(root)) {
        return Err(CatalogueError::OutOfReach);
    }
    let known = list(tx)?;
    let categories: BTreeSet<&str> = known
        .iter()
        .map(|(_, entry)| entry)
        .chain(entries)
        .filter(|entry| entry.kind == "category")
        .map(|entry| entry.code.as_str())
        .collect();
    let (mut imported, mut bad, mut seen) = (Imported { added: 0, changed: 0 }, Vec::new(), BTreeSet::new());
    for (entry, line) in entries.iter().zip(2..) {
        let mut refuse = |problem| bad.push(RowError { line, problem });
        if let Err(problem) = entry.check() {
            refuse(problem);
            continue;
        }
        if !seen.insert((&entry.kind, &entry.code)) {
            refuse(Problem::new("line-code-earlier", &[("code", &entry.code)]));
        }
        if !entry.parent.is_empty() && !categories.contains(entry.parent.as_str()) {
            refuse(Problem::new("line-no-category", &[("code", &entry.parent)]));
        }
        let same = |(_, other): &&(RecordId, Entry)| other.kind == entry.kind && other.code == entry.code;
        match known.iter().find(same) {
            Some((_, other)) if other == entry => continue,
            Some(_) => imported.changed += 1,
            None => imported.added += 1,
        }
        put(tx, entry, &mut fresh)?;
    }
    if !bad.is_empty() {
        return Err(CatalogueError::Rows(bad));
    }
    let told = serde_json::json!({ "added": imported.added, "changed": imported.changed });
    audit::record(tx, by, Act::CatalogueImported, &Change::now("catalogue", told))?;
    Ok(imported)
}

/// What a file would change: each entry that is not there as its line says, before and after.
///
/// # Errors
/// The store's.
pub fn differences(conn: &Connection, entries: &[Entry]) -> rusqlite::Result<Vec<(Option<Entry>, Entry)>> {
    let known = list(conn)?;
    let differs = |entry: &Entry| {
        let same = |(_, other): &&(RecordId, Entry)| other.kind == entry.kind && other.code == entry.code;
        let before = known.iter().find(same).map(|(_, other)| other.clone());
        (before.as_ref() != Some(entry)).then(|| (before, entry.clone()))
    };
    Ok(entries.iter().filter_map(differs).collect())
}

fn put(tx: &Transaction<'_>, entry: &Entry, mut fresh: impl FnMut() -> RecordId) -> rusqlite::Result<()> {
    let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
    tx.prepare_cached(
        "INSERT INTO catalogue (kind, code, record, name_vi, name_en, parent, weight, valid_to)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (kind, code) DO UPDATE SET record = excluded.record, name_vi = excluded.name_vi, name_en = excluded.name_en,
           parent = excluded.parent, weight = excluded.weight, valid_to = excluded.valid_to",
    )?
    .execute(params![
        entry.kind,
        entry.code,
        fresh().to_bytes(),
        entry.name_vi,
        filled(&entry.name_en),
        filled(&entry.parent),
        entry.weight,
        entry.valid_to.map(|day| day.to_string())
    ])?;
    Ok(())
}

/// Every entry, with the record that it is in the catalogue's document.
///
/// # Errors
/// The store's.
pub fn list(conn: &Connection) -> rusqlite::Result<Vec<(RecordId, Entry)>> {
    let mut statement = conn.prepare_cached(&format!("{ENTRY} ORDER BY kind, code"))?;
    let rows = statement.query_map([], entry_row)?;
    rows.collect()
}

/// Entries – of a kind, or of each –, by kind and code, after one of them, at most `limit`.
///
/// # Errors
/// The store's.
pub fn page(
    conn: &Connection,
    kind: Option<&str>,
    after: Option<&(String, String)>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let (after_kind, after_code) = after.map_or(("", ""), |(kind, code)| (kind.as_str(), code.as_str()));
    let of_kind = if kind.is_some() { "kind = ?1" } else { "?1 IS NULL" };
    let sql = format!("{ENTRY} WHERE {of_kind} AND (kind, code) > (?2, ?3) ORDER BY kind, code LIMIT ?4");
    let mut statement = conn.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![kind, after_kind, after_code, limit], entry_row)?;
    rows.map(|row| Ok(row?.1)).collect()
}

/// How many entries there are of each kind that has some.
///
/// # Errors
/// The store's.
pub fn counts(conn: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut statement = conn.prepare_cached("SELECT kind, count(*) FROM catalogue GROUP BY kind")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

const ENTRY: &str =
    "SELECT record, kind, code, name_vi, coalesce(name_en, ''), coalesce(parent, ''), weight, valid_to
                     FROM catalogue";

fn entry_row(row: &Row<'_>) -> rusqlite::Result<(RecordId, Entry)> {
    let entry = Entry {
        kind: row.get(1)?,
        code: row.get(2)?,
        name_vi: row.get(3)?,
        name_en: row.get(4)?,
        parent: row.get(5)?,
        weight: row.get(6)?,
        valid_to: row.get::<_, Option<String>>(7)?.and_then(|day| day.parse().ok()),
    };
    Ok((RecordId::from_bytes(row.get(0)?), entry))
}

impl Entry {
    /// Its fields as they stand in the document: those that it has.
    pub fn fields(&self) -> Vec<(&'static str, Scalar)> {
        let text = |text: &str| (!text.is_empty()).then(|| Scalar::Text(text.to_owned()));
        let fields = [
            ("kind", text(&self.kind)),
            ("code", text(&self.code)),
            ("name_vi", text(&self.name_vi)),
            ("name_en", text(&self.name_en)),
            ("parent", text(&self.parent)),
            ("weight", self.weight.map(Scalar::Int)),
            ("valid_to", self.valid_to.map(|day| Scalar::Text(day.to_string()))),
        ];
        fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }

    /// Whether the document would take it.
    fn check(&self) -> Result<(), Problem> {
        if !KINDS.contains(&self.kind.as_str()) {
            return Err(Problem::new("line-kind", &[("kinds", &KINDS.join(", "))]));
        }
        let schema = Schema::of(Class::Catalogue);
        for required in schema.required() {
            if !self.fields().iter().any(|(key, _)| *key == required.key) {
                return Err(Problem::new("line-missing", &[("field", &required.key)]));
            }
        }
        for (key, value) in self.fields() {
            let judged = schema.judge_scalar(key, &value);
            judged.map_err(|misfit| Problem::new("line-misfit", &[("field", &key), ("misfit", &misfit)]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "kind,code,name_vi,name_en,parent,weight,valid_to
category,dich_vu_cong,Dịch vụ công trực tuyến,Online public service,,,
procedure,1.004194,Đăng ký tạm trú,,dich_vu_cong,3,
outcome,hoan_thanh,Hoàn thành,Done,,,2026-01-01
";

    fn conn() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        crate::store::migrate(&mut conn).unwrap();
        conn
    }

    fn taken(conn: &mut Connection, csv: &str) -> Result<Imported, CatalogueError> {
        let entries = parse(csv.as_bytes())?;
        let tx = conn.transaction().unwrap();
        let fresh = || RecordId::from_parts(1, crate::clock::random_bits());
        let permit = crate::policy::console([]);
        let imported = import(&tx, &permit, &entries, &By::console(0), fresh)?;
        tx.commit().unwrap();
        Ok(imported)
    }

    #[test]
    fn a_catalogue_comes_from_a_file_and_is_changed_by_the_next() {
        let mut conn = conn();
        assert_eq!(taken(&mut conn, GOOD).unwrap(), Imported { added: 3, changed: 0 });
        assert_eq!(taken(&mut conn, GOOD).unwrap(), Imported { added: 0, changed: 0 });
        let before = list(&conn).unwrap();
        let renamed = GOOD.replace("Đăng ký tạm trú", "Đăng ký thường trú");
        assert_eq!(
            taken(&mut conn, &renamed).unwrap(),
            Imported { added: 0, changed: 1 }
        );
        let after = list(&conn).unwrap();
        let ids = |entries: &[(RecordId, Entry)]| entries.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let differ = ids(&before)
            .iter()
            .zip(ids(&after))
            .filter(|(a, b)| **a != *b)
            .count();
        assert_eq!(differ, 1, "an entry that says something else is another record");
        assert_eq!(after[2].1.name_vi, "Đăng ký thường trú");
    }

    #[test]
    fn lines_that_no_document_would_take_are_named_and_nothing_is_done() {
        let mut conn = conn();
        let bad = "kind,code,name_vi,name_en,parent,weight,valid_to
thing,a,A,,,,
category,b,,,,,
procedure,c,C,,nowhere,,
procedure,d,D,,,2000,
category,e,E,,,,
category,e,E,,,,
";
        let refused = taken(&mut conn, bad).unwrap_err().to_string();
        for line in [
            "line 2: the kind",
            "line 3: name_vi",
            "line 4: there is no category",
            "line 5: weight",
            "line 7",
        ] {
            assert!(refused.contains(line), "{line}: {refused}");
        }
        assert!(list(&conn).unwrap().is_empty());
    }
}
