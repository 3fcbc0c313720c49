//! `GET /records`: the merged records of everything below one's unit, newest first; `POST /records/search`: by words.
//!
//! The filter is in the address. Words are not: they may be a citizen's name, and addresses are written down on their way.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_core::ids::UnitId;

use super::super::ApiError;
use super::super::exports::attachment;
use super::super::paging::{self, seal};
use super::super::records::between;
use super::form::Filled;
use super::frame::{Frame, Visitor};
use super::pick::{Choice, choices};
use super::{render, status};
use crate::app::App;
use crate::audit::{self, Act, Change};
use crate::catalogue::Names;
use crate::export::{self, Format, Records, What};
use crate::policy::Personal;
use crate::records::{self, Filter, RecordRow};
use crate::search::{self, Blinder, Depth, Place, Words};

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
    /// Words; never in an address.
    #[serde(default, skip_serializing)]
    q: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cursor: String,
    /// As which file what was found is wanted; nothing: as a page.
    #[serde(default, skip_serializing, rename = "as")]
    file: String,
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
    /// The address of the page after.
    next: Option<String>,
    /// Where what was found goes on.
    found_next: Option<String>,
    /// Whether words are looked for in citizens' data as well.
    personal: bool,
    /// What is wrong with the words.
    problem: Option<String>,
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
            Ok::<_, rusqlite::Error>((rows, Names::load(conn, words.locale)?))
        })
        .await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| query.after(&seal(&(row.occurred_at_ms, row.id))));
    let next = next.transpose()?;
    list(&visitor, query, unit, rows, &labels, (next, None), None)
}

/// `POST /records/search`
pub(super) async fn search(
    State(app): State<Arc<App>>,
    filled: Filled<RecordsQuery>,
) -> Result<Response, ApiError> {
    let (visitor, query, by) = (filled.visitor, filled.fields, filled.by);
    let (unit, words) = (query.unit()?, visitor.words);
    if query.q.trim().is_empty() {
        return Ok(Redirect::to(&format!("/records?{}", query.all()?)).into_response());
    }
    let Ok(sought) = Words::of(&query.q) else {
        let labels = app
            .store()
            .read(move |conn| Names::load(conn, words.locale))
            .await?;
        let problem = words.count("search-words", search::WORDS);
        return list(
            &visitor,
            query,
            unit,
            Vec::new(),
            &labels,
            (None, None),
            Some(problem),
        );
    };
    let permit = visitor.records(unit)?;
    let after = (!query.cursor.is_empty()).then(|| Place::open(&query.cursor));
    let after = after
        .map(|after| after.ok_or_else(|| ApiError::parameter("cursor")))
        .transpose()?;
    let filter = query.filter_alone()?;
    let caught_up = app.caught_up().await?;
    if !query.file.is_empty() {
        let format = Format::of_extension(&query.file).ok_or_else(|| ApiError::parameter("as"))?;
        let what = What::Records(Box::new(Records {
            permit,
            filter,
            past_of: None,
            words: Some((sought, Personal::Read, caught_up)),
            personal: Personal::Sealed,
        }));
        let made = export::export(&app, what, format, words.locale, by).await?;
        return Ok(attachment(made));
    }
    let (worker, personal, count) = (Arc::clone(&app), permit.personal(), sought.count());
    let (mut found, labels) = app
        .store()
        .read(move |conn| {
            let blinder = Blinder::of(&worker.exchange.ingest.master);
            // For a permit that does not hold for citizens' data it looks in what is clear.
            let query = (&sought, Depth::Personal(&blinder));
            let found = search::records(conn, caught_up, &permit, query, &filter, after, PAGE + 1)?;
            Ok::<_, rusqlite::Error>((found, Names::load(conn, words.locale)?))
        })
        .await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    if personal {
        let change = Change::now("records", json!({ "words": count, "found": found.len() }));
        let noted = move |tx: &Transaction<'_>| audit::record(tx, &by, Act::PersonalSearched, &change);
        app.store().write(noted).await?;
    }
    let next = found.last().filter(|_| more).map(|last| last.place.seal());
    let rows = found.into_iter().map(|found| found.row).collect();
    list(&visitor, query, unit, rows, &labels, (None, next), None)
}

fn list(
    visitor: &Visitor,
    query: RecordsQuery,
    unit: Option<UnitId>,
    rows: Vec<RecordRow>,
    labels: &Names,
    (next, found_next): (Option<String>, Option<String>),
    problem: Option<String>,
) -> Result<Response, ApiError> {
    let status = status(problem.as_ref());
    let page = RecordsPage {
        frame: visitor.frame("way-records", "/records"),
        units: choices(visitor.words, visitor.tree(), &visitor.all, unit),
        categories: labels.all("category"),
        outcomes: labels.all("outcome"),
        records: rows.into_iter().map(|row| line(row, visitor, labels)).collect(),
        next,
        found_next,
        personal: visitor.records(unit)?.personal(),
        problem,
        query,
    };
    render(&page, status)
}

/// A row as it stands in a list.
pub(super) fn line(row: RecordRow, visitor: &Visitor, labels: &Names) -> RecordLine {
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
        Ok(Filter {
            after: paging::after(Some(&self.cursor))?,
            ..self.filter_alone()?
        })
    }

    /// Without a place in the list.
    fn filter_alone(&self) -> Result<Filter, ApiError> {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let day = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let (from_ms, until_ms) = between(day(&self.from), day(&self.to))?;
        Ok(Filter {
            from_ms,
            until_ms,
            category: filled(&self.category),
            outcome: filled(&self.outcome),
            retracted: match self.retracted.as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                "" => None,
                _ => return Err(ApiError::parameter("retracted")),
            },
            after: None,
            spans: None,
        })
    }

    /// The filter as the API takes it.
    fn address(&self) -> String {
        let fields = self.kept().into_iter().map(|field| match field {
            ("retracted", "yes") => ("retracted", "true"),
            ("retracted", _) => ("retracted", "false"),
            other => other,
        });
        serde_html_form::to_string(fields.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// The filter, as hidden fields of a form.
    fn kept(&self) -> Vec<(&'static str, &str)> {
        let fields = [
            ("unit", &self.unit),
            ("from", &self.from),
            ("to", &self.to),
            ("category", &self.category),
            ("outcome", &self.outcome),
            ("retracted", &self.retracted),
        ];
        let filled = fields.into_iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(name, value)| (name, value.as_str())).collect()
    }

    /// The same question, from the beginning and without words.
    fn all(&self) -> Result<String, ApiError> {
        self.after("")
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
