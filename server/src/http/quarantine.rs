//! `/v1/quarantine`: what was delivered and not merged, for the official who is responsible for its unit now.
//!
//! Officials decide beside a running server; what they may not see is answered as if it did not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::ids::{AccountId, DeviceId, UnitId};
use sync_core::projection::RowChange;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::Given;
use super::records::limit;
use crate::app::App;
use crate::policy::{Action, Permit, Write};
use crate::quarantine::{self, Content, Discard, Filter, Shown, Wanted};

/// What can be asked of the quarantine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    unit: Option<UnitId>,
    state: Option<String>,
    device: Option<DeviceId>,
    account: Option<AccountId>,
    reason: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// How much of a batch is to be seen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContentQuery {
    include: Option<String>,
}

/// Why a batch is not merged after all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    reason: String,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let permit = reader.permit(Action::Judge, query.unit)?;
    let limit = limit(query.limit)?;
    let filter = filter(query)?;
    let (mut batches, waiting) = app
        .store()
        .read(move |conn| {
            let page = quarantine::page(conn, &permit, &filter, limit + 1)?;
            Ok::<_, rusqlite::Error>((page, quarantine::waiting(conn, &permit)?))
        })
        .await?;
    let more = batches.len() > limit;
    batches.truncate(limit);
    let last = batches.last().filter(|_| more);
    let next = last.map(|last| BASE64URL_NOPAD.encode(&last.id.to_be_bytes()));
    Ok(Json(
        json!({ "batches": batches, "waiting": waiting, "next": next }),
    ))
}

fn filter(query: ListQuery) -> Result<Filter, ApiError> {
    let state = query.state.as_deref().map(str::parse).transpose();
    let after = query.cursor.as_deref().map(|text| {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        Some(i64::from_be_bytes(bytes.try_into().ok()?))
    });
    Ok(Filter {
        state: state
            .map_err(|_| ApiError::parameter("state"))?
            .unwrap_or_default(),
        device: query.device,
        account: query.account,
        reason: query.reason,
        after: match after {
            Some(after) => Some(after.ok_or_else(|| ApiError::parameter("cursor"))?),
            None => None,
        },
    })
}

/// What a batch says. Citizens' data comes on request, to whom it is open in that unit.
pub(super) async fn content(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(id): Path<i64>,
    query: Result<Query<ContentQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let unit = app
        .store()
        .read(move |conn| quarantine::unit_of(conn, id))
        .await?;
    let permit = reader.permit(Action::Judge, Some(unit.ok_or_else(ApiError::not_found)?))?;
    let wanted = match query.include.as_deref() {
        None => Wanted::Clear,
        Some("personal") if permit.personal() => Wanted::Personal,
        Some("personal") => return Err(ApiError::new(StatusCode::FORBIDDEN, "personal_denied")),
        Some(_) => return Err(ApiError::parameter("include")),
    };
    let looked = app.exchange.content(permit, id, wanted).await;
    let content = looked
        .map_err(ApiError::internal)?
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(told(content)))
}

pub(super) async fn release(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(id): Path<i64>,
) -> Result<Json<Value>, ApiError> {
    let permit = permit(&app, &writer, id).await?;
    let released = app.exchange.release(&permit, id, &writer.by).await?;
    Ok(Json(json!({ "released": released })))
}

pub(super) async fn discard(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(id): Path<i64>,
    Given(given): Given<Reason>,
) -> Result<Json<Value>, ApiError> {
    let permit = permit(&app, &writer, id).await?;
    let reason = Discard::from_code(&given.reason).ok_or_else(|| ApiError::parameter("reason"))?;
    let discarded = app.exchange.discard(&permit, id, reason, &writer.by).await?;
    Ok(Json(json!({ "discarded": discarded })))
}

/// Leave to decide about what was delivered for the unit of this batch.
async fn permit(app: &App, writer: &Writer, id: i64) -> Result<Permit<Write>, ApiError> {
    let unit = app
        .store()
        .read(move |conn| quarantine::unit_of(conn, id))
        .await?;
    writer.permit(Action::Judge, Some(unit.ok_or_else(ApiError::not_found)?))
}

fn told(content: Content) -> Value {
    let records: Vec<Value> = content.records.into_iter().map(shown).collect();
    json!({ "batch": content.parked, "changes": content.changes, "records": records })
}

/// A record as the batch would leave it.
fn shown(Shown { row, personal }: Shown) -> Value {
    let sealed = quarantine::sealed(&row).map_or_else(Vec::new, |sealed| {
        sealed.keys().map(|field| field.key()).collect()
    });
    let mut value = match &row {
        RowChange::Assistance(row) => json!({
            "kind": "assistance", "occurred_at_ms": row.occurred_at_ms, "category": row.category,
            "procedure": row.procedure, "channel": row.channel, "outcome": row.outcome, "people": row.people,
            "minutes": row.minutes, "satisfaction": row.satisfaction, "by": row.recorded_by.to_string(),
            "at_ms": row.recorded_at_ms,
            "retracted": row.retraction.as_ref().map(|retraction| retraction.reason.code()),
        }),
        RowChange::Draft(row) => json!({
            "kind": "draft", "number": row.number, "title": row.title, "by": row.started_by.to_string(),
            "at_ms": row.started_at_ms,
        }),
        RowChange::Directive(row) => json!({
            "kind": "directive", "number": row.number, "title": row.title, "version": row.issue.version,
            "by": row.issued_by.to_string(), "at_ms": row.issued_at_ms,
        }),
        RowChange::Acknowledgement(row) => json!({
            "kind": "acknowledgement", "directive": row.issue.directive.to_string(), "stage": row.stage.code(),
            "by": row.by.to_string(), "at_ms": row.at_ms,
        }),
        RowChange::Remark(row) => json!({
            "kind": "remark", "about": row.record.to_string(), "remark": row.kind.code(),
            "by": row.by.to_string(), "at_ms": row.at_ms,
        }),
    };
    let personal = personal.map(|fields| {
        let fields = fields.into_iter().map(|(field, clear)| (field.key(), clear));
        fields.collect::<BTreeMap<_, _>>()
    });
    if let Some(members) = value.as_object_mut() {
        members.insert("id".to_owned(), row.record().to_string().into());
        members.insert("sealed".to_owned(), sealed.into());
        members.extend(personal.map(|personal| ("personal".to_owned(), json!(personal))));
    }
    value
}
