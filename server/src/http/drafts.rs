//! `/v1/drafts`: directives that are being written, by the officials of their unit and for nobody else.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use sync_core::edit::{Edit, EditKind, NewDraft};
use sync_core::ids::{AccountId, Class, RecordId, UnitId};
use sync_core::record::Draft;
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::conflicts::{ValueView, conflict_values};
use super::directives::{TextView, Words, may_issue, relation, targets};
use super::given::{Given, Query};
use super::paging::{Page, after, limit, seal};
use super::people::{Done, ListQuery};
use super::remarks::Made;
use crate::app::App;
use crate::directives;
use crate::policy::Action;
use crate::seen::Seen;

/// What is asked of who changes drafts.
const WRITE: Action = Action::Edit(Class::Drafts, EditKind::Amend);

/// A directive that is being written.
#[derive(Serialize, ToSchema)]
#[schema(as = Draft)]
pub(super) struct DraftView {
    /// Its id.
    id: RecordId,
    /// Whose directive it is.
    unit: UnitId,
    #[serde(flatten)]
    text: TextView,
    /// Who began it.
    started_by: AccountId,
    /// When, UTC milliseconds of the device.
    started_at_ms: i64,
    /// Its fields with several current values.
    conflicts: Vec<DraftConflict>,
}

/// A field of a draft with several current values.
#[derive(Serialize, ToSchema)]
struct DraftConflict {
    /// Which field.
    #[schema(examples("title"))]
    field: String,
    /// The values.
    values: Vec<ValueView>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<DraftView>>, ApiError> {
    let permit = reader.permit(Action::Hold(Class::Drafts), query.unit)?;
    let (after, limit) = (after(query.cursor.as_deref())?, limit(query.limit)?);
    let drafts = app
        .store()
        .read(move |conn| directives::drafts(conn, &permit, after, limit + 1));
    let cursor = |draft: &Draft| seal(&(draft.started_at_ms, draft.id));
    Ok(Json(Page::of(drafts.await?, limit, cursor, view)))
}

pub(super) async fn start(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(words): Given<Words>,
) -> Result<Json<Made>, ApiError> {
    let unit = words.unit.ok_or_else(|| ApiError::parameter("unit"))?;
    let (id, fields) = (app.fresh_record(), words.fields()?);
    let edit = Edit::StartDraft(Box::new(NewDraft { id, unit, fields }));
    app.edit(writer.reader.account, &edit).await?;
    Ok(Json(Made { id }))
}

pub(super) async fn revise(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(record): Path<RecordId>,
    Given(words): Given<Words>,
) -> Result<Json<Done>, ApiError> {
    let permit = writer.permit(WRITE, None)?;
    let fields = words.fields()?;
    let edit = Edit::ReviseDraft { record, fields };
    let edit = (&edit, &Seen::default());
    app.edit_draft(writer.reader.account, &permit, edit).await?;
    Ok(Json(Done {}))
}

pub(super) async fn discard(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(record): Path<RecordId>,
) -> Result<Json<Done>, ApiError> {
    let permit = writer.permit(WRITE, None)?;
    let edit = Edit::DiscardDraft { record };
    let edit = (&edit, &Seen::default());
    app.edit_draft(writer.reader.account, &permit, edit).await?;
    Ok(Json(Done {}))
}

pub(super) async fn issue(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(draft): Path<RecordId>,
) -> Result<Json<Made>, ApiError> {
    let may = may_issue(&writer.reader, None)?;
    let id = app.issue_draft(writer.reader.account, &may, draft).await?;
    Ok(Json(Made { id }))
}

fn view(draft: Draft) -> DraftView {
    let conflicts = draft.conflicts.iter();
    let conflicts = conflicts.map(|conflict| DraftConflict {
        field: conflict.field.clone(),
        values: conflict_values(&conflict.values),
    });
    DraftView {
        id: draft.id,
        unit: draft.document.unit(),
        conflicts: conflicts.collect(),
        text: TextView {
            number: draft.number,
            title: draft.title,
            body: draft.body,
            urgency: draft.urgency.code(),
            deadline_ms: draft.deadline_ms,
            signer: draft.signer,
            targets: targets(&draft.targets),
            levels: draft.targets.levels().to_vec(),
            roles: draft.targets.roles().to_vec(),
            asks: draft.asks.code(),
            relation: relation(draft.relation),
        },
        started_by: draft.started_by,
        started_at_ms: draft.started_at_ms,
    }
}
