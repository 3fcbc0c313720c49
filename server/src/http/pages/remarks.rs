//! `GET /remarks`: what officials say to records, and what the teams answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sync_core::edit::{Edit, EditKind, NewRemark};
use sync_core::ids::{Class, RecordId};
use sync_core::record::RemarkKind;

use super::super::ApiError;
use super::super::paging::{self, seal};
use super::form::Filled;
use super::frame::{Frame, Visitor};
use super::render;
use crate::app::App;
use crate::policy::Action;
use crate::realm;
use crate::records;
use crate::remarks::{self, Filter, RemarkRow};

/// Remarks on one page.
const PAGE: usize = 50;
/// Longest remark, as forms bound it.
const CHARS: usize = 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    all: bool,
    cursor: String,
}

#[derive(Template)]
#[template(path = "remarks.html")]
struct RemarksPage {
    frame: Frame,
    remarks: Vec<Remark>,
    all: bool,
    next: Option<String>,
}

/// One remark or answer.
pub(super) struct Remark {
    pub(super) id: String,
    pub(super) record: String,
    pub(super) place: String,
    pub(super) kind: String,
    pub(super) who: String,
    pub(super) when: String,
    /// Nothing where they are sealed for the reader.
    pub(super) words: Option<String>,
    pub(super) sealed: bool,
    pub(super) open: bool,
    /// The id that an answer to it will have.
    pub(super) answer: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let filter = Filter {
        open: !query.all,
        after: paging::after(Some(&query.cursor))?,
        ..Filter::default()
    };
    let (mut rows, remarks) = found(&app, &visitor, filter, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let last = rows.last().filter(|_| more);
    let page = RemarksPage {
        frame: visitor.frame("way-remarks", "/remarks"),
        next: last.map(|row| seal(&(row.at_ms, row.id))),
        remarks: remarks.into_iter().take(PAGE).collect(),
        all: query.all,
    };
    render(&page, StatusCode::OK)
}

/// Remarks as they are shown.
pub(super) async fn found(
    app: &Arc<App>,
    visitor: &Visitor,
    filter: Filter,
    limit: usize,
) -> Result<(Vec<RemarkRow>, Vec<Remark>), ApiError> {
    let permit = visitor.reader.permit(Action::Hold(Class::Remarks), None)?;
    let worker = Arc::clone(app);
    let (rows, said, names) = app
        .store()
        .read(move |conn| {
            let rows = remarks::list(conn, &permit, &filter, limit)?;
            let said = remarks::words(conn, &permit, &worker.exchange.ingest.master, &rows)?;
            let names = rows
                .iter()
                .map(|row| Ok((row.by, realm::display_name(conn, row.by)?)));
            let names = names.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
            Ok::<_, rusqlite::Error>((rows, said, names))
        })
        .await?;
    let words = visitor.words;
    let shown = rows.iter().zip(said).map(|(row, said)| Remark {
        id: row.id.to_string(),
        record: row.record.to_string(),
        place: words.place(visitor.tree(), row.unit),
        kind: words.code("remark", &row.kind),
        who: names.get(&row.by).cloned().flatten().unwrap_or_default(),
        when: words.time(row.at_ms),
        sealed: row.sealed.is_some() && said.is_none(),
        words: said,
        open: row.open,
        answer: app.fresh_record().to_string(),
    });
    let shown = shown.collect();
    Ok((rows, shown))
}

/// What a form says to a record or to a remark.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    /// Made with the form: sent twice, it is said once.
    id: RecordId,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    words: String,
}

/// `POST /records/{record}/remarks`
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Path(record): Path<RecordId>,
    filled: Filled<Said>,
) -> Result<Response, ApiError> {
    let (visitor, said) = (filled.visitor, filled.fields);
    let permit = visitor.records(None)?;
    let unit = app
        .store()
        .read(move |conn| records::unit_of(conn, &permit, record))
        .await?;
    let kind = RemarkKind::from_code(&said.kind).filter(|kind| *kind != RemarkKind::Answer);
    let new = NewRemark {
        id: said.id,
        unit: unit.ok_or_else(ApiError::not_found)?,
        record,
        kind: kind.ok_or_else(|| ApiError::parameter("kind"))?,
        answers: None,
        words: words(&said.words),
    };
    say(&app, &visitor, new).await?;
    Ok(Redirect::to(&format!("/records/{record}?done=said")).into_response())
}

/// `POST /remarks/{remark}/answers`
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Path(remark): Path<RecordId>,
    filled: Filled<Said>,
) -> Result<Response, ApiError> {
    let (visitor, said) = (filled.visitor, filled.fields);
    let permit = visitor.reader.permit(Action::Hold(Class::Remarks), None)?;
    let found = app.store().read(move |conn| remarks::find(conn, remark)).await?;
    let found = found.filter(|(unit, _)| permit.units().contains(unit));
    let (unit, record) = found.ok_or_else(ApiError::not_found)?;
    let new = NewRemark {
        id: said.id,
        unit,
        record,
        kind: RemarkKind::Answer,
        answers: Some(remark),
        words: words(&said.words),
    };
    say(&app, &visitor, new).await?;
    Ok(Redirect::to("/remarks?done=said").into_response())
}

async fn say(app: &Arc<App>, visitor: &Visitor, new: NewRemark) -> Result<(), ApiError> {
    let filter = Filter {
        record: Some(new.record),
        ..Filter::default()
    };
    // Sent twice: it is there already.
    let (rows, _) = found(app, visitor, filter, PAGE).await?;
    if rows.iter().any(|row| row.id == new.id) {
        return Ok(());
    }
    Ok(app
        .edit(visitor.reader.account, &Edit::Remark(Box::new(new)))
        .await?)
}

fn words(text: &str) -> Option<String> {
    let text: String = text.replace("\r\n", "\n").trim().chars().take(CHARS).collect();
    (!text.is_empty()).then_some(text)
}

/// Whether somebody may say something to records.
pub(super) fn may_say(visitor: &Visitor) -> bool {
    let action = Action::Edit(Class::Remarks, EditKind::Create);
    visitor.reader.permit(action, None).is_ok()
}
