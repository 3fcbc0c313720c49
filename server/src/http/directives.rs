//! `/v1/directives`: what was issued, how far everybody has come, and issuing through the server.

mod views;
mod words;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use sync_core::edit::EditKind;
use sync_core::ids::{Class, RecordId, UnitId};
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::{Given, Query};
use super::paging::{Cursor, Limit, Page, after, limit, seal};
use super::records::{asked_view, place};
use super::remarks::Made;
use crate::app::App;
use crate::clock::day_of;
use crate::directives::{self, Told};
use crate::issuing::MayIssue;
use crate::policy::Action;
use crate::realm::RealmError;
use crate::units::eras::{self, View};
use views::{BoardView, DirectiveView};
pub(super) use views::{TextView, relation, targets};
pub(super) use words::{NamedRelation, NamedTarget, Words};

/// What can be asked of directives.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DirectivesQuery)]
pub(super) struct ListQuery {
    /// Only what this unit and those below it issued.
    unit: Option<UnitId>,
    /// Under the units of their own date, or of today (without).
    #[schema(value_type = Option<View>)]
    view: Option<String>,
    #[schema(value_type = Option<Cursor>)]
    cursor: Option<String>,
    #[schema(value_type = Option<Limit>)]
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<DirectiveView>>, ApiError> {
    let (permit, past_of) = place(
        &reader,
        Action::Hold(Class::Board),
        query.unit,
        query.view.as_deref(),
    )?;
    let (limit, today) = (limit(query.limit)?, day_of(app.clock.now_ms()));
    let after = after(query.cursor.as_deref())?;
    let authority = Arc::clone(&reader.authority);
    let found = app
        .store()
        .read(move |conn| {
            let spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
            let found = directives::list(conn, &permit, spans.as_deref(), after, limit + 1)?;
            let told = found
                .into_iter()
                .map(|one| directives::told(conn, &authority.tree, one));
            Ok::<_, RealmError>(told.collect::<rusqlite::Result<Vec<_>>>()?)
        })
        .await?;
    let cursor = |told: &Told| seal(&(told.directive.issued_at_ms, told.directive.id));
    let Page { items, next } = Page::of(found, limit, cursor, |told| told);
    // The page ends where its rows end, whether or not the reader may see the last of them.
    let shown = items
        .iter()
        .filter(|told| directives::is_shown(&told.directive, reader.grants()));
    let items = shown.map(DirectiveView::of).collect();
    Ok(Json(Page { items, next }))
}

pub(super) async fn issue(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(words): Given<Words>,
) -> Result<Json<Made>, ApiError> {
    let id = app.fresh_record();
    issue_as(&app, &writer.reader, id, &words).await?;
    Ok(Json(Made { id }))
}

/// Issues a directive for somebody.
///
/// # Errors
/// What is wrong with it; nothing was issued.
pub(super) async fn issue_as(
    app: &App,
    reader: &Reader,
    id: RecordId,
    words: &Words,
) -> Result<(), ApiError> {
    let unit = words.unit.ok_or_else(|| ApiError::parameter("unit"))?;
    let may = may_issue(reader, Some(unit))?;
    let (fields, related) = (words.fields()?, words.relation()?);
    app.issue(reader.account, &may, (id, unit), fields, related)
        .await?;
    Ok(())
}

/// Leave to issue in a unit – wherever the roles reach, without one.
pub(super) fn may_issue(reader: &Reader, unit: Option<UnitId>) -> Result<MayIssue, ApiError> {
    Ok(MayIssue {
        here: reader.permit_write(Action::Edit(Class::Board, EditKind::Create), unit)?,
        boards: reader.permit(Action::Hold(Class::Board), None)?,
    })
}

/// Under which units the answers are to be shown.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BoardQuery {
    /// Those of the day on which it was issued, or of today (without).
    #[schema(value_type = Option<View>)]
    view: Option<String>,
}

/// How far each unit has come: those that the reader may know of.
pub(super) async fn acknowledgements(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(record): Path<RecordId>,
    Query(query): Query<BoardQuery>,
) -> Result<Json<BoardView>, ApiError> {
    let view_of = asked_view(query.view.as_deref())?;
    let boards = reader.permit(Action::Hold(Class::Board), None)?;
    let permit = reader.permit(Action::Hold(Class::Acks), None)?;
    app.flush_presence().await;
    let (authority, account) = (Arc::clone(&reader.authority), reader.account);
    let found = app
        .store()
        .read(move |conn| {
            let found = directives::find(conn, &boards, record)?;
            let Some(directive) = found.filter(|one| directives::is_shown(one, authority.grants(account)))
            else {
                return Ok(None);
            };
            let asked = directives::asked(conn, &directive)?;
            let shown_under = match view_of {
                View::Was => &asked.issued_on,
                View::Now => &authority.tree,
            };
            let board = directives::board(conn, &permit, &directive, &asked, shown_under)?;
            let told = directives::told(conn, &authority.tree, directive)?;
            Ok::<_, RealmError>(Some(BoardView::of(&told, &board, shown_under)))
        })
        .await?;
    Ok(Json(found.ok_or_else(ApiError::not_found)?))
}
