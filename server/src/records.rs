//! Questions about the merged records, answered from projected rows. Each asks for a permit first.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use sync_core::ids::{AccountId, DeviceId, DocumentId, RecordId, UnitId};
use sync_core::record::Scalar;
use sync_core::seal::{MasterKey, RecordKey, SealedField, open};

use crate::log;
use crate::policy::{Permit, Read};

/// Which records.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Helped at or after, UTC milliseconds.
    pub from_ms: Option<i64>,
    /// Helped before, UTC milliseconds.
    pub until_ms: Option<i64>,
    /// Of this category.
    pub category: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Only those taken back, or only those not.
    pub retracted: Option<bool>,
    /// After this one in the list: when it happened, and which it is.
    pub after: Option<(i64, RecordId)>,
    /// Only in one of these.
    pub spans: Option<Vec<Span>>,
}

/// Units, for some time.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// The units.
    pub units: Vec<UnitId>,
    /// From then on, UTC milliseconds.
    pub from_ms: Option<i64>,
    /// Until before then, UTC milliseconds.
    pub until_ms: Option<i64>,
}

/// One row.
#[derive(Clone, Debug)]
pub struct RecordRow {
    /// Its id.
    pub id: RecordId,
    /// Its hamlet.
    pub unit: UnitId,
    /// When the help was given, UTC milliseconds.
    pub occurred_at_ms: i64,
    /// Code of the catalogue.
    pub category: String,
    /// National code.
    pub procedure: Option<String>,
    /// How it was given.
    pub channel: String,
    /// What came of it.
    pub outcome: String,
    /// How many people.
    pub people: u32,
    /// How long.
    pub minutes: Option<u32>,
    /// 1–5.
    pub satisfaction: Option<u8>,
    /// Who recorded it.
    pub recorded_by: AccountId,
    /// On which device.
    pub device: DeviceId,
    /// When, UTC milliseconds of the device.
    pub recorded_at_ms: i64,
    /// Reason, person and time of the retraction.
    pub retraction: Option<(String, AccountId, i64)>,
    /// Ciphertext of the personal fields that it has.
    pub sealed: BTreeMap<SealedField, Vec<u8>>,
    /// Fields that this version does not know.
    pub unknown: BTreeMap<String, Scalar>,
    /// How many of its fields are in conflict.
    pub conflicts: u32,
    document: i64,
}

/// One phone.
#[derive(Clone, Debug)]
pub struct PhoneRow {
    /// The device.
    pub device: DeviceId,
    /// The unit of its account's first role.
    pub unit: UnitId,
    /// Whose it is.
    pub name: String,
    /// What people call it; empty where it has no name.
    pub called: String,
    /// Its last exchange, UTC milliseconds.
    pub last_sync_at: Option<i64>,
    /// Its clock minus ours, milliseconds.
    pub clock_offset_ms: i64,
    /// What it has not sent, as it last said.
    pub unsent: Option<u32>,
    /// When it recorded the oldest of that, UTC milliseconds.
    pub oldest_unsent_at: Option<i64>,
    /// Room that it has left, bytes.
    pub free_storage: Option<u64>,
    /// The version of its app.
    pub app_version: Option<String>,
}

pub(crate) const COLUMNS: &str = "a.record, a.unit, a.occurred_at, a.category, a.procedure, a.channel, a.outcome, a.people, \
                       a.minutes, a.satisfaction, a.recorded_by, a.device, a.recorded_at, a.retracted_reason, \
                       a.retracted_by, a.retracted_at, a.citizen_name, a.citizen_phone, a.citizen_id, a.note, \
                       a.unknown, a.document, (SELECT count(*) FROM conflict c WHERE c.record = a.record)";

/// What so many units have is found unit by unit.
pub(crate) const FEW: usize = 8;

/// Records, newest first, at most `limit`.
///
/// # Errors
/// The store's.
pub fn list(
    conn: &Connection,
    permit: &Permit<Read>,
    filter: &Filter,
    limit: usize,
) -> rusqlite::Result<Vec<RecordRow>> {
    let (sql, values) = list_query(permit, filter, limit);
    let mut statement = conn.prepare_cached(&sql)?;
    statement
        .query_map(params_from_iter(values), record_row)?
        .collect()
}

fn list_query(permit: &Permit<Read>, filter: &Filter, limit: usize) -> (String, Vec<Value>) {
    let (wheres, mut values) = condition(permit, filter);
    values.push((limit as i64).into());
    let sql = format!(
        "SELECT {COLUMNS} FROM assistance a WHERE {wheres} ORDER BY a.occurred_at DESC, a.record DESC LIMIT ?"
    );
    (sql, values)
}

/// The condition on `assistance a` that a filter is, within a permit, and its values.
pub(crate) fn condition(permit: &Permit<Read>, filter: &Filter) -> (String, Vec<Value>) {
    // In how many units one looks decides how: the lists of a few are put together, those of many are one list in order
    // of time – or of what is filtered by – with the units looked at in its index.
    let column = if permit.units().len() > FEW {
        "+a.unit"
    } else {
        "a.unit"
    };
    let (mut wheres, mut values) = within(column, permit);
    let mut and = |sql: &str, value: Value| {
        wheres.push_str(" AND ");
        wheres.push_str(sql);
        values.push(value);
    };
    if let Some(from) = filter.from_ms {
        and("a.occurred_at >= ?", from.into());
    }
    if let Some(until) = filter.until_ms {
        and("a.occurred_at < ?", until.into());
    }
    if let Some(category) = &filter.category {
        and("a.category = ?", category.clone().into());
    }
    if let Some(outcome) = &filter.outcome {
        and("a.outcome = ?", outcome.clone().into());
    }
    if let Some((occurred_at, record)) = filter.after {
        and("(a.occurred_at, a.record) < (?", occurred_at.into());
        wheres.push_str(", ?)");
        values.push(record.to_bytes().to_vec().into());
    }
    match filter.retracted {
        Some(true) => wheres.push_str(" AND a.retracted_reason IS NOT NULL"),
        Some(false) => wheres.push_str(" AND a.retracted_reason IS NULL"),
        None => {}
    }
    if let Some(spans) = &filter.spans {
        let (sql, more) = within_spans(("a.unit", "a.occurred_at"), spans);
        wheres.push_str(&format!(" AND ({sql})"));
        values.extend(more);
    }
    (wheres, values)
}

pub(crate) fn record_row(row: &Row<'_>) -> rusqlite::Result<RecordRow> {
    let mut sealed = BTreeMap::new();
    for (field, column) in SealedField::ALL.into_iter().zip(16..) {
        if let Some(bytes) = row.get::<_, Option<Vec<u8>>>(column)? {
            sealed.insert(field, bytes);
        }
    }
    let retraction: Option<(String, [u8; 16], i64)> = match row.get(13)? {
        Some(reason) => Some((reason, row.get(14)?, row.get(15)?)),
        None => None,
    };
    let unknown: Option<Vec<u8>> = row.get(20)?;
    Ok(RecordRow {
        id: RecordId::from_bytes(row.get(0)?),
        unit: UnitId::from_bytes(row.get(1)?),
        occurred_at_ms: row.get(2)?,
        category: row.get(3)?,
        procedure: row.get(4)?,
        channel: row.get(5)?,
        outcome: row.get(6)?,
        people: row.get(7)?,
        minutes: row.get(8)?,
        satisfaction: row.get(9)?,
        recorded_by: AccountId::from_bytes(row.get(10)?),
        device: DeviceId::from_bytes(row.get(11)?),
        recorded_at_ms: row.get(12)?,
        retraction: retraction.map(|(reason, by, at)| (reason, AccountId::from_bytes(by), at)),
        sealed,
        unknown: unknown
            .and_then(|bytes| minicbor::decode(&bytes).ok())
            .unwrap_or_default(),
        conflicts: row.get(22)?,
        document: row.get(21)?,
    })
}

/// The personal data of rows, for a permit that holds for it. A record whose key is gone has none.
///
/// # Errors
/// The store's.
pub fn personal<'a>(
    conn: &Connection,
    permit: &Permit<Read>,
    master: &MasterKey,
    rows: impl IntoIterator<Item = &'a RecordRow>,
) -> rusqlite::Result<Vec<BTreeMap<SealedField, String>>> {
    if !permit.personal() {
        return Ok(rows.into_iter().map(|_| BTreeMap::new()).collect());
    }
    let mut documents: BTreeMap<i64, DocumentId> = BTreeMap::new();
    let mut find = conn.prepare_cached("SELECT wrapped FROM record_key WHERE record = ?")?;
    rows.into_iter()
        .map(|row| {
            let document = match documents.get(&row.document) {
                Some(document) => *document,
                None => {
                    let document = log::document_by_row(conn, row.document)?;
                    documents.insert(row.document, document);
                    document
                }
            };
            let mut wrapped = find.query([row.id.to_bytes()])?;
            let Some(found) = wrapped.next()? else {
                return Ok(BTreeMap::new());
            };
            let Ok(key) = master.unwrap_key(found.get_ref(0)?.as_blob()?, row.id) else {
                return Ok(BTreeMap::new());
            };
            let opened = row
                .sealed
                .iter()
                .map(|(field, bytes)| (*field, open(&key, &document, row.id, *field, bytes)));
            Ok(opened
                .filter_map(|(field, clear)| Some((field, clear.ok()?)))
                .collect())
        })
        .collect()
}

/// The key of a record's personal data, unless it was destroyed.
///
/// # Errors
/// The store's.
pub(crate) fn key(
    conn: &Connection,
    master: &MasterKey,
    record: RecordId,
) -> rusqlite::Result<Option<RecordKey>> {
    let wrapped: Option<Vec<u8>> = conn
        .prepare_cached("SELECT wrapped FROM record_key WHERE record = ?")?
        .query_row([record.to_bytes()], |row| row.get(0))
        .optional()?;
    Ok(wrapped.and_then(|wrapped| master.unwrap_key(&wrapped, record).ok()))
}

/// One record, if the permit holds for it.
///
/// # Errors
/// The store's.
pub fn find(
    conn: &Connection,
    permit: &Permit<Read>,
    record: RecordId,
) -> rusqlite::Result<Option<RecordRow>> {
    let sql = format!("SELECT {COLUMNS} FROM assistance a WHERE a.record = ?");
    let found = conn
        .prepare_cached(&sql)?
        .query_row([record.to_bytes()], record_row)
        .optional()?;
    Ok(found.filter(|row| permit.units().contains(&row.unit)))
}

/// The hamlet of a record, if the permit holds for it.
///
/// # Errors
/// The store's.
pub fn unit_of(
    conn: &Connection,
    permit: &Permit<Read>,
    record: RecordId,
) -> rusqlite::Result<Option<UnitId>> {
    let found = conn
        .prepare_cached("SELECT unit FROM assistance WHERE record = ?")?
        .query_row([record.to_bytes()], |row| row.get(0).map(UnitId::from_bytes))
        .optional()?;
    Ok(found.filter(|unit| permit.units().contains(unit)))
}

/// The phones of people who hold a role in the permit's units on a day: those that were not here for longest first.
///
/// # Errors
/// The store's.
pub fn phones(conn: &Connection, permit: &Permit<Read>, day: Date) -> rusqlite::Result<Vec<PhoneRow>> {
    let (wheres, mut values) = within("r.unit", permit);
    values.extend([day.to_string().into(), day.to_string().into()]);
    let sql = format!(
        "SELECT d.id, min(r.unit), a.display_name, d.name, h.last_sync_at, coalesce(h.clock_offset_ms, 0), h.unsent,
           h.oldest_unsent_at, h.free_storage, h.app_version
         FROM device d JOIN account a ON a.id = d.account
           JOIN role r ON r.account = a.id
           LEFT JOIN device_health h ON h.device = d.id
         WHERE d.revoked_at IS NULL AND {wheres} AND r.valid_from <= ? AND (r.valid_to IS NULL OR r.valid_to > ?)
         GROUP BY d.id ORDER BY h.last_sync_at, d.id"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok(PhoneRow {
            device: DeviceId::from_bytes(row.get(0)?),
            unit: UnitId::from_bytes(row.get(1)?),
            name: row.get(2)?,
            called: row.get(3)?,
            last_sync_at: row.get(4)?,
            clock_offset_ms: row.get(5)?,
            unsent: row.get(6)?,
            oldest_unsent_at: row.get(7)?,
            free_storage: row.get(8)?,
            app_version: row.get(9)?,
        })
    })?;
    rows.collect()
}

/// The condition that keeps a query within a permit, and its values.
pub(crate) fn within(column: &str, permit: &Permit<Read>) -> (String, Vec<Value>) {
    let marks = vec!["?"; permit.units().len()].join(", ");
    let values = permit
        .units()
        .iter()
        .map(|unit| unit.to_bytes().to_vec().into())
        .collect();
    (format!("{column} IN ({marks})"), values)
}

/// The condition that keeps a query within spans by the columns of its unit and time, and its values. No span: nothing.
pub(crate) fn within_spans((unit, time): (&str, &str), spans: &[Span]) -> (String, Vec<Value>) {
    let (mut parts, mut values) = (vec!["0".to_owned()], Vec::new());
    for span in spans {
        let marks = vec!["?"; span.units.len()].join(", ");
        parts.push(format!("(+{unit} IN ({marks}) AND {time} >= ? AND {time} < ?)"));
        values.extend(span.units.iter().map(|unit| unit.to_bytes().to_vec().into()));
        values.extend([
            span.from_ms.unwrap_or(i64::MIN).into(),
            span.until_ms.unwrap_or(i64::MAX).into(),
        ]);
    }
    (parts.join(" OR "), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::console;
    use crate::store::migrate;

    fn plan(conn: &Connection, permit: &Permit<Read>, filter: &Filter) -> Vec<String> {
        let (sql, values) = list_query(permit, filter, 50);
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan = statement.query_map(params_from_iter(values), |row| row.get(3));
        plan.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    fn units(count: u64) -> Vec<UnitId> {
        (0..count).map(|n| UnitId::from_parts(n, 0)).collect()
    }

    /// Every filter alone, and all of them together.
    fn filters() -> Vec<Filter> {
        let all = Filter {
            from_ms: Some(1),
            until_ms: Some(2),
            category: Some("a".into()),
            outcome: Some("b".into()),
            retracted: Some(true),
            after: Some((3, RecordId::from_parts(1, 1))),
            spans: Some(vec![Span {
                units: units(3),
                ..Span::default()
            }]),
        };
        let alone = |change: fn(&Filter, &mut Filter)| {
            let mut filter = Filter::default();
            change(&all, &mut filter);
            filter
        };
        vec![
            Filter::default(),
            alone(|all, filter| filter.from_ms = all.from_ms),
            alone(|all, filter| filter.until_ms = all.until_ms),
            alone(|all, filter| filter.category.clone_from(&all.category)),
            alone(|all, filter| filter.outcome.clone_from(&all.outcome)),
            alone(|all, filter| filter.retracted = all.retracted),
            alone(|_, filter| filter.retracted = Some(false)),
            alone(|all, filter| filter.after = all.after),
            alone(|all, filter| filter.spans.clone_from(&all.spans)),
            all.clone(),
        ]
    }

    #[test]
    fn no_list_scans_the_records_or_sorts_those_of_many_units() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        for count in [1, FEW as u64, 120] {
            let permit = console(units(count)).to_read();
            for filter in filters() {
                let plan = plan(&conn, &permit, &filter);
                let looks = plan
                    .iter()
                    .find(|step| step.split(' ').nth(1) == Some("a"))
                    .unwrap();
                assert!(
                    looks.contains("USING INDEX"),
                    "{count} units, {filter:?}: {plan:?}"
                );
                let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
                assert!(
                    !sorts || count == FEW as u64,
                    "{count} units, {filter:?}: {plan:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_filtered_by_is_found_by_its_own_index() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let permit = console(units(120)).to_read();
        let [.., category, outcome, retracted, _, _, _, _] = &filters()[..] else {
            panic!()
        };
        for (filter, index) in [
            (category, "assistance_by_category (category=?"),
            (outcome, "assistance_by_outcome (outcome=?"),
            (retracted, "assistance_retracted"),
        ] {
            let plan = plan(&conn, &permit, filter);
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
        }
    }
}
