//! `GET /v1/records`, `/v1/counts`, `/v1/conflicts`, `/v1/units`: the merged records for programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use data_encoding::BASE64URL_NOPAD;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sync_core::ids::{RecordId, UnitId};
use sync_core::record::{ConflictValue, Scalar};
use sync_core::seal::SealedField;

use super::ApiError;
use super::actor::Reader;
use crate::app::App;
use crate::clock::{day_of, midnight_ms};
use crate::conflicts::{self, SettledPlace, SettledRow};
use crate::policy::{Action, Permit, Read};
use crate::realm::{self, RealmError};
use crate::records::{self, Filter, RecordRow};
use crate::search::{self, Blinder, Depth, Found, NoWords, Place, Words};
use crate::seen::mark;
use crate::units::eras::{self, View};

/// Most rows of a page, and how many come without a wish.
const PAGE_MAX: usize = 500;
const PAGE: usize = 100;

/// What can be asked of records.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    unit: Option<String>,
    view: Option<String>,
    from: Option<String>,
    to: Option<String>,
    category: Option<String>,
    outcome: Option<String>,
    retracted: Option<bool>,
    include: Option<String>,
    q: Option<String>,
    cursor: Option<String>,
    pub(super) limit: Option<usize>,
}

impl RecordsQuery {
    pub(super) fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }
}

/// One record.
#[derive(Serialize)]
pub(super) struct RecordView {
    id: String,
    unit: String,
    occurred_at_ms: i64,
    category: String,
    procedure: Option<String>,
    channel: String,
    outcome: String,
    people: u32,
    minutes: Option<u32>,
    satisfaction: Option<u8>,
    recorded_by: String,
    device: String,
    recorded_at_ms: i64,
    retraction: Option<RetractionView>,
    /// Names of the sealed fields that it has.
    sealed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unknown: BTreeMap<String, Value>,
    conflicts: u32,
}

#[derive(Serialize)]
struct RetractionView {
    reason: String,
    by: String,
    at_ms: i64,
}

pub(super) async fn records(
    State(app): State<Arc<App>>,
    reader: Reader,
    query: Result<Query<RecordsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let asked = Asked::of(&reader, &query)?;
    // What stands in an address is no citizen's name: words are looked for in what is clear.
    let (told, _) = page(&app, asked, Reach::Clear, limit(query.limit)?).await?;
    Ok(Json(told))
}

/// In what words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// In what is clear.
    Clear,
    /// In citizens' data as well.
    Personal,
}

/// What was asked of records, understood and permitted.
pub(super) struct Asked {
    /// For whom.
    pub(super) permit: Permit<Read>,
    /// Only what was under this unit on its own date.
    pub(super) past_of: Option<UnitId>,
    /// Which.
    pub(super) filter: Filter,
    /// What they say.
    pub(super) words: Option<Words>,
    /// Whether citizens' data is to be told.
    pub(super) personal: bool,
    after: Option<Place>,
}

impl Asked {
    /// # Errors
    /// What cannot be understood, or may not be told.
    pub(super) fn of(reader: &Reader, query: &RecordsQuery) -> Result<Self, ApiError> {
        let (permit, past_of) = place(
            reader,
            Action::ReadRecords,
            asked_unit(query.unit.as_deref())?,
            query.view.as_deref(),
        )?;
        let personal = match query.include.as_deref() {
            None => false,
            Some("personal") if permit.personal() => true,
            Some("personal") => return Err(personal_denied()),
            Some(_) => return Err(ApiError::parameter("include")),
        };
        let words = query.q.as_deref().map(Words::of).transpose();
        let words = words.map_err(|NoWords| ApiError::parameter("q"))?;
        let (mut filter, mut after) = (filter(query)?, None);
        match (query.cursor.as_deref(), &words) {
            (None, _) => {}
            (Some(cursor), None) => filter.after = Some(open_cursor(cursor).ok_or_else(bad_cursor)?),
            (Some(cursor), Some(_)) => after = Some(Place::open(cursor).ok_or_else(bad_cursor)?),
        }
        Ok(Self {
            permit,
            past_of,
            filter,
            words,
            personal,
            after,
        })
    }
}

pub(super) fn personal_denied() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "personal_denied")
}

/// One page of records, and how many there are on it.
pub(super) async fn page(
    app: &Arc<App>,
    asked: Asked,
    reach: Reach,
    limit: usize,
) -> Result<(Value, usize), ApiError> {
    let worker = Arc::clone(app);
    let today = day_of(app.clock.now_ms());
    let (mut rows, personal) = app
        .store()
        .read(move |conn| {
            let spans = asked.past_of.map(|unit| eras::spans(conn, today, unit));
            let filter = Filter {
                spans: spans.transpose()?,
                ..asked.filter
            };
            let master = &worker.exchange.ingest.master;
            let rows = match &asked.words {
                None => listed(records::list(conn, &asked.permit, &filter, limit + 1)?),
                Some(words) => {
                    let blinder = Blinder::of(master);
                    let depth = match reach {
                        Reach::Clear => Depth::Clear,
                        Reach::Personal => Depth::Personal(&blinder),
                    };
                    let query = (words, depth);
                    found(search::records(
                        conn,
                        &asked.permit,
                        query,
                        &filter,
                        asked.after,
                        limit + 1,
                    )?)
                }
            };
            let clear = |rows: &[(RecordRow, String)]| {
                records::personal(conn, &asked.permit, master, rows.iter().map(|(row, _)| row))
            };
            let personal = if asked.personal { Some(clear(&rows)?) } else { None };
            Ok::<_, RealmError>((rows, personal))
        })
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(_, cursor)| cursor.clone());
    let mut personal = personal.map(Vec::into_iter);
    let views: Vec<RecordView> = rows
        .into_iter()
        .map(|(row, _)| view(row, personal.as_mut().and_then(Iterator::next)))
        .collect();
    let count = views.len();
    Ok((json!({ "records": views, "next": next }), count))
}

fn listed(rows: Vec<RecordRow>) -> Vec<(RecordRow, String)> {
    let with_cursor = |row: RecordRow| {
        let cursor = seal_cursor(row.occurred_at_ms, &row.id.to_bytes());
        (row, cursor)
    };
    rows.into_iter().map(with_cursor).collect()
}

fn found(found: Vec<Found>) -> Vec<(RecordRow, String)> {
    found
        .into_iter()
        .map(|found| (found.row, found.place.seal()))
        .collect()
}

/// What can be asked of conflicts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConflictsQuery {
    state: Option<String>,
    unit: Option<String>,
    view: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn conflicts(
    State(app): State<Arc<App>>,
    reader: Reader,
    query: Result<Query<ConflictsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let unit = asked_unit(query.unit.as_deref())?;
    let (permit, past_of) = place(&reader, Action::ReadRecords, unit, query.view.as_deref())?;
    let (limit, today) = (limit(query.limit)?, day_of(app.clock.now_ms()));
    match query.state.as_deref() {
        None | Some("open") => {}
        Some("settled") => return settled(&app, permit, past_of, query.cursor.as_deref(), limit).await,
        Some(_) => return Err(ApiError::parameter("state")),
    }
    let after = query
        .cursor
        .as_deref()
        .map(|cursor| open_conflict_cursor(cursor).ok_or_else(bad_cursor))
        .transpose()?;
    let mut rows = app
        .store()
        .read(move |conn| {
            let spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
            let found = conflicts::open(conn, &permit, spans.as_deref(), after.as_ref(), limit + 1)?;
            Ok::<_, RealmError>(found)
        })
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| seal_conflict_cursor(row.record, &row.field));
    let views: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            let sealed = SealedField::from_key(&row.field).is_some();
            json!({
                "record": row.record.to_string(), "unit": row.unit.to_string(), "field": row.field,
                "sealed": sealed, "values": conflict_values(&row.values), "seen": seen(&row.values),
            })
        })
        .collect();
    Ok(Json(json!({ "conflicts": views, "next": next })))
}

/// Conflicts that were settled, the last one first.
async fn settled(
    app: &App,
    permit: Permit<Read>,
    past_of: Option<UnitId>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Json<Value>, ApiError> {
    let today = day_of(app.clock.now_ms());
    let after = cursor.map(|cursor| open_settled_cursor(cursor).ok_or_else(bad_cursor));
    let after = after.transpose()?;
    let mut rows = app
        .store()
        .read(move |conn| {
            let spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
            let found = conflicts::settled(conn, &permit, spans.as_deref(), after.as_ref(), limit + 1)?;
            Ok::<_, RealmError>(found)
        })
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(seal_settled_cursor);
    let views: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "record": row.record.to_string(), "unit": row.unit.to_string(), "field": row.field,
                "sealed": SealedField::from_key(&row.field).is_some(), "values": conflict_values(&row.values),
                "settled": {
                    "value": row.chosen.as_ref().map(scalar), "by": row.by.to_string(), "at_ms": row.at_ms,
                },
            })
        })
        .collect();
    Ok(Json(json!({ "conflicts": views, "next": next })))
}

/// The mark of values that somebody saw.
pub(super) fn seen(values: &[ConflictValue]) -> String {
    mark(values.iter().map(|value| &value.value))
}

/// Each value, who set it and when.
pub(super) fn conflict_values(values: &[ConflictValue]) -> Vec<Value> {
    let values = values.iter().map(
        |value| json!({ "value": scalar(&value.value), "by": value.by.to_string(), "at_ms": value.at_ms }),
    );
    values.collect()
}

/// What can be asked of units.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitsQuery {
    on: Option<String>,
}

pub(super) async fn units(
    State(app): State<Arc<App>>,
    reader: Reader,
    query: Result<Query<UnitsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let day = match query.on.as_deref() {
        Some(on) => on.parse().map_err(|_| ApiError::parameter("on"))?,
        None => day_of(app.clock.now_ms()),
    };
    let permit = reader.permit(Action::ReadUnits, None)?;
    let tree = app.store().read(move |conn| realm::tree(conn, day)).await?;
    let visible = eras::known(&tree, &permit);
    let views: Vec<Value> = tree
        .units()
        .filter(|unit| visible.contains(&unit.id))
        .map(|unit| {
            json!({
                "id": unit.id.to_string(), "level": unit.level, "code": unit.code, "name": unit.name,
                "parent": unit.parent.map(|parent| parent.to_string()),
            })
        })
        .collect();
    Ok(Json(json!({ "on": day.to_string(), "units": views })))
}

/// What can be asked of counts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountsQuery {
    unit: Option<String>,
    view: Option<String>,
    level: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// Sums under the units of a level, as it was or as it is now.
pub(super) async fn counts(
    State(app): State<Arc<App>>,
    reader: Reader,
    query: Result<Query<CountsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let permit = reader.permit(Action::ReadRecords, asked_unit(query.unit.as_deref())?)?;
    let view = asked_view(query.view.as_deref())?;
    let between = between(query.from.as_deref(), query.to.as_deref())?;
    let now_ms = app.clock.now_ms();
    let counted = app
        .store()
        .read(move |conn| eras::counts(conn, &permit, view, query.level.as_deref(), between, now_ms));
    Ok(Json(json!({ "counts": counted.await? })))
}

pub(super) fn asked_view(word: Option<&str>) -> Result<View, ApiError> {
    word.map_or(Ok(View::default()), |word| {
        View::from_word(word).ok_or_else(|| ApiError::parameter("view"))
    })
}

pub(super) fn asked_unit(text: Option<&str>) -> Result<Option<UnitId>, ApiError> {
    text.map(|unit| unit.parse().map_err(|_| ApiError::parameter("unit")))
        .transpose()
}

/// Leave to read, and the unit of which only what was under it on its own date is meant.
///
/// As it was, a unit that is no more has something below it again: the permit is for all that is in reach, and holds the
/// unit itself or it does not exist.
pub(super) fn place(
    reader: &Reader,
    action: Action,
    unit: Option<UnitId>,
    word: Option<&str>,
) -> Result<(Permit<Read>, Option<UnitId>), ApiError> {
    match (asked_view(word)?, unit) {
        (View::Now, _) | (View::Was, None) => Ok((reader.permit(action, unit)?, None)),
        (View::Was, Some(unit)) => {
            let all = reader.permit(action, None)?;
            if all.units().contains(&unit) {
                Ok((all, Some(unit)))
            } else {
                Err(ApiError::not_found())
            }
        }
    }
}

fn filter(query: &RecordsQuery) -> Result<Filter, ApiError> {
    let (from_ms, until_ms) = between(query.from.as_deref(), query.to.as_deref())?;
    Ok(Filter {
        from_ms,
        until_ms,
        category: query.category.clone(),
        outcome: query.outcome.clone(),
        retracted: query.retracted,
        after: None,
        spans: None,
    })
}

/// The instants that two days stand for, the second included.
fn between(from: Option<&str>, to: Option<&str>) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let day = |text: Option<&str>, name| -> Result<Option<Date>, ApiError> {
        text.map(|text| text.parse().map_err(|_| ApiError::parameter(name)))
            .transpose()
    };
    let to = day(to, "to")?
        .map(|day| day.tomorrow().map_err(|_| ApiError::parameter("to")))
        .transpose()?;
    Ok((day(from, "from")?.and_then(midnight_ms), to.and_then(midnight_ms)))
}

pub(super) fn limit(wanted: Option<usize>) -> Result<usize, ApiError> {
    let limit = wanted.unwrap_or(PAGE);
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::parameter("limit"))
    }
}

fn bad_cursor() -> ApiError {
    ApiError::parameter("cursor")
}

pub(super) fn seal_cursor(occurred_at_ms: i64, record: &[u8; 16]) -> String {
    let mut bytes = occurred_at_ms.to_be_bytes().to_vec();
    bytes.extend(record);
    BASE64URL_NOPAD.encode(&bytes)
}

pub(super) fn open_cursor(text: &str) -> Option<(i64, RecordId)> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (time, record) = bytes.split_first_chunk::<8>()?;
    Some((
        i64::from_be_bytes(*time),
        RecordId::from_bytes(record.try_into().ok()?),
    ))
}

pub(super) fn seal_conflict_cursor(record: RecordId, field: &str) -> String {
    let mut bytes = record.to_bytes().to_vec();
    bytes.extend(field.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

pub(super) fn open_conflict_cursor(text: &str) -> Option<(RecordId, String)> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (record, field) = bytes.split_first_chunk::<16>()?;
    Some((
        RecordId::from_bytes(*record),
        String::from_utf8(field.to_vec()).ok()?,
    ))
}

pub(super) fn seal_settled_cursor(row: &SettledRow) -> String {
    let mut bytes = row.at_ms.to_be_bytes().to_vec();
    bytes.extend(row.change);
    bytes.extend(row.field.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

pub(super) fn open_settled_cursor(text: &str) -> Option<SettledPlace> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    let (change, field) = rest.split_first_chunk::<32>()?;
    Some(SettledPlace {
        at_ms: i64::from_be_bytes(*time),
        change: *change,
        field: String::from_utf8(field.to_vec()).ok()?,
    })
}

pub(super) fn view(row: RecordRow, personal: Option<BTreeMap<SealedField, String>>) -> RecordView {
    RecordView {
        id: row.id.to_string(),
        unit: row.unit.to_string(),
        occurred_at_ms: row.occurred_at_ms,
        category: row.category,
        procedure: row.procedure,
        channel: row.channel,
        outcome: row.outcome,
        people: row.people,
        minutes: row.minutes,
        satisfaction: row.satisfaction,
        recorded_by: row.recorded_by.to_string(),
        device: row.device.to_string(),
        recorded_at_ms: row.recorded_at_ms,
        retraction: row.retraction.map(|(reason, by, at_ms)| RetractionView {
            reason,
            by: by.to_string(),
            at_ms,
        }),
        sealed: row.sealed.keys().map(|field| field.key()).collect(),
        personal: personal.map(|fields| {
            fields
                .into_iter()
                .map(|(field, clear)| (field.key(), clear))
                .collect()
        }),
        unknown: row
            .unknown
            .iter()
            .map(|(key, value)| (key.clone(), scalar(value)))
            .collect(),
        conflicts: row.conflicts,
    }
}

/// Bytes as base64url, ids and ciphertext alike.
pub(super) fn scalar(value: &Scalar) -> Value {
    match value {
        Scalar::Text(text) => text.clone().into(),
        Scalar::Bytes(bytes) => BASE64URL_NOPAD.encode(bytes).into(),
        Scalar::Int(n) => (*n).into(),
        Scalar::Bool(truth) => (*truth).into(),
        Scalar::Null => Value::Null,
    }
}
