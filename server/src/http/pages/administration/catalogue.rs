//! `/catalogue`: what records may say – categories, procedures, channels, outcomes –, and a file that changes it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use rusqlite::Connection;
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
use crate::policy::Action;

/// The columns that the file must have.
const COLUMNS: &str = "kind, code, name_vi";

#[derive(Template)]
#[template(path = "catalogue.html")]
struct CataloguePage {
    frame: Frame,
    kinds: Vec<Kind>,
    /// Whether the reader may change it.
    imports: bool,
    csv: String,
    /// What a file would change.
    said: Said<Vec<Difference>>,
}

/// Everything of a kind.
struct Kind {
    title: String,
    entries: Vec<Line>,
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

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, ApiError> {
    shown(&app, &visitor, String::new(), Said::nothing()).await
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
        Err(problem) => return shown(&app, &visitor, fields.shown(), Said::problem(problem)).await,
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
        Some(said) => shown(&app, &visitor, fields.shown(), said).await,
    }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    csv: String,
    said: Said<Vec<Difference>>,
) -> Result<Response, ApiError> {
    let words = visitor.words;
    let read = move |conn: &Connection| {
        let entries = catalogue::list(conn)?;
        Ok::<_, rusqlite::Error>((entries, Names::load(conn, words.locale)?))
    };
    let (entries, names) = app.store().read(read).await?;
    let kind = |kind: &str| Kind {
        title: words.t(&format!("kind-{kind}")),
        entries: entries
            .iter()
            .filter(|(_, entry)| entry.kind == kind)
            .map(|(_, entry)| line(words, entry, &names))
            .collect(),
    };
    let page = CataloguePage {
        frame: visitor.frame("way-catalogue", "/catalogue"),
        kinds: KINDS.iter().copied().map(kind).collect(),
        imports: visitor.realm(Action::ManageUnits).is_ok(),
        csv,
        said,
    };
    render(&page, status(page.said.problem.as_ref()))
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
