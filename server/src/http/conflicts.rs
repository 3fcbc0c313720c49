//! `POST /v1/conflicts/{record}`: a person chooses one of several values, of a record or of a draft.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::edit::Edit;
use sync_core::ids::{Class, RecordId};

use super::ApiError;
use super::actor::Writer;
use super::given::Given;
use super::records::scalar;
use crate::app::App;
use crate::directives;
use crate::policy::Action;
use crate::records;

/// The choice: a field, and its value as the list of conflicts tells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    field: String,
    value: Value,
}

pub(super) async fn settle(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(record): Path<RecordId>,
    Given(choice): Given<Choice>,
) -> Result<Json<Value>, ApiError> {
    let records = writer.reader.permit(Action::ReadRecords, None)?;
    let drafts = writer.reader.permit(Action::Hold(Class::Drafts), None).ok();
    let field = choice.field.clone();
    let found = app
        .store()
        .read(
            move |conn| match (records::conflict(conn, &records, record, &field)?, drafts) {
                (None, Some(drafts)) => directives::draft_conflict(conn, &drafts, record, &field),
                (found, _) => Ok(found),
            },
        )
        .await?;
    let values = found.ok_or_else(ApiError::not_found)?;
    let chosen = values
        .into_iter()
        .find(|value| scalar(&value.value) == choice.value);
    let chosen = chosen.ok_or_else(|| ApiError::parameter("value"))?;
    let edit = Edit::SettleConflict {
        record,
        field: choice.field,
        value: chosen.value,
    };
    app.edit(writer.reader.account, &edit).await?;
    Ok(Json(json!({ "settled": true })))
}
