//! The tables that are exported: their columns, and where their rows come from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sync_core::ids::{AccountId, DeviceId, RecordId, UnitId};
use sync_core::record::Issue;
use sync_core::seal::{MasterKey, SealedField};

use super::labels::Labels;
use super::sheet::{Cell, Column, Sheet};
use super::{ExportError, Records, What, is_personal};
use crate::audit::{self, Search};
use crate::clock::day_of;
use crate::i18n::Locale;
use crate::policy::{Permit, Personal, Read};
use crate::records::{self, Filter, RecordRow};
use crate::search::{self, Blinder, Depth};
use crate::units::eras;

/// Rows that are in memory at a time.
const PAGE: usize = 500;

const fn column(key: &'static str, width: u16) -> Column {
    Column { key, width }
}

const RECORDS: [Column; 17] = [
    column("id", 28),
    column("occurred_at_ms", 17),
    column("above", 22),
    column("unit", 24),
    column("category", 26),
    column("procedure", 16),
    column("procedure_name", 40),
    column("channel", 16),
    column("outcome", 16),
    column("people", 9),
    column("minutes", 9),
    column("satisfaction", 9),
    column("recorded_by", 24),
    column("recorded_at_ms", 17),
    column("retracted", 18),
    column("retracted_at_ms", 17),
    column("conflicts", 9),
];
const PERSONAL: [Column; 4] = [
    column("citizen_name", 26),
    column("citizen_phone", 14),
    column("citizen_id", 16),
    column("note", 60),
];
const ACKNOWLEDGEMENTS: [Column; 11] = [
    column("directive", 28),
    column("number", 16),
    column("title", 50),
    column("version", 9),
    column("above", 22),
    column("unit", 24),
    column("stage", 16),
    column("note", 40),
    column("at_ms", 17),
    column("by", 24),
    column("device", 28),
];
const UNITS: [Column; 8] = [
    column("id", 28),
    column("code", 12),
    column("level", 12),
    column("name", 30),
    column("parent", 28),
    column("above", 30),
    column("from", 12),
    column("to", 12),
];
const AUDIT: [Column; 9] = [
    column("position", 9),
    column("at_ms", 17),
    column("account", 28),
    column("origin", 18),
    column("act", 22),
    column("subject", 28),
    column("before", 40),
    column("after", 40),
    column("hash", 66),
];

/// The columns of an export.
pub(super) fn columns(what: &What) -> Vec<Column> {
    match what {
        What::Records(_) if is_personal(what) => RECORDS.into_iter().chain(PERSONAL).collect(),
        What::Records(_) => RECORDS.to_vec(),
        What::Acknowledgements { .. } => ACKNOWLEDGEMENTS.to_vec(),
        What::Units { .. } => UNITS.to_vec(),
        What::Audit { .. } => AUDIT.to_vec(),
    }
}

/// Writes every row. Gives how many there are.
pub(super) fn write(
    conn: &Connection,
    (what, today, locale): (&What, Date, Locale),
    master: &MasterKey,
    sheet: &mut dyn Sheet,
) -> Result<u64, ExportError> {
    let labels = Labels::load(conn, locale)?;
    match what {
        What::Records(asked) => {
            let personal = is_personal(what).then_some(master);
            let mut rows = 0;
            each_page(conn, asked, today, master, |page| {
                rows += page.len() as u64;
                records(conn, &labels, (&asked.permit, personal), page, sheet)
            })?;
            Ok(rows)
        }
        What::Acknowledgements { permit, issue } => {
            acknowledgements(conn, &labels, permit, issue.as_ref(), sheet)
        }
        What::Units { known, on } => units(conn, &labels, (known, *on), sheet),
        What::Audit { wanted, .. } => audit_rows(conn, wanted, sheet),
    }
}

/// Page after page of what a filter lets through, newest first – what was searched for, exact first.
fn each_page(
    conn: &Connection,
    asked: &Records,
    today: Date,
    master: &MasterKey,
    mut each: impl FnMut(&[RecordRow]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let (blinder, mut after) = (Blinder::of(master), None);
    let spans = asked.past_of.map(|unit| eras::spans(conn, today, unit));
    let mut filter = Filter {
        spans: spans.transpose()?,
        ..asked.filter.clone()
    };
    loop {
        let page: Vec<RecordRow> = match &asked.words {
            None => records::list(conn, &asked.permit, &filter, PAGE)?,
            Some((words, reach, caught_up)) => {
                let depth = match reach {
                    Personal::Read => Depth::Personal(&blinder),
                    Personal::Sealed => Depth::Clear,
                };
                let found = search::records(
                    conn,
                    *caught_up,
                    &asked.permit,
                    (words, depth),
                    &filter,
                    after,
                    PAGE,
                )?;
                after = found.last().map(|found| found.place).or(after);
                found.into_iter().map(|found| found.row).collect()
            }
        };
        filter.after = page.last().map(|row| (row.occurred_at_ms, row.id));
        each(&page)?;
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

fn records(
    conn: &Connection,
    labels: &Labels,
    (permit, personal): (&Permit<Read>, Option<&MasterKey>),
    page: &[RecordRow],
    sheet: &mut dyn Sheet,
) -> Result<(), ExportError> {
    let clear = match personal {
        Some(master) => records::personal(conn, permit, master, page)?,
        None => Vec::new(),
    };
    let mut clear = clear.into_iter();
    for row in page {
        let mut cells = record(labels, row);
        if personal.is_some() {
            let mut told: BTreeMap<SealedField, String> = clear.next().unwrap_or_default();
            cells.extend(SealedField::ALL.map(|field| Cell::text(told.remove(&field))));
        }
        sheet.row(&cells)?;
    }
    Ok(())
}

fn record(labels: &Labels, row: &RecordRow) -> Vec<Cell> {
    let [above, unit] = labels.unit(row.unit, day_of(row.occurred_at_ms));
    let procedure = row.procedure.clone();
    let retraction = row.retraction.as_ref();
    vec![
        Cell::Text(row.id.to_string()),
        Cell::Time(row.occurred_at_ms),
        above,
        unit,
        labels.coded("category", row.category.clone()),
        Cell::text(procedure.clone()),
        Cell::text(procedure.map(|code| labels.word("procedure", &code))),
        labels.coded("channel", row.channel.clone()),
        labels.coded("outcome", row.outcome.clone()),
        Cell::Number(row.people.into()),
        Cell::number(row.minutes),
        Cell::number(row.satisfaction),
        labels.person(row.recorded_by),
        Cell::Time(row.recorded_at_ms),
        retraction.map_or(Cell::Empty, |(reason, ..)| {
            labels.coded("retracted", reason.clone())
        }),
        retraction.map_or(Cell::Empty, |(.., at_ms)| Cell::Time(*at_ms)),
        Cell::Number(row.conflicts.into()),
    ]
}

fn acknowledgements(
    conn: &Connection,
    labels: &Labels,
    permit: &Permit<Read>,
    issue: Option<&Issue>,
    sheet: &mut dyn Sheet,
) -> Result<u64, ExportError> {
    let marks = vec!["?"; permit.units().len()].join(", ");
    let units = permit.units().iter().map(|unit| unit.to_bytes().to_vec());
    let mut values: Vec<Value> = units.map(Value::from).collect();
    let mut wheres = format!("+a.unit IN ({marks})");
    if let Some(issue) = issue {
        wheres.push_str(" AND a.directive = ? AND a.version = ? AND a.digest = ?");
        values.push(issue.directive.to_bytes().to_vec().into());
        values.push(issue.version.into());
        values.push(issue.digest.to_vec().into());
    }
    let sql = format!(
        "SELECT a.directive, d.number, d.title, a.version, a.unit, a.stage, a.note, a.at, a.by_account, a.device
         FROM acknowledgement a LEFT JOIN directive d ON d.directive = a.directive AND d.version = a.version
         WHERE {wheres} ORDER BY a.directive, a.unit, a.at"
    );
    let mut statement = conn.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let at_ms: i64 = row.get(7)?;
        let [above, unit] = labels.unit(UnitId::from_bytes(row.get(4)?), day_of(at_ms));
        sheet.row(&[
            Cell::Text(RecordId::from_bytes(row.get(0)?).to_string()),
            Cell::text(row.get(1)?),
            Cell::text(row.get(2)?),
            Cell::Number(row.get(3)?),
            above,
            unit,
            labels.coded("stage", row.get(5)?),
            Cell::text(row.get(6)?),
            Cell::Time(at_ms),
            labels.person(AccountId::from_bytes(row.get(8)?)),
            Cell::Text(DeviceId::from_bytes(row.get(9)?).to_string()),
        ])?;
        count += 1;
    }
    Ok(count)
}

fn units(
    conn: &Connection,
    labels: &Labels,
    (known, on): (&BTreeSet<UnitId>, Option<Date>),
    sheet: &mut dyn Sheet,
) -> Result<u64, ExportError> {
    let sql = "SELECT unit, code, level, name, parent, valid_from, valid_to FROM unit_period
               WHERE ?1 IS NULL OR (valid_from <= ?1 AND (valid_to IS NULL OR valid_to > ?1))
               ORDER BY valid_from, code, name, unit";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([on.map(|day| day.to_string())])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let id = UnitId::from_bytes(row.get(0)?);
        if !known.contains(&id) {
            continue;
        }
        let day = |text: Option<String>| text.and_then(|text| text.parse::<Date>().ok());
        let (from, to) = (day(row.get(5)?), day(row.get(6)?));
        let parent: Option<[u8; 16]> = row.get(4)?;
        let [above, _] = labels.unit(id, from.unwrap_or_default());
        sheet.row(&[
            Cell::Text(id.to_string()),
            Cell::Text(row.get(1)?),
            labels.coded("level", row.get(2)?),
            Cell::Text(row.get(3)?),
            Cell::text(parent.map(|parent| UnitId::from_bytes(parent).to_string())),
            above,
            from.map_or(Cell::Empty, Cell::Day),
            to.map_or(Cell::Empty, Cell::Day),
        ])?;
        count += 1;
    }
    Ok(count)
}

/// In the order of the chain.
fn audit_rows(conn: &Connection, wanted: &Search, sheet: &mut dyn Sheet) -> Result<u64, ExportError> {
    let (mut after, mut count) = (0, 0);
    loop {
        let page = audit::search_forward(conn, wanted, after, PAGE)?;
        for row in &page {
            after = row.position;
            count += 1;
            sheet.row(&[
                Cell::Number(row.position as i64),
                Cell::Time(row.at_ms),
                Cell::text(row.account.map(|account| account.to_string())),
                Cell::Text(row.origin.clone()),
                Cell::Text(row.act.clone()),
                Cell::Text(row.subject.clone()),
                Cell::text(row.before.clone()),
                Cell::text(row.after.clone()),
                Cell::Text(data_encoding::HEXLOWER.encode(&row.hash)),
            ])?;
        }
        if page.len() < PAGE {
            return Ok(count);
        }
    }
}
