//! `GET /v1/records/{record}` and `…/history`: one record, and who wrote what of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sync_core::document::trail::TraceKind;
use sync_core::ids::{AccountId, DeviceId, RecordId};
use sync_core::seal::SealedField;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Schema, SchemaType};

use super::ApiError;
use super::actor::Reader;
use super::given::Query;
use super::records::{Include, RecordView, personal_denied, scalar, view};
use crate::app::App;
use crate::history::{self, Step, Told};
use crate::log::ReplayError;
use crate::policy::Action;
use crate::records;
use crate::schema::map_of;

/// Whether citizens' data is to be told.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneQuery {
    /// `personal`: with citizens' data, for who may read it.
    #[schema(value_type = Option<Include>)]
    include: Option<String>,
}

/// The history of a record.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryView {
    /// Of which record.
    record: RecordId,
    /// Its changes, in the order of its document.
    history: Vec<StepView>,
}

/// One change of a record.
#[derive(Serialize, ToSchema)]
#[schema(as = Step)]
struct StepView {
    /// What it did.
    #[schema(value_type = TraceKind)]
    kind: &'static str,
    /// Whose edit it is.
    by: Option<AccountId>,
    /// On which device; the server's own replica bears the realm's id.
    device: Option<DeviceId>,
    /// When it was made, UTC milliseconds of the device.
    at_ms: i64,
    /// When it arrived here, UTC milliseconds.
    arrived_at_ms: Option<i64>,
    /// Its position in the log.
    position: Option<u64>,
    #[schema(schema_with = fields)]
    fields: BTreeMap<String, Value>,
}

fn fields() -> RefOr<Schema> {
    let about = "The fields that it wrote; `null` emptied one, `{\"sealed\": true}` is a citizen's data that the reader may \
                 not read.";
    let example = json!({ "outcome": "hoan_thanh", "citizen_name": { "sealed": true } });
    map_of(SchemaType::AnyValue, about, example)
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(record): Path<RecordId>,
    Query(query): Query<OneQuery>,
) -> Result<Json<RecordView>, ApiError> {
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
    Ok(Json(view(row, clear)))
}

pub(super) async fn history(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(record): Path<RecordId>,
) -> Result<Json<HistoryView>, ApiError> {
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
    Ok(Json(HistoryView {
        record,
        history: steps.iter().map(step).collect(),
    }))
}

fn step(step: &Step) -> StepView {
    let fields = step
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
    StepView {
        kind: step.kind.code(),
        by: step.by,
        device: step.device,
        at_ms: step.at_ms,
        arrived_at_ms: step.arrived_at_ms,
        position: step.position,
        fields,
    }
}

impl From<ReplayError> for ApiError {
    fn from(error: ReplayError) -> Self {
        Self::internal(error)
    }
}
