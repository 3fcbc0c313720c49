//! `/v1/remarks`: what officials say to records, and what the teams answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::edit::{Edit, NewRemark};
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::record::RemarkKind;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::Given;
use super::records::{limit, open_cursor, place, seal_cursor};
use crate::app::App;
use crate::clock::day_of;
use crate::policy::Action;
use crate::realm::RealmError;
use crate::records;
use crate::remarks::{self, Filter};
use crate::units::eras;

/// What can be asked of remarks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    unit: Option<UnitId>,
    view: Option<String>,
    record: Option<RecordId>,
    #[serde(default)]
    open: bool,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Something to be said to a record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWords {
    record: RecordId,
    kind: String,
    words: Option<String>,
}

/// An answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAnswer {
    words: String,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let (permit, past_of) = place(
        &reader,
        Action::Hold(Class::Remarks),
        query.unit,
        query.view.as_deref(),
    )?;
    let limit = limit(query.limit)?;
    let cursor = query.cursor.as_deref();
    let after = cursor.map(|cursor| open_cursor(cursor).ok_or_else(|| ApiError::parameter("cursor")));
    let mut filter = Filter {
        record: query.record,
        open: query.open,
        after: after.transpose()?,
        spans: None,
    };
    let today = day_of(app.clock.now_ms());
    let worker = Arc::clone(&app);
    let (mut rows, words, open) = app
        .store()
        .read(move |conn| {
            filter.spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
            let rows = remarks::list(conn, &permit, &filter, limit + 1)?;
            let words = remarks::words(conn, &permit, &worker.exchange.ingest.master, &rows)?;
            let open = remarks::open_by_unit(conn, &permit, filter.spans.as_deref())?;
            Ok::<_, RealmError>((rows, words, open))
        })
        .await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| seal_cursor(row.at_ms, &row.id.to_bytes()));
    let views: Vec<Value> = rows
        .iter()
        .zip(words)
        .map(|(row, words)| {
            json!({
                "id": row.id.to_string(), "unit": row.unit.to_string(), "record": row.record.to_string(),
                "kind": row.kind, "answers": row.answers.map(|remark| remark.to_string()), "by": row.by.to_string(),
                "at_ms": row.at_ms, "words": words, "sealed": row.sealed.is_some(), "open": row.open,
            })
        })
        .collect();
    let open: u64 = open.into_values().sum();
    Ok(Json(json!({ "remarks": views, "open": open, "next": next })))
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(new): Given<NewWords>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.reader.permit(Action::ReadRecords, None)?;
    let record = new.record;
    let found = app
        .store()
        .read(move |conn| records::unit_of(conn, &permit, record));
    let unit = found.await?.ok_or_else(ApiError::not_found)?;
    let kind = RemarkKind::from_code(&new.kind).filter(|kind| *kind != RemarkKind::Answer);
    let kind = kind.ok_or_else(|| ApiError::parameter("kind"))?;
    say(&app, &writer, unit, record, kind, None, new.words).await
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(remark): Path<RecordId>,
    Given(new): Given<NewAnswer>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.reader.permit(Action::Hold(Class::Remarks), None)?;
    let found = app.store().read(move |conn| remarks::find(conn, remark)).await?;
    let found = found.filter(|(unit, _)| permit.units().contains(unit));
    let (unit, record) = found.ok_or_else(ApiError::not_found)?;
    let (kind, words) = (RemarkKind::Answer, Some(new.words));
    say(&app, &writer, unit, record, kind, Some(remark), words).await
}

async fn say(
    app: &App,
    writer: &Writer,
    unit: UnitId,
    record: RecordId,
    kind: RemarkKind,
    answers: Option<RecordId>,
    words: Option<String>,
) -> Result<Json<Value>, ApiError> {
    let id = app.fresh_record();
    let new = NewRemark {
        id,
        unit,
        record,
        kind,
        answers,
        words,
    };
    app.edit(writer.reader.account, &Edit::Remark(Box::new(new)))
        .await?;
    Ok(Json(json!({ "id": id.to_string() })))
}
