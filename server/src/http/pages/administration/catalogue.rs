//! `/catalogue`: what records may say – categories, procedures, channels, outcomes –, and a file that changes it.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use rusqlite::Connection;
use serde::Deserialize;
use sync_core::ids::RecordId;

use super::files::{Said, Tried, Upload};
use super::status;
use crate::app::App;
use crate::catalogue::{self, CatalogueError, Entry, KINDS, Names};
use crate::clock::random_bits;
use crate::http::ApiError;
use crate::http::pages::form::Filled;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::render;
use crate::http::pages::words::Words;
use crate::http::paging::{self, Page, seal};
use crate::policy::Action;

/// Entries on one page.
const PAGE: usize = 100;
/// Most differences that are shown of a file.
const WOULD: usize = 200;

/// The columns that the file must have.
const COLUMNS: &str = "kind, code, name_vi";

#[derive(Template)]
#[template(path = "catalogue.html")]
struct CataloguePage {
    frame: Frame,
    /// The kind that was asked for, or nothing.
    kind: String,
    /// Each kind with its label, and how many entries it has.
    counts: Vec<(&'static str, String, u64)>,
    /// What is on this page.
    kinds: Vec<Kind>,
    next: Option<String>,
    /// Whether the reader may change it.
    imports: bool,
    csv: String,
    /// What a file would change.
    said: Said<Vec<Difference>>,
}

/// Entries of a kind.
struct Kind {
    title: String,
    entries: Vec<Line>,
}

impl Kind {
    fn has_parents(&self) -> bool {
        self.entries.iter().any(|entry| !entry.parent.is_empty())
    }

    fn has_weights(&self) -> bool {
        self.entries.iter().any(|entry| !entry.weight.is_empty())
    }
}

struct Line {
    code: String,
    name_vi: String,
    name_en: String,
    parent: String,
    weight: String,
    until: String,
    over: bool,
}

/// An entry that a file adds or changes.
struct Difference {
    kind: String,
    code: String,
    before: Option<String>,
    after: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CatalogueQuery {
    kind: String,
    cursor: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<CatalogueQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    shown(&app, &visitor, query, String::new(), Said::nothing()).await
}

/// `POST /catalogue`
pub(super) async fn import(
    State(app): State<Arc<App>>,
    filled: Filled<Upload>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    // The catalogue is the whole realm's: it is for who reaches the whole of it.
    visitor.realm(Action::ManageUnits)?;
    let (permit, step, words) = (visitor.write(Action::ManageUnits)?, fields.step, visitor.words);
    let entries = match fields.rows(words, COLUMNS, |text| catalogue::parse(text)) {
        Ok(entries) => entries,
        Err(problem) => {
            let (query, said) = (CatalogueQuery::default(), Said::problem(problem));
            return shown(&app, &visitor, query, fields.shown(), said).await;
        }
    };
    let done = app.store().write(move |tx| {
        let differences = catalogue::differences(tx, &entries)?;
        let told = differences
            .iter()
            .map(|(before, after)| difference(words, before.as_ref(), after))
            .collect();
        let fresh = || RecordId::from_parts(by.now_ms.unsigned_abs(), random_bits());
        catalogue::import(tx, &permit, &entries, &by, fresh).map_err(Tried::Failed)?;
        step.end(told)
    });
    let said = Said::of(words, done.await, |error| match error {
        CatalogueError::Rows(rows) => Ok(rows),
        CatalogueError::OutOfReach => Err(ApiError::not_found()),
        error @ (CatalogueError::Csv(_) | CatalogueError::Realm(_) | CatalogueError::Sqlite(_)) => {
            Err(ApiError::internal(error))
        }
    })?;
    match said {
        None => Ok(Redirect::to("/catalogue?done=imported").into_response()),
        Some(said) => shown(&app, &visitor, CatalogueQuery::default(), fields.shown(), said).await,
    }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    query: CatalogueQuery,
    csv: String,
    said: Said<Vec<Difference>>,
) -> Result<Response, ApiError> {
    let words = visitor.words;
    let kind = KINDS.iter().copied().find(|kind| *kind == query.kind);
    if kind.is_none() && !query.kind.is_empty() {
        return Err(ApiError::parameter("kind"));
    }
    let after = paging::after(Some(&query.cursor))?;
    let read = move |conn: &Connection| {
        let entries = catalogue::page(conn, kind, after.as_ref(), PAGE + 1)?;
        Ok::<_, rusqlite::Error>((
            entries,
            catalogue::counts(conn)?,
            Names::load(conn, words.locale)?,
        ))
    };
    let (entries, counts, names) = app.store().read(read).await?;
    let cursor = |entry: &Entry| seal(&(entry.kind.clone(), entry.code.clone()));
    let entries = Page::of(entries, PAGE, cursor, |entry| entry);
    let label = |kind: &str| words.t(&format!("kind-{kind}"));
    let of_kind = entries.items.chunk_by(|one, other| one.kind == other.kind);
    let kinds = of_kind.map(|entries| Kind {
        title: entries
            .first()
            .map(|entry| label(&entry.kind))
            .unwrap_or_default(),
        entries: entries.iter().map(|entry| line(words, entry, &names)).collect(),
    });
    let page = CataloguePage {
        frame: visitor.frame("way-catalogue", "/catalogue"),
        kind: query.kind,
        counts: KINDS
            .iter()
            .map(|kind| (*kind, label(kind), counts.get(*kind).copied().unwrap_or_default()))
            .collect(),
        kinds: kinds.collect(),
        next: entries.next,
        imports: visitor.realm(Action::ManageUnits).is_ok(),
        csv,
        said,
    };
    render(&page, status(page.said.problem.as_ref()))
}

impl CataloguePage {
    /// The differences that are shown, and how many more there are.
    fn first(would: &[Difference]) -> (&[Difference], usize) {
        let (first, more) = would.split_at(would.len().min(WOULD));
        (first, more.len())
    }
}

fn line(words: Words, entry: &Entry, names: &Names) -> Line {
    Line {
        code: entry.code.clone(),
        name_vi: entry.name_vi.clone(),
        name_en: entry.name_en.clone(),
        parent: names.name("category", &entry.parent),
        weight: entry.weight.map(|weight| words.n(weight)).unwrap_or_default(),
        until: entry.valid_to.map(|day| words.day(day)).unwrap_or_default(),
        over: entry.valid_to.is_some_and(|day| day <= words.today()),
    }
}

fn difference(words: Words, before: Option<&Entry>, after: &Entry) -> Difference {
    let summary = |entry: &Entry| {
        let until = entry.valid_to.map(|day| words.day(day));
        let weight = entry.weight.map(|weight| weight.to_string());
        let parts = [
            Some(entry.name_vi.clone()),
            Some(entry.name_en.clone()),
            Some(entry.parent.clone()),
            weight,
            until,
        ];
        let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" · ")
    };
    Difference {
        kind: words.t(&format!("kind-{}", after.kind)),
        code: after.code.clone(),
        before: before.map(summary),
        after: summary(after),
    }
}
