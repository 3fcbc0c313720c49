//! `/v1/directives`: what was issued, how far everybody has come, and issuing through the server.

mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::edit::EditKind;
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::record::{Relation, Stage, Targets};

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::Given;
use super::records::{asked_view, limit, open_cursor, place, seal_cursor};
use crate::app::App;
use crate::clock::day_of;
use crate::directives::{self, Counts, Standing, Told};
use crate::issuing::MayIssue;
use crate::policy::Action;
use crate::realm::RealmError;
use crate::tree::Tree;
use crate::units::eras::{self, View};
pub(super) use words::{NamedRelation, NamedTarget, Words};

/// What can be asked of directives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    unit: Option<UnitId>,
    view: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let (permit, past_of) = place(
        &reader,
        Action::Hold(Class::Board),
        query.unit,
        query.view.as_deref(),
    )?;
    let (limit, today) = (limit(query.limit)?, day_of(app.clock.now_ms()));
    let cursor = query.cursor.as_deref();
    let after = cursor.map(|cursor| open_cursor(cursor).ok_or_else(|| ApiError::parameter("cursor")));
    let after = after.transpose()?;
    let authority = Arc::clone(&reader.authority);
    let (found, more) = app
        .store()
        .read(move |conn| {
            let spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
            let mut found = directives::list(conn, &permit, spans.as_deref(), after, limit + 1)?;
            let more = found.len() > limit;
            found.truncate(limit);
            let told = found
                .into_iter()
                .map(|one| directives::told(conn, &authority.tree, one));
            Ok::<_, RealmError>((told.collect::<rusqlite::Result<Vec<_>>>()?, more))
        })
        .await?;
    let last = found.last().filter(|_| more).map(|last| &last.directive);
    let next = last.map(|last| seal_cursor(last.issued_at_ms, &last.id.to_bytes()));
    let shown = found
        .iter()
        .filter(|told| directives::is_shown(&told.directive, reader.grants()));
    let views: Vec<Value> = shown.map(view).collect();
    Ok(Json(json!({ "directives": views, "next": next })))
}

pub(super) async fn issue(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(words): Given<Words>,
) -> Result<Json<Value>, ApiError> {
    let id = app.fresh_record();
    issue_as(&app, &writer.reader, id, &words).await?;
    Ok(Json(json!({ "id": id.to_string() })))
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoardQuery {
    view: Option<String>,
}

/// How far each unit has come: those that the reader may know of.
pub(super) async fn acknowledgements(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(record): Path<RecordId>,
    Query(query): Query<BoardQuery>,
) -> Result<Json<Value>, ApiError> {
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
            Ok::<_, RealmError>(Some((view(&told), board, shown_under.clone())))
        })
        .await?;
    let (directive, board, tree) = found.ok_or_else(ApiError::not_found)?;
    let tree = &tree;
    let units: Vec<Value> = board.units.iter().map(|unit| standing(unit, tree)).collect();
    let call: Vec<Value> = board
        .units
        .iter()
        .filter(|unit| unit.on_time.is_none())
        .map(|unit| {
            let why = if unit.silent { "not_synced" } else { "not_done" };
            json!({ "unit": unit.unit.to_string(), "name": name(tree, unit.unit), "why": why })
        })
        .collect();
    Ok(Json(json!({
        "directive": directive, "counts": counts(&Counts::of(&board.units)), "by_unit": roll_up(&board.units, tree),
        "units": units, "to_call": call,
    })))
}

/// Counts of the units below each unit that stands above one of them.
fn roll_up(units: &[Standing], tree: &Tree) -> Vec<Value> {
    let mut below: BTreeMap<UnitId, Vec<&Standing>> = BTreeMap::new();
    for unit in units {
        for above in tree.ancestors(unit.unit) {
            below.entry(above.id).or_default().push(unit);
        }
    }
    let views = below.into_iter().map(|(unit, units)| {
        json!({ "unit": unit.to_string(), "name": name(tree, unit), "counts": counts(&Counts::of(units)) })
    });
    views.collect()
}

fn counts(counts: &Counts) -> Value {
    let stages: serde_json::Map<String, Value> = Stage::ALL
        .iter()
        .zip(counts.in_stage)
        .map(|(stage, n)| (stage.code().to_owned(), n.into()))
        .collect();
    json!({
        "targeted": counts.targeted, "in_stage": stages, "finished": counts.finished, "on_time": counts.on_time,
        "late": counts.finished - counts.on_time, "silent": counts.silent, "percent": counts.percent(),
    })
}

fn standing(unit: &Standing, tree: &Tree) -> Value {
    let times: serde_json::Map<String, Value> = Stage::ALL
        .iter()
        .filter_map(|stage| Some((stage.code().to_owned(), unit.progress.first(*stage)?.into())))
        .collect();
    json!({
        "unit": unit.unit.to_string(), "name": name(tree, unit.unit),
        "stage": unit.progress.stage().map(Stage::code), "at_ms": times, "note": unit.note,
        "on_time": unit.on_time, "arrived_at_ms": unit.arrived_at_ms, "arrived_late": unit.arrived_late,
        "silent": unit.silent,
    })
}

fn name(tree: &Tree, unit: UnitId) -> Option<&str> {
    tree.unit(unit).map(|unit| unit.name.as_str())
}

fn view(told: &Told) -> Value {
    let directive = &told.directive;
    let ids = |records: &[RecordId]| records.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "id": directive.id.to_string(), "unit": directive.document.unit().to_string(),
        "directive": directive.issue.directive.to_string(), "version": directive.issue.version,
        "digest": data_encoding::BASE64URL_NOPAD.encode(&directive.issue.digest),
        "number": directive.number, "title": directive.title, "body": directive.body,
        "urgency": directive.urgency.code(), "deadline_ms": directive.deadline_ms, "signer": directive.signer,
        "targets": targets(&directive.targets), "levels": directive.targets.levels(),
        "roles": directive.targets.roles(), "asks": directive.asks.code(), "relation": relation(directive.relation),
        "issued_by": directive.issued_by.to_string(), "issued_at_ms": directive.issued_at_ms,
        "ended_by": told.ended_by.map(|record| record.to_string()), "same_number": ids(&told.same_number),
        "same_version": ids(&told.same_version),
    })
}

pub(super) fn targets(targets: &Targets) -> Vec<Value> {
    let units = targets.units().iter();
    let views = units.map(|target| json!({ "unit": target.unit.to_string(), "reach": target.reach.code() }));
    views.collect()
}

pub(super) fn relation(relation: Option<(Relation, RecordId)>) -> Option<Value> {
    relation.map(|(kind, record)| json!({ "kind": kind.code(), "directive": record.to_string() }))
}
