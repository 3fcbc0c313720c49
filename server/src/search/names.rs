//! Names: what is clear is folded and compared when somebody asks. There are thousands of them at most.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;
use sync_core::folding::{Word, words};
use sync_core::ids::{RecordId, UnitId};
use utoipa::ToSchema;

use super::{Fit, Words, index};
use crate::accounts::{self, AccountView};
use crate::policy::{Permit, Read};

/// A unit that was found, in one of its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnitFound {
    /// Its id.
    #[schema(value_type = UnitId)]
    pub id: String,
    /// Its level then.
    #[schema(examples("hamlet"))]
    pub level: String,
    /// Its code then.
    #[schema(examples("15367.01"))]
    pub code: String,
    /// Its name then.
    #[schema(examples("Thôn Đồng Minh"))]
    pub name: String,
    /// The name of the unit above it then: hamlets of one name are many.
    #[schema(examples("Xã Vĩnh Hưng"))]
    pub above: Option<String>,
    /// The first day of that time.
    #[schema(value_type = Date)]
    pub from: String,
    /// The first day after it; nothing: it is so today.
    #[schema(value_type = Option<Date>)]
    pub to: Option<String>,
}

/// An entry of the catalogue that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EntryFound {
    /// `procedure` or `category`.
    #[schema(examples("procedure"))]
    pub kind: String,
    /// Its code.
    #[schema(examples("1.004873"))]
    pub code: String,
    /// Its Vietnamese name.
    #[schema(examples("Cấp giấy xác nhận tình trạng hôn nhân"))]
    pub name: String,
}

/// A directive that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DirectiveFound {
    /// The record of this version.
    #[schema(value_type = RecordId)]
    pub id: String,
    /// Who issued it.
    #[schema(value_type = UnitId)]
    pub unit: String,
    /// Its number.
    #[schema(examples("12/UBND"))]
    pub number: String,
    /// Its title.
    #[schema(examples("Ra quân tháng Ba"))]
    pub title: String,
    /// When, UTC milliseconds.
    pub issued_at_ms: i64,
}

/// Units by a name that they bear or bore, of those that may be known; those of today before those that were.
///
/// # Errors
/// The store's.
pub fn units(
    conn: &Connection,
    known: &BTreeSet<UnitId>,
    sought: &Words,
    limit: usize,
) -> rusqlite::Result<Vec<UnitFound>> {
    let mut statement = conn.prepare_cached(
        "SELECT p.unit, p.level, p.code, p.name, p.valid_from, p.valid_to,
                (SELECT a.name FROM unit_period a WHERE a.unit = p.parent AND a.valid_from <= p.valid_from
                 ORDER BY a.valid_from DESC LIMIT 1)
         FROM unit_period p ORDER BY p.valid_to IS NOT NULL, p.valid_from DESC, p.code",
    )?;
    let rows = statement.query_map([], |row| {
        let id = UnitId::from_bytes(row.get(0)?);
        let found = UnitFound {
            id: id.to_string(),
            level: row.get(1)?,
            code: row.get(2)?,
            name: row.get(3)?,
            above: row.get(6)?,
            from: row.get(4)?,
            to: row.get(5)?,
        };
        Ok((id, found))
    })?;
    let rows = rows.filter(|row| row.as_ref().map_or(true, |(id, _)| known.contains(id)));
    let rows = rows.map(|row| row.map(|(_, unit)| unit));
    best(rows, sought, limit, |unit| format!("{} {}", unit.name, unit.code))
}

/// Procedures and categories by name or code. The catalogue is the whole realm's.
///
/// # Errors
/// The store's.
pub fn procedures(conn: &Connection, sought: &Words, limit: usize) -> rusqlite::Result<Vec<EntryFound>> {
    let mut statement = conn.prepare_cached(
        "SELECT kind, code, name_vi FROM catalogue WHERE kind IN ('procedure', 'category') ORDER BY kind, code",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(EntryFound {
            kind: row.get(0)?,
            code: row.get(1)?,
            name: row.get(2)?,
        })
    })?;
    best(rows, sought, limit, |entry| {
        format!("{} {}", entry.name, entry.code)
    })
}

/// Issued directives of a permit's units by number or title, newest first.
///
/// # Errors
/// The store's.
pub fn directives(
    conn: &Connection,
    permit: &Permit<Read>,
    sought: &Words,
    limit: usize,
) -> rusqlite::Result<Vec<DirectiveFound>> {
    let marks = vec!["?"; permit.units().len()].join(", ");
    let units = permit
        .units()
        .iter()
        .map(|unit| Value::from(unit.to_bytes().to_vec()));
    let sql = format!(
        "SELECT record, unit, number, title, issued_at FROM directive WHERE unit IN ({marks})
         ORDER BY issued_at DESC, record DESC"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(units), |row| {
        Ok(DirectiveFound {
            id: RecordId::from_bytes(row.get(0)?).to_string(),
            unit: UnitId::from_bytes(row.get(1)?).to_string(),
            number: row.get(2)?,
            title: row.get(3)?,
            issued_at_ms: row.get(4)?,
        })
    })?;
    best(rows, sought, limit, |found| {
        format!("{} {}", found.title, found.number)
    })
}

/// Accounts that a permit to manage them holds for, by username or the name of the person.
///
/// # Errors
/// The store's.
pub fn accounts(
    conn: &Connection,
    permit: &Permit<Read>,
    sought: &Words,
    limit: usize,
) -> rusqlite::Result<Vec<AccountView>> {
    let rows = accounts::list(conn, permit)?.into_iter().map(Ok);
    best(rows, sought, limit, |account| {
        format!("{} {}", account.name, account.username)
    })
}

/// Those that answer, the best first, otherwise in their order.
fn best<T>(
    rows: impl Iterator<Item = rusqlite::Result<T>>,
    sought: &Words,
    limit: usize,
    text: impl Fn(&T) -> String,
) -> rusqlite::Result<Vec<T>> {
    let mut found = Vec::new();
    for row in rows {
        let row = row?;
        if let Some(rank) = sought.names.rank(&text(&row)) {
            found.push((rank, row));
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.truncate(limit);
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

/// What the words of a query may mean in a record: units, procedures and categories by all the names they ever had.
pub(super) struct Meanings {
    names: Vec<(String, BTreeSet<Word>)>,
}

impl Meanings {
    /// Of the units that a permit holds for, and of the catalogue.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn load(conn: &Connection, permit: &Permit<Read>) -> rusqlite::Result<Self> {
        let units = unit_words(conn)?.into_iter();
        let mut names: Vec<(String, BTreeSet<Word>)> = units
            .filter(|(unit, _)| permit.units().contains(unit))
            .map(|(unit, words)| (index::unit(&unit.to_bytes()), words))
            .collect();
        let mut statement = conn.prepare_cached(
            "SELECT kind, code, name_vi, name_en FROM catalogue WHERE kind IN ('procedure', 'category')",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, code): (String, String) = (row.get(0)?, row.get(1)?);
            let (vi, en): (String, Option<String>) = (row.get(2)?, row.get(3)?);
            let token = match kind.as_str() {
                "procedure" => index::procedure(&code),
                _ => index::category(&code),
            };
            let text = format!("{code} {vi} {}", en.unwrap_or_default());
            names.push((token, words(&text).into_iter().collect()));
        }
        Ok(Self { names })
    }

    /// The tokens of everything that has a word in one of its names.
    pub(super) fn tokens(&self, word: &Word, fit: Fit) -> BTreeSet<String> {
        let fits = |name: &Word| match fit {
            Fit::Exact => name.accented == word.accented,
            Fit::Folded => name.folded == word.folded,
        };
        let named = self.names.iter().filter(|(_, name)| name.iter().any(fits));
        named.map(|(token, _)| token.clone()).collect()
    }
}

/// The words of the names of each unit, of what is right above it, and of who inherited it.
fn unit_words(conn: &Connection) -> rusqlite::Result<BTreeMap<UnitId, BTreeSet<Word>>> {
    let (mut own, mut above) = (BTreeMap::<UnitId, BTreeSet<Word>>::new(), Vec::new());
    let mut statement = conn.prepare_cached("SELECT unit, name, parent FROM unit_period")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (unit, name): (_, String) = (UnitId::from_bytes(row.get(0)?), row.get(1)?);
        own.entry(unit).or_default().extend(words(&name));
        let parent: Option<[u8; 16]> = row.get(2)?;
        above.extend(parent.map(|parent| (unit, UnitId::from_bytes(parent))));
    }
    let mut all = own.clone();
    for (unit, parent) in above {
        let words = own.get(&parent).cloned().unwrap_or_default();
        all.entry(unit).or_default().extend(words);
    }
    // The last to inherit first: what it is called comes down to everybody before.
    let mut statement =
        conn.prepare_cached("SELECT unit, successor FROM unit_successor ORDER BY since DESC")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (unit, heir) = (UnitId::from_bytes(row.get(0)?), UnitId::from_bytes(row.get(1)?));
        let words = all.get(&heir).cloned().unwrap_or_default();
        all.entry(unit).or_default().extend(words);
    }
    Ok(all)
}
