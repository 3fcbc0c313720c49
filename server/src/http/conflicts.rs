//! `/v1/conflicts`: fields with several current values, those that were settled, and how a person settles one, of a record or
//! of a draft, by one of the values or by another.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sync_core::edit::Otherwise;
use sync_core::ids::{AccountId, Class, RecordId, UnitId};
use sync_core::record::ConflictValue;
use sync_core::seal::SealedField;
use utoipa::openapi::schema::{Schema, SchemaType};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::{Given, Query};
use super::paging::{self, Cursor, Limit, Page, limit, seal};
use super::records::{asked_unit, place, scalar};
use crate::app::App;
use crate::clock::day_of;
use crate::conflicts::{self, ConflictRow, SettledPlace, SettledRow};
use crate::directives;
use crate::policy::{Action, Permit, Read};
use crate::realm::RealmError;
use crate::schema::{anything, one_of};
use crate::seen::mark;
use crate::units::eras::{self, View};

/// What can be asked of conflicts.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConflictsQuery {
    /// Those that are open (without), or those that were settled, the last one first.
    #[schema(value_type = Option<ConflictState>)]
    state: Option<String>,
    /// Only what is of this unit and of those below it.
    #[schema(value_type = Option<UnitId>)]
    unit: Option<String>,
    /// Under the units of their own date, or of today (without).
    #[schema(value_type = Option<View>)]
    view: Option<String>,
    #[schema(value_type = Option<Cursor>)]
    cursor: Option<String>,
    #[schema(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// How far a conflict has come.
pub(super) enum ConflictState {}

impl PartialSchema for ConflictState {
    fn schema() -> RefOr<Schema> {
        one_of([OPEN, SETTLED])
    }
}

impl ToSchema for ConflictState {}

const OPEN: &str = "open";
const SETTLED: &str = "settled";

/// A field of a record that has, or had, several current values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub(super) struct ConflictView {
    /// Of which record.
    record: RecordId,
    /// Of which unit.
    unit: UnitId,
    /// Which field.
    #[schema(examples("outcome"))]
    field: String,
    /// Whether its values are ciphertext.
    sealed: bool,
    /// The values; the one that is shown meanwhile first.
    values: Vec<ValueView>,
    /// Tells these values from any others; of what is open. Who settles says that it was these that they saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("X-zrZv_IbzjZUnhsbWlsecLb"))]
    seen: Option<String>,
    /// What came of it; of what was settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<SettledView>,
}

/// One of several values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConflictValue)]
pub(super) struct ValueView {
    #[schema(schema_with = value)]
    value: Value,
    /// Who set it.
    by: AccountId,
    /// When, UTC milliseconds of the device.
    at_ms: i64,
}

/// How a conflict was settled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settlement)]
struct SettledView {
    #[schema(schema_with = chosen)]
    value: Value,
    /// Who settled it.
    by: AccountId,
    /// When, UTC milliseconds of the device.
    at_ms: i64,
}

/// The choice: a field, and one of its values or another one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// Which field.
    #[schema(examples("outcome"))]
    field: String,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = one_value, required = false)]
    value: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = other, required = false)]
    other: Option<Value>,
    /// What the list of conflicts told with the values: somebody saw just these.
    #[schema(examples("X-zrZv_IbzjZUnhsbWlsecLb"))]
    seen: Option<String>,
}

fn value() -> RefOr<Schema> {
    anything("The value; bytes as base64url.", "hoan_thanh".into())
}

fn chosen() -> RefOr<Schema> {
    anything(
        "The value that counts since; `null`: the field was emptied.",
        "hoan_thanh".into(),
    )
}

fn one_value() -> RefOr<Schema> {
    anything(
        "One of its values, as the list of conflicts tells it.",
        "hoan_thanh".into(),
    )
}

fn other() -> RefOr<Schema> {
    let about = "Another value of the field, in the place of `value`; `null` empties one that may be empty.";
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some(about))
        .into()
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// That it is settled.
#[derive(Serialize, ToSchema)]
pub(super) struct Settled {
    /// Always.
    #[schema(examples(true))]
    settled: bool,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ConflictsQuery>,
) -> Result<Json<Page<ConflictView>>, ApiError> {
    let unit = asked_unit(query.unit.as_deref())?;
    let (permit, past_of) = place(&reader, Action::ReadRecords, unit, query.view.as_deref())?;
    let (limit, cursor) = (limit(query.limit)?, query.cursor.as_deref());
    let page = match query.state.as_deref() {
        None | Some(OPEN) => open(&app, permit, past_of, cursor, limit).await?,
        Some(SETTLED) => settled(&app, permit, past_of, cursor, limit).await?,
        Some(_) => return Err(ApiError::parameter("state")),
    };
    Ok(Json(page))
}

async fn open(
    app: &App,
    permit: Permit<Read>,
    past_of: Option<UnitId>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<ConflictView>, ApiError> {
    let (today, after) = (day_of(app.clock.now_ms()), paging::after(cursor)?);
    let rows = app.store().read(move |conn| {
        let spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
        let found = conflicts::open(conn, &permit, spans.as_deref(), after.as_ref(), limit + 1)?;
        Ok::<_, RealmError>(found)
    });
    let cursor = |row: &ConflictRow| seal(&(row.record, row.field.clone()));
    Ok(Page::of(rows.await?, limit, cursor, |row| ConflictView {
        record: row.record,
        unit: row.unit,
        sealed: SealedField::from_key(&row.field).is_some(),
        values: conflict_values(&row.values),
        seen: Some(seen(&row.values)),
        settled: None,
        field: row.field,
    }))
}

/// Conflicts that were settled, the last one first.
async fn settled(
    app: &App,
    permit: Permit<Read>,
    past_of: Option<UnitId>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<ConflictView>, ApiError> {
    let (today, after) = (day_of(app.clock.now_ms()), paging::after::<SettledPlace>(cursor)?);
    let rows = app.store().read(move |conn| {
        let spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
        let found = conflicts::settled(conn, &permit, spans.as_deref(), after.as_ref(), limit + 1)?;
        Ok::<_, RealmError>(found)
    });
    let cursor = |row: &SettledRow| seal(&row.place());
    Ok(Page::of(rows.await?, limit, cursor, |row| ConflictView {
        record: row.record,
        unit: row.unit,
        sealed: SealedField::from_key(&row.field).is_some(),
        values: conflict_values(&row.values),
        seen: None,
        settled: Some(SettledView {
            value: row.chosen.as_ref().map_or(Value::Null, scalar),
            by: row.by,
            at_ms: row.at_ms,
        }),
        field: row.field,
    }))
}

/// The mark of values that somebody saw.
pub(super) fn seen(values: &[ConflictValue]) -> String {
    mark(values.iter().map(|value| &value.value))
}

/// Each value, who set it and when.
pub(super) fn conflict_values(values: &[ConflictValue]) -> Vec<ValueView> {
    let values = values.iter().map(|value| ValueView {
        value: scalar(&value.value),
        by: value.by,
        at_ms: value.at_ms,
    });
    values.collect()
}

pub(super) async fn settle(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(record): Path<RecordId>,
    Given(choice): Given<Choice>,
) -> Result<Json<Settled>, ApiError> {
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
    let chosen = match (&choice.value, &choice.other) {
        (Some(value), None) => values
            .iter()
            .map(|candidate| &candidate.value)
            .find(|candidate| scalar(candidate) == *value)
            .map(|value| conflicts::Choice::One(value.clone())),
        (None, Some(Value::Null)) => Otherwise::emptied(&choice.field).map(conflicts::Choice::Other),
        (None, Some(other)) => {
            Otherwise::from_words(&choice.field, &words(other), &values).map(conflicts::Choice::Other)
        }
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
    Ok(Json(Settled { settled: true }))
}

/// What a value is in words.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
