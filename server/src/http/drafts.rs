//! `/v1/drafts`: directives that are being written, by the officials of their unit and for nobody else.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};
use sync_core::edit::{Edit, EditKind, NewDraft};
use sync_core::ids::{Class, RecordId};
use sync_core::record::Draft;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::directives::{Words, may_issue, relation, targets};
use super::given::Given;
use super::people::UnitQuery;
use super::records::conflict_values;
use crate::app::App;
use crate::directives;
use crate::policy::Action;
use crate::seen::Seen;

/// What is asked of who changes drafts.
const WRITE: Action = Action::Edit(Class::Drafts, EditKind::Amend);

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<UnitQuery>,
) -> Result<Json<Value>, ApiError> {
    let permit = reader.permit(Action::Hold(Class::Drafts), query.unit())?;
    let drafts = app
        .store()
        .read(move |conn| directives::drafts(conn, &permit, None));
    let views: Vec<Value> = drafts.await?.iter().map(view).collect();
    Ok(Json(json!({ "drafts": views })))
}

pub(super) async fn start(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(words): Given<Words>,
) -> Result<Json<Value>, ApiError> {
    let unit = words.unit.ok_or_else(|| ApiError::parameter("unit"))?;
    let (id, fields) = (app.fresh_record(), words.fields()?);
    let edit = Edit::StartDraft(Box::new(NewDraft { id, unit, fields }));
    app.edit(writer.reader.account, &edit).await?;
    Ok(Json(json!({ "id": id.to_string() })))
}

pub(super) async fn revise(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(record): Path<RecordId>,
    Given(words): Given<Words>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(WRITE, None)?;
    let fields = words.fields()?;
    let edit = Edit::ReviseDraft { record, fields };
    let edit = (&edit, &Seen::default());
    app.edit_draft(writer.reader.account, &permit, edit).await?;
    Ok(Json(json!({})))
}

pub(super) async fn discard(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(record): Path<RecordId>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(WRITE, None)?;
    let edit = Edit::DiscardDraft { record };
    let edit = (&edit, &Seen::default());
    app.edit_draft(writer.reader.account, &permit, edit).await?;
    Ok(Json(json!({})))
}

pub(super) async fn issue(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(draft): Path<RecordId>,
) -> Result<Json<Value>, ApiError> {
    let may = may_issue(&writer.reader, None)?;
    let id = app.issue_draft(writer.reader.account, &may, draft).await?;
    Ok(Json(json!({ "id": id.to_string() })))
}

fn view(draft: &Draft) -> Value {
    let conflicts = draft.conflicts.iter();
    let conflicts: Vec<Value> = conflicts
        .map(|conflict| json!({ "field": conflict.field, "values": conflict_values(&conflict.values) }))
        .collect();
    json!({
        "id": draft.id.to_string(), "unit": draft.document.unit().to_string(), "number": draft.number,
        "title": draft.title, "body": draft.body, "urgency": draft.urgency.code(), "deadline_ms": draft.deadline_ms,
        "signer": draft.signer, "targets": targets(&draft.targets), "levels": draft.targets.levels(),
        "roles": draft.targets.roles(), "asks": draft.asks.code(), "relation": relation(draft.relation),
        "started_by": draft.started_by.to_string(), "started_at_ms": draft.started_at_ms, "conflicts": conflicts,
    })
}
