//! `POST /v1/conflicts/{record}`: a person says which of several values counts, of a record or of a draft – or, of a record,
//! that another one does.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use sync_core::ids::{Class, RecordId};

use super::ApiError;
use super::actor::Writer;
use super::given::Given;
use super::records::scalar;
use crate::app::App;
use crate::conflicts;
use crate::directives;
use crate::policy::Action;

/// The choice: a field, and its value as the list of conflicts tells it, or another one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    field: String,
    #[serde(default, deserialize_with = "given")]
    value: Option<Value>,
    other: Option<Value>,
    /// What the list of conflicts told with the values: somebody saw just these.
    seen: Option<String>,
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

pub(super) async fn settle(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(record): Path<RecordId>,
    Given(choice): Given<Choice>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.reader.permit(Action::ReadRecords, None)?;
    let drafts = writer.reader.permit(Action::Hold(Class::Drafts), None).ok();
    let (field, records) = (choice.field.clone(), permit.clone());
    let found = app
        .store()
        .read(
            move |conn| match (conflicts::find(conn, &records, record, &field)?, drafts) {
                (None, Some(drafts)) => directives::draft_conflict(conn, &drafts, record, &field),
                (found, _) => Ok(found.map(|found| found.values)),
            },
        )
        .await?;
    let values = found.ok_or_else(ApiError::not_found)?;
    let mut values = values.into_iter().map(|value| value.value);
    let chosen = match (&choice.value, &choice.other) {
        (Some(value), None) => values
            .find(|candidate| scalar(candidate) == *value)
            .map(conflicts::Choice::One),
        (None, Some(other)) => conflicts::other(&choice.field, &words(other)).map(conflicts::Choice::Other),
        (Some(_), Some(_)) | (None, None) => None,
    };
    let chosen = chosen.ok_or_else(|| ApiError::parameter("value"))?;
    app.settle(
        writer.reader.account,
        &permit,
        (record, choice.field),
        chosen,
        choice.seen.as_deref(),
    )
    .await?;
    Ok(Json(json!({ "settled": true })))
}

/// What a value is in words.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
