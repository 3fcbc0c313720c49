//! `GET /records`: the merged records of everything below one's unit, newest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sync_core::ids::UnitId;

use super::super::ApiError;
use super::super::records::{open_cursor, seal_cursor};
use super::frame::{Frame, Visitor};
use super::labels::Labels;
use super::pick::{Choice, choices};
use super::render;
use crate::app::App;
use crate::clock::midnight_ms;
use crate::records::{self, Filter, RecordRow};

/// Records on one page.
const PAGE: usize = 50;

/// What the form of the page asks; all of it is in the address.
#[derive(Debug, Default, Clone, Deserialize, Serialize)]
pub(super) struct RecordsQuery {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    unit: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    to: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    category: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    outcome: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    retracted: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cursor: String,
}

#[derive(Template)]
#[template(path = "records.html")]
struct RecordsPage {
    frame: Frame,
    query: RecordsQuery,
    units: Vec<Choice>,
    categories: Vec<(String, String)>,
    outcomes: Vec<(String, String)>,
    records: Vec<RecordLine>,
    next: Option<String>,
}

/// One record in a list.
pub(super) struct RecordLine {
    pub(super) id: String,
    pub(super) when: String,
    pub(super) place: String,
    pub(super) category: String,
    pub(super) procedure: String,
    pub(super) channel: String,
    pub(super) outcome: String,
    pub(super) people: u32,
    pub(super) satisfaction: String,
    pub(super) sealed: bool,
    pub(super) conflicts: u32,
    pub(super) retracted: Option<String>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<RecordsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let unit = query.unit()?;
    let (permit, filter, words) = (visitor.records(unit)?, query.filter()?, visitor.words);
    let (mut rows, labels) = app
        .store()
        .read(move |conn| {
            let rows = records::list(conn, &permit, &filter, PAGE + 1)?;
            Ok::<_, rusqlite::Error>((rows, Labels::load(conn, words)?))
        })
        .await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| query.after(&seal_cursor(row.occurred_at_ms, &row.id.to_bytes())));
    let page = RecordsPage {
        frame: visitor.frame("way-records", "/records"),
        units: choices(words, visitor.tree(), &visitor.all, unit),
        categories: labels.all("category"),
        outcomes: labels.all("outcome"),
        records: rows.into_iter().map(|row| line(row, &visitor, &labels)).collect(),
        next: next.transpose()?,
        query,
    };
    render(&page, StatusCode::OK)
}

/// A row as it stands in a list.
pub(super) fn line(row: RecordRow, visitor: &Visitor, labels: &Labels) -> RecordLine {
    let procedure = row.procedure.map(|code| labels.name("procedure", &code));
    RecordLine {
        id: row.id.to_string(),
        when: visitor.words.time(row.occurred_at_ms),
        place: visitor.words.place(visitor.tree(), row.unit),
        category: labels.name("category", &row.category),
        procedure: procedure.unwrap_or_default(),
        channel: labels.name("channel", &row.channel),
        outcome: labels.name("outcome", &row.outcome),
        people: row.people,
        satisfaction: row
            .satisfaction
            .map(|stars| format!("{stars}/5"))
            .unwrap_or_default(),
        sealed: !row.sealed.is_empty(),
        conflicts: row.conflicts,
        retracted: row
            .retraction
            .map(|(reason, ..)| visitor.words.code("retracted", &reason)),
    }
}

impl RecordsQuery {
    fn unit(&self) -> Result<Option<UnitId>, ApiError> {
        let unit = (!self.unit.is_empty()).then(|| self.unit.parse());
        unit.transpose().map_err(|_| ApiError::parameter("unit"))
    }

    fn filter(&self) -> Result<Filter, ApiError> {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let day = |text: &str, name| -> Result<Option<Date>, ApiError> {
            let day = filled(text).map(|text| text.parse());
            day.transpose().map_err(|_| ApiError::parameter(name))
        };
        let after = filled(&self.cursor)
            .map(|cursor| open_cursor(&cursor).ok_or_else(|| ApiError::parameter("cursor")));
        let until = day(&self.to, "to")?.and_then(|day| day.tomorrow().ok());
        Ok(Filter {
            from_ms: day(&self.from, "from")?.and_then(midnight_ms),
            until_ms: until.and_then(midnight_ms),
            category: filled(&self.category),
            outcome: filled(&self.outcome),
            retracted: match self.retracted.as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
            after: after.transpose()?,
            spans: None,
        })
    }

    /// The same question, after a row.
    fn after(&self, cursor: &str) -> Result<String, ApiError> {
        let next = Self {
            cursor: cursor.to_owned(),
            ..self.clone()
        };
        serde_html_form::to_string(next).map_err(ApiError::internal)
    }
}
