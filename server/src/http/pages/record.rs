//! `GET /records/{record}`: one record, what was said to it, and – for who may – whose help it was.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use rusqlite::Connection;
use serde::Deserialize;
use sync_core::ids::RecordId;
use sync_core::record::RemarkKind;

use super::super::ApiError;
use super::conflicts::value_told;
use super::frame::{Frame, Visitor};
use super::records::{RecordLine, line};
use super::remarks::{Remark, Saying, found, may_say};
use super::words::Words;
use super::{render, status};
use crate::app::App;
use crate::catalogue::Names;
use crate::devices;
use crate::history::{self, Step, Told};
use crate::log::ReplayError;
use crate::realm;
use crate::records::{self, RecordRow};
use crate::remarks::Filter;

/// Most remarks that are shown of one record.
const REMARKS: usize = 100;

/// Fields of a record that say what every step of its history says.
const STEP: [&str; 3] = ["recorded_by", "recorded_at", "device"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecordQuery {
    personal: bool,
}

#[derive(Template)]
#[template(path = "record.html")]
struct RecordPage {
    frame: Frame,
    line: RecordLine,
    unit: String,
    minutes: String,
    by: String,
    recorded: String,
    /// Citizens' data, once it is asked for.
    personal: Vec<(String, String)>,
    /// It can be asked for.
    can_ask: bool,
    unknown: Vec<String>,
    remarks: Vec<Remark>,
    steps: Vec<StepLine>,
    /// Whether more was said than is shown.
    more_remarks: bool,
    kinds: Vec<(&'static str, String)>,
    saying: Saying,
}

/// One change of the record.
struct StepLine {
    what: String,
    by: String,
    device: String,
    when: String,
    arrived: String,
    fields: Vec<(String, String)>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(record): Path<RecordId>,
    query: Result<Query<RecordQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    shown(&app, &visitor, record, &query, Saying::nothing(&app)).await
}

/// The record, with what somebody wanted to say to it and why it was not said.
pub(super) async fn refused(
    app: &Arc<App>,
    visitor: &Visitor,
    record: RecordId,
    saying: Saying,
) -> Result<Response, ApiError> {
    shown(app, visitor, record, &RecordQuery::default(), saying).await
}

async fn shown(
    app: &Arc<App>,
    visitor: &Visitor,
    record: RecordId,
    query: &RecordQuery,
    saying: Saying,
) -> Result<Response, ApiError> {
    let (permit, words, worker) = (visitor.records(None)?, visitor.words, Arc::clone(app));
    let with_personal = query.personal;
    let seen = app
        .store()
        .read(move |conn| {
            let Some(row) = records::find(conn, &permit, record)? else {
                return Ok(None);
            };
            let master = &worker.exchange.ingest.master;
            // The permit may hold for citizens' data here and not everywhere.
            let permit = permit.within(row.unit);
            let clear = match with_personal {
                true => records::personal(conn, &permit, master, [&row])?,
                false => Vec::new(),
            };
            let by = realm::display_name(conn, row.recorded_by)?.unwrap_or_default();
            let (labels, may_ask) = (Names::load(conn, words.locale)?, permit.personal());
            let steps = history::history(conn, &permit, master, record)?.unwrap_or_default();
            let steps = steps
                .iter()
                .map(|step| step_line(conn, words, &labels, step, with_personal));
            let steps = steps.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok::<_, ReplayError>(Some((row, clear, by, labels, may_ask, steps)))
        })
        .await?;
    let (row, clear, by, labels, may_ask, steps) = seen.ok_or_else(ApiError::not_found)?;
    let filter = Filter {
        record: Some(record),
        ..Filter::default()
    };
    let (_, mut remarks) = found(app, visitor, filter, REMARKS + 1).await?;
    let more_remarks = remarks.len() > REMARKS;
    remarks.truncate(REMARKS);
    let clear = clear.into_iter().flatten();
    let kinds = [RemarkKind::Verified, RemarkKind::Correct, RemarkKind::Question];
    let may_say = may_say(visitor);
    let page = RecordPage {
        frame: visitor.frame("record-title", "/records"),
        unit: row.unit.to_string(),
        minutes: row.minutes.map(|n| words.n(n)).unwrap_or_default(),
        by,
        recorded: words.time(row.recorded_at_ms),
        personal: clear
            .map(|(field, clear)| (words.code("field", field.key()), clear))
            .collect(),
        can_ask: may_ask && !with_personal && !row.sealed.is_empty(),
        unknown: unknown(&row),
        remarks,
        steps,
        kinds: kinds
            .into_iter()
            .filter(|_| may_say)
            .map(|kind| (kind.code(), words.code("remark", kind.code())))
            .collect(),
        more_remarks,
        line: line(row, visitor, &labels),
        saying,
    };
    render(&page, status(page.saying.problem.as_ref()))
}

fn step_line(
    conn: &Connection,
    words: Words,
    labels: &Names,
    step: &Step,
    personal: bool,
) -> rusqlite::Result<StepLine> {
    let by = step.by.map(|by| realm::display_name(conn, by)).transpose()?;
    // The server's own replica is no device of anybody's.
    let named = step
        .device
        .map(|id| Ok::<_, rusqlite::Error>((id, devices::name(conn, id)?)));
    let device = match named.transpose()? {
        None | Some((_, None)) => words.t("step-server"),
        Some((id, Some(name))) if name.is_empty() => {
            let owner = realm::device(conn, id)?.map(|device| realm::display_name(conn, device.account));
            let owner = owner.transpose()?.flatten().unwrap_or_default();
            words.say("step-phone", &[("name", &owner)])
        }
        Some((_, Some(name))) => name,
    };
    // The step itself says who made the record, when and where.
    let fields = step
        .fields
        .iter()
        .filter(|(field, _)| !STEP.contains(&field.as_str()));
    let fields = fields.map(|(field, told)| {
        let told = match told {
            Told::Emptied => words.t("value-none"),
            Told::Clear(value) => value_told(words, labels, field, value),
            Told::Opened(text) if personal => text.clone(),
            Told::Opened(_) | Told::Sealed => words.t("value-sealed"),
        };
        (words.field(field), told)
    });
    Ok(StepLine {
        what: words.code("step", step.kind.code()),
        by: by.flatten().unwrap_or_default(),
        device,
        when: words.time(step.at_ms),
        arrived: step.arrived_at_ms.map(|at| words.time(at)).unwrap_or_default(),
        fields: fields.collect(),
    })
}

/// Names of fields that this version does not know: a newer app wrote them, and they are kept.
fn unknown(row: &RecordRow) -> Vec<String> {
    row.unknown.keys().cloned().collect()
}
