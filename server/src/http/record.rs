//! `GET /v1/records/{record}` and `…/history`: one record, and who wrote what of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sync_core::ids::RecordId;
use sync_core::seal::SealedField;

use super::ApiError;
use super::actor::Reader;
use super::records::{personal_denied, scalar, view};
use crate::app::App;
use crate::history::{self, Step, Told};
use crate::log::ReplayError;
use crate::policy::Action;
use crate::records;

/// Whether citizens' data is to be told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneQuery {
    include: Option<String>,
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(record): Path<RecordId>,
    query: Result<Query<OneQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let wants_personal = match query.include.as_deref() {
        None => false,
        Some("personal") => true,
        Some(_) => return Err(ApiError::parameter("include")),
    };
    let permit = reader.permit(Action::ReadRecords, None)?;
    let worker = Arc::clone(&app);
    let found = app.store().read(move |conn| {
        let Some(row) = records::find(conn, &permit, record)? else {
            return Ok(None);
        };
        // The permit may hold for citizens' data here and not everywhere.
        let here = permit.within(row.unit);
        let clear: Option<BTreeMap<SealedField, String>> = match wants_personal && here.personal() {
            true => records::personal(conn, &here, &worker.exchange.ingest.master, [&row])?.pop(),
            false => None,
        };
        Ok::<_, rusqlite::Error>(Some((row, clear, here.personal())))
    });
    let (row, clear, may) = found.await?.ok_or_else(ApiError::not_found)?;
    if wants_personal && !may {
        return Err(personal_denied());
    }
    Ok(Json(json!(view(row, clear))))
}

pub(super) async fn history(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(record): Path<RecordId>,
) -> Result<Json<Value>, ApiError> {
    let permit = reader.permit(Action::ReadRecords, None)?;
    let worker = Arc::clone(&app);
    let steps = app.store().read(move |conn| {
        let Some(unit) = records::unit_of(conn, &permit, record)? else {
            return Ok(None);
        };
        let here = permit.within(unit);
        history::history(conn, &here, &worker.exchange.ingest.master, record)
    });
    let steps = steps.await?.ok_or_else(ApiError::not_found)?;
    let told: Vec<Value> = steps.iter().map(step).collect();
    Ok(Json(json!({ "record": record.to_string(), "history": told })))
}

fn step(step: &Step) -> Value {
    let fields: Map<String, Value> = step
        .fields
        .iter()
        .map(|(field, told)| {
            let told = match told {
                Told::Emptied => Value::Null,
                Told::Clear(value) => scalar(value),
                Told::Opened(text) => text.clone().into(),
                Told::Sealed => json!({ "sealed": true }),
            };
            (field.clone(), told)
        })
        .collect();
    json!({
        "kind": step.kind.code(), "by": step.by.map(|by| by.to_string()), "device": step.device.map(|device| device.to_string()),
        "at_ms": step.at_ms, "arrived_at_ms": step.arrived_at_ms, "position": step.position, "fields": fields,
    })
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        Self::internal(error)
    }
}
