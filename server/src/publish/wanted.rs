//! What the tables say, as records: which a document should hold, and which it does not.

use rusqlite::{Connection, params};
use sync_core::directory::{about, latest};
use sync_core::document::Document;
use sync_core::document::directory::{
    ACCOUNT, CODE, HEIR, KIND, Kind, LEVEL, NAME, PARENT, ROLE, TEXT_BYTES, UNIT, VALID_FROM, VALID_TO,
};
use sync_core::edit::Publication;
use sync_core::ids::{AccountId, Class, RecordId, UnitId};
use sync_core::record::{Fields, Scalar};
use unicode_normalization::UnicodeNormalization;

use crate::catalogue;
use crate::clock::{day_of, random_bits};

/// Every key of a record of the directory.
const KEYS: [&str; 11] = [
    KIND, UNIT, ACCOUNT, NAME, LEVEL, CODE, PARENT, HEIR, ROLE, VALID_FROM, VALID_TO,
];

/// The documents whose tables have changed.
pub(super) fn due(conn: &Connection) -> rusqlite::Result<Vec<(Class, UnitId)>> {
    let mut statement = conn.prepare_cached("SELECT class, unit FROM unpublished ORDER BY class, unit")?;
    let rows = statement.query_map([], |row| {
        let unit = UnitId::from_bytes(row.get(1)?);
        Ok(Class::from_code(row.get(0)?).map(|class| (class, unit)))
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// The units without one above them: today, or from some day on.
pub(super) fn roots(conn: &Connection, now_ms: i64) -> rusqlite::Result<Vec<UnitId>> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT unit FROM unit_period WHERE parent IS NULL AND (valid_to IS NULL OR valid_to > ?)",
    )?;
    let rows = statement.query_map([day_of(now_ms).to_string()], |row| {
        row.get(0).map(UnitId::from_bytes)
    })?;
    rows.collect()
}

/// The records that a document of the directory or the catalogue should hold and does not.
pub(super) fn missing(
    conn: &Connection,
    document: &Document,
    now_ms: i64,
) -> rusqlite::Result<Vec<Publication>> {
    let (unit, class) = (document.id().unit(), document.id().class());
    let publication = |id: RecordId, fields: Vec<(&'static str, Scalar)>| Publication {
        id,
        unit,
        class,
        fields,
    };
    if class == Class::Catalogue {
        let entries = catalogue::list(conn)?.into_iter();
        let entries = entries.filter(|(record, _)| !document.has_record(*record));
        return Ok(entries
            .map(|(record, entry)| publication(record, entry.fields()))
            .collect());
    }
    let (said, rows) = (latest(document), rows(conn, unit)?);
    let mut wanted: Vec<&Fields> = Vec::new();
    let mut taken_back: Vec<Fields> = Vec::new();
    let known: Vec<_> = rows.iter().filter_map(|row| Some((about(row)?, row))).collect();
    wanted.extend(
        known
            .iter()
            .filter(|(key, row)| said.get(key) != Some(*row))
            .map(|(_, row)| *row),
    );
    for (key, fields) in &said {
        let begins = fields.get(VALID_FROM);
        if fields.get(VALID_TO) != begins && !known.iter().any(|(other, _)| other == key) {
            let mut fields = fields.clone();
            fields.extend(begins.cloned().map(|day| (VALID_TO.to_owned(), day)));
            taken_back.push(fields);
        }
    }
    // What is made now is made last, whatever the clock says.
    let newest = document.records().last().map_or(0, RecordId::time_ms);
    let at_ms = now_ms.unsigned_abs().max(newest + 1);
    let records = wanted.into_iter().chain(&taken_back);
    Ok(records
        .map(|fields| {
            let fields = KEYS
                .into_iter()
                .filter_map(|key| Some((key, fields.get(key)?.clone())));
            publication(RecordId::from_parts(at_ms, random_bits()), fields.collect())
        })
        .collect())
}

/// What the tables say about a unit.
fn rows(conn: &Connection, unit: UnitId) -> rusqlite::Result<Vec<Fields>> {
    let mut rows = periods(conn, unit, Kind::Unit)?;
    rows.extend(periods(conn, unit, Kind::Child)?);
    rows.extend(team(conn, unit)?);
    Ok(rows)
}

/// Periods of the unit itself, or of those right below it.
fn periods(conn: &Connection, unit: UnitId, kind: Kind) -> rusqlite::Result<Vec<Fields>> {
    let column = match kind {
        Kind::Child => "parent",
        Kind::Unit | Kind::Member => "unit",
    };
    let sql = format!(
        "SELECT p.unit, p.name, p.level, p.code, p.parent, s.successor, p.valid_from, p.valid_to
         FROM unit_period p LEFT JOIN unit_successor s ON s.unit = p.unit WHERE p.{column} = ?"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![unit.to_bytes()], |row| {
        Ok(fields([
            (KIND, Some(word(kind.code()))),
            (UNIT, id(Some(row.get(0)?))),
            (NAME, text(row.get(1)?)),
            (LEVEL, text(row.get(2)?)),
            (CODE, text(row.get(3)?)),
            (PARENT, id(row.get(4)?)),
            (HEIR, id(row.get(5)?)),
            (VALID_FROM, text(row.get(6)?)),
            (VALID_TO, row.get::<_, Option<String>>(7)?.and_then(text)),
        ]))
    })?;
    rows.collect()
}

/// Roles held in the unit.
fn team(conn: &Connection, unit: UnitId) -> rusqlite::Result<Vec<Fields>> {
    let mut statement = conn.prepare_cached(
        "SELECT r.account, a.display_name, r.role, r.valid_from, r.valid_to
         FROM role r JOIN account a ON a.id = r.account WHERE r.unit = ?",
    )?;
    let rows = statement.query_map(params![unit.to_bytes()], |row| {
        let account: [u8; 16] = row.get(0)?;
        // A person without a name is told by the id, as everywhere.
        let name = text(row.get(1)?).or_else(|| Some(word(&AccountId::from_bytes(account).to_string())));
        Ok(fields([
            (KIND, Some(word(Kind::Member.code()))),
            (ACCOUNT, id(Some(account))),
            (NAME, name),
            (ROLE, text(row.get(2)?)),
            (VALID_FROM, text(row.get(3)?)),
            (VALID_TO, row.get::<_, Option<String>>(4)?.and_then(text)),
        ]))
    })?;
    rows.collect()
}

fn fields<const N: usize>(given: [(&str, Option<Scalar>); N]) -> Fields {
    let given = given.into_iter();
    given
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

fn word(word: &str) -> Scalar {
    Scalar::Text(word.to_owned())
}

fn id(id: Option<[u8; 16]>) -> Option<Scalar> {
    id.map(|id| Scalar::Bytes(id.to_vec()))
}

/// A text as documents take it: NFC, without control characters, cut where it is too long.
fn text(raw: String) -> Option<Scalar> {
    let mut clean: String = raw.nfc().filter(|c| !c.is_control()).collect();
    while clean.len() > TEXT_BYTES {
        clean.pop();
    }
    (!clean.is_empty()).then_some(Scalar::Text(clean))
}
