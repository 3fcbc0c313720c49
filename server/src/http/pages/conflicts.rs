//! `GET /conflicts`: what two people set without seeing each other, side by side, until a person chooses one value or
//! writes another ([`settle`]); and what was settled so far.

mod looking;
mod settle;

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sync_core::ids::UnitId;

use super::super::ApiError;
use super::super::paging::{self, Page, seal};
use super::frame::{Frame, Visitor};
use super::input::Input;
use super::pick::{Choice, choices};
use super::render;
use crate::app::App;
use crate::conflicts;
pub(super) use looking::value_told;
use looking::{Looked, Looking, Viewing};
pub(super) use settle::settle;

/// Conflicts on one page.
const PAGE: usize = 30;

#[derive(Template)]
#[template(path = "conflicts.html")]
struct ConflictsPage {
    frame: Frame,
    query: ConflictsQuery,
    units: Vec<Choice>,
    conflicts: Vec<Conflict>,
    settled: Vec<Settled>,
    /// The address of the page after.
    next: Option<String>,
    /// Why a form was not done.
    problem: Option<Refused>,
}

/// A form that was not done.
struct Refused {
    why: String,
    /// What it said, in the reader's words.
    meant: String,
    record: String,
}

/// One field, and what was said of it.
struct Conflict {
    record: String,
    place: String,
    field: String,
    /// As the form names it.
    key: String,
    /// Marks the values that are shown.
    seen: String,
    values: Vec<Said>,
    /// Whether the reader may choose.
    settles: bool,
    /// That the field can be left empty, by who may settle.
    can_be_empty: bool,
    /// How another value is entered, by who may.
    other: Option<Input>,
    /// What was entered before.
    typed: String,
    /// The values are sealed, and can be asked for.
    can_ask: bool,
}

impl Conflict {
    /// What the field for another value is called on the page.
    fn id(&self) -> String {
        format!("{}-{}", self.record, self.key)
    }
}

/// One value, by whom and when.
pub(super) struct Said {
    pub(super) value: String,
    /// As the form names it.
    pub(super) mark: String,
    pub(super) by: String,
    pub(super) when: String,
    /// It is what lists show meanwhile.
    pub(super) shown: bool,
}

/// A conflict that was settled.
struct Settled {
    record: String,
    place: String,
    field: String,
    chosen: String,
    by: String,
    when: String,
    values: Vec<Said>,
}

/// What is asked; all of it is in the address.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct ConflictsQuery {
    /// `settled`, or those that are open.
    state: String,
    unit: String,
    /// Whether citizens' data is shown to who may read it.
    personal: bool,
    cursor: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ConflictsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let page = match query.state.as_str() {
        "settled" => settled(&app, &visitor, query).await?,
        "" | "open" => open(&app, &visitor, query).await?,
        _ => return Err(ApiError::parameter("state")),
    };
    render(&page, StatusCode::OK)
}

async fn open(app: &Arc<App>, visitor: &Visitor, query: ConflictsQuery) -> Result<ConflictsPage, ApiError> {
    let (permit, after) = (
        visitor.records(query.unit()?)?,
        paging::after(Some(&query.cursor))?,
    );
    let (worker, words, personal) = (Arc::clone(app), visitor.words, query.personal);
    let found = app.store().read(move |conn| {
        let rows = conflicts::open(conn, &permit, None, after.as_ref(), PAGE + 1)?;
        let looking = Looking::new(conn, &permit, &worker, words.locale, personal);
        let looked = looking.look(rows.iter().map(Looked::from))?;
        Ok::<_, rusqlite::Error>((rows, looked))
    });
    let (rows, looked) = found.await?;
    let viewing = Viewing::new(visitor, &looked);
    let page = Page::of(
        rows,
        PAGE,
        |row| query.next(&seal(&(row.record, row.field.clone()))),
        |row| viewing.open(&row, String::new()),
    );
    Ok(ConflictsPage {
        conflicts: page.items,
        next: page.next,
        ..ConflictsPage::empty(visitor, query)?
    })
}

async fn settled(
    app: &Arc<App>,
    visitor: &Visitor,
    query: ConflictsQuery,
) -> Result<ConflictsPage, ApiError> {
    let (permit, after) = (
        visitor.records(query.unit()?)?,
        paging::after(Some(&query.cursor))?,
    );
    let (worker, words, personal) = (Arc::clone(app), visitor.words, query.personal);
    let found = app.store().read(move |conn| {
        let rows = conflicts::settled(conn, &permit, None, after.as_ref(), PAGE + 1)?;
        let looking = Looking::new(conn, &permit, &worker, words.locale, personal);
        let looked = looking.look(rows.iter().map(Looked::from))?;
        Ok::<_, rusqlite::Error>((rows, looked))
    });
    let (rows, looked) = found.await?;
    let viewing = Viewing::new(visitor, &looked);
    let page = Page::of(
        rows,
        PAGE,
        |row| query.next(&seal(&row.place())),
        |row| viewing.settled(&row),
    );
    Ok(ConflictsPage {
        settled: page.items,
        next: page.next,
        ..ConflictsPage::empty(visitor, query)?
    })
}

impl ConflictsPage {
    fn empty(visitor: &Visitor, query: ConflictsQuery) -> Result<Self, ApiError> {
        Ok(Self {
            frame: visitor.frame("way-conflicts", "/conflicts"),
            units: choices(visitor.words, visitor.tree(), &visitor.all, query.unit()?),
            query,
            conflicts: Vec::new(),
            settled: Vec::new(),
            next: None,
            problem: None,
        })
    }
}

impl ConflictsQuery {
    fn is_settled(&self) -> bool {
        self.state == "settled"
    }

    fn unit(&self) -> Result<Option<UnitId>, ApiError> {
        let unit = (!self.unit.is_empty()).then(|| self.unit.parse());
        unit.transpose().map_err(|_| ApiError::parameter("unit"))
    }

    /// The address of the list in some state.
    fn address(&self, state: &str) -> String {
        let personal = if self.personal { "true" } else { "" };
        let fields = [("state", state), ("unit", &self.unit), ("personal", personal)];
        let filled = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let filled = serde_html_form::to_string(filled.collect::<Vec<_>>());
        format!("/conflicts?{}", filled.unwrap_or_default())
    }

    fn next(&self, cursor: &str) -> String {
        format!("{}&cursor={cursor}", self.address(&self.state))
    }

    /// The same with citizens' data.
    fn with_personal(&self) -> String {
        let with = Self {
            personal: true,
            ..self.clone()
        };
        with.address(&self.state)
    }
}
