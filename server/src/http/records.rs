//! `GET /v1/records`, `/v1/conflicts`, `/v1/units`: the merged records for programs.

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
use sync_core::record::Scalar;
use sync_core::seal::SealedField;

use super::ApiError;
use super::actor::Reader;
use crate::app::App;
use crate::clock::{day_of, midnight_ms};
use crate::policy::{self, Permit, Read};
use crate::realm;
use crate::records::{self, Filter, RecordRow};

/// Most rows of a page, and how many come without a wish.
const PAGE_MAX: usize = 500;
const PAGE: usize = 100;

/// What can be asked of records.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    unit: Option<String>,
    from: Option<String>,
    to: Option<String>,
    category: Option<String>,
    outcome: Option<String>,
    retracted: Option<bool>,
    include: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// One record.
#[derive(Serialize)]
struct RecordView {
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
    let permit = permit(&reader, query.unit.as_deref())?;
    let wants_personal = match query.include.as_deref() {
        None => false,
        Some("personal") if permit.personal() => true,
        Some("personal") => return Err(ApiError::new(StatusCode::FORBIDDEN, "personal_denied")),
        Some(_) => return Err(ApiError::parameter("include")),
    };
    let filter = filter(&query)?;
    let limit = limit(query.limit)?;
    let worker = Arc::clone(&app);
    let (mut rows, personal) = app
        .store()
        .read(move |conn| {
            let rows = records::list(conn, &permit, &filter, limit + 1)?;
            let personal = match wants_personal {
                true => Some(records::personal(
                    conn,
                    &permit,
                    &worker.exchange.ingest.master,
                    &rows,
                )?),
                false => None,
            };
            Ok::<_, rusqlite::Error>((rows, personal))
        })
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| seal_cursor(row.occurred_at_ms, &row.id.to_bytes()));
    let mut personal = personal.map(Vec::into_iter);
    let views: Vec<RecordView> = rows
        .into_iter()
        .map(|row| view(row, personal.as_mut().and_then(Iterator::next)))
        .collect();
    Ok(Json(json!({ "records": views, "next": next })))
}

/// What can be asked of conflicts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConflictsQuery {
    unit: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn conflicts(
    State(app): State<Arc<App>>,
    reader: Reader,
    query: Result<Query<ConflictsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let permit = permit(&reader, query.unit.as_deref())?;
    let limit = limit(query.limit)?;
    let after = query
        .cursor
        .as_deref()
        .map(|cursor| open_conflict_cursor(cursor).ok_or_else(bad_cursor))
        .transpose()?;
    let mut rows = app
        .store()
        .read(move |conn| records::conflicts(conn, &permit, after.as_ref(), limit + 1))
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| {
        let mut bytes = row.record.to_bytes().to_vec();
        bytes.extend(row.field.as_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    });
    let views: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            let values: Vec<Value> = row.values.iter().map(|value| {
                json!({ "value": scalar(&value.value), "by": value.by.to_string(), "at_ms": value.at_ms })
            }).collect();
            let sealed = SealedField::from_key(&row.field).is_some();
            json!({
                "record": row.record.to_string(), "unit": row.unit.to_string(), "field": row.field,
                "sealed": sealed, "values": values,
            })
        })
        .collect();
    Ok(Json(json!({ "conflicts": views, "next": next })))
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
    let tree = app.store().read(move |conn| realm::tree(conn, day)).await?;
    let mut visible = std::collections::BTreeSet::new();
    for grant in reader.grants() {
        visible.extend(tree.subtree(grant.unit));
        visible.extend(tree.ancestors(grant.unit).map(|unit| unit.id));
    }
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

/// What somebody may not see is answered as if it did not exist.
fn permit(reader: &Reader, unit: Option<&str>) -> Result<Permit<Read>, ApiError> {
    let unit: Option<UnitId> = unit
        .map(|unit| unit.parse().map_err(|_| ApiError::parameter("unit")))
        .transpose()?;
    policy::read_records(reader.grants(), &reader.authority.tree, unit).ok_or_else(ApiError::not_found)
}

fn filter(query: &RecordsQuery) -> Result<Filter, ApiError> {
    let day = |text: &Option<String>, name| -> Result<Option<Date>, ApiError> {
        text.as_deref()
            .map(|text| text.parse().map_err(|_| ApiError::parameter(name)))
            .transpose()
    };
    let to = day(&query.to, "to")?
        .map(|day| day.tomorrow().map_err(|_| ApiError::parameter("to")))
        .transpose()?;
    let after = query
        .cursor
        .as_deref()
        .map(|cursor| open_cursor(cursor).ok_or_else(bad_cursor))
        .transpose()?;
    Ok(Filter {
        from_ms: day(&query.from, "from")?.and_then(midnight_ms),
        until_ms: to.and_then(midnight_ms),
        category: query.category.clone(),
        outcome: query.outcome.clone(),
        retracted: query.retracted,
        after,
    })
}

fn limit(wanted: Option<usize>) -> Result<usize, ApiError> {
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

fn open_conflict_cursor(text: &str) -> Option<(RecordId, String)> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (record, field) = bytes.split_first_chunk::<16>()?;
    Some((
        RecordId::from_bytes(*record),
        String::from_utf8(field.to_vec()).ok()?,
    ))
}

fn view(row: RecordRow, personal: Option<BTreeMap<SealedField, String>>) -> RecordView {
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
fn scalar(value: &Scalar) -> Value {
    match value {
        Scalar::Text(text) => text.clone().into(),
        Scalar::Bytes(bytes) => BASE64URL_NOPAD.encode(bytes).into(),
        Scalar::Int(n) => (*n).into(),
        Scalar::Bool(truth) => (*truth).into(),
        Scalar::Null => Value::Null,
    }
}
