//! `/accounts/sheet`: a printed sheet for a commune, with a code for every team that has no phone yet.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sync_core::ids::UnitId;

use super::{filter_id, seed, seed_of};
use crate::app::App;
use crate::codes;
use crate::http::ApiError;
use crate::http::pages::form::Filled;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::pick::{Choice, choices};
use crate::http::pages::render;
use crate::policy::Action;
use crate::qr;
use crate::teams::{self, Waiting};

/// Codes on one sheet: more are not printed at once.
const SHEET: usize = 200;

/// For which unit, with everything below it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SheetQuery {
    #[serde(default)]
    unit: String,
}

/// The same, sent.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    seed: String,
    unit: UnitId,
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct SheetPage {
    frame: Frame,
    unit: String,
    units: Vec<Choice>,
    seed: String,
    /// Hamlets whose team has no phone: place, and who gets the first one.
    waiting: Vec<(String, Option<String>)>,
    /// How many of them have somebody.
    ready: usize,
}

#[derive(Template)]
#[template(path = "codes.html")]
struct CodesPage {
    frame: Frame,
    place: String,
    until: String,
    cards: Vec<Card>,
}

/// One code, to be cut out.
struct Card {
    place: String,
    person: String,
    code: String,
    picture: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<SheetQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let unit: Option<UnitId> = filter_id("unit", &query.unit)?;
    let managed = visitor.read(Action::ManageDevices)?;
    let waiting = match unit {
        Some(unit) => waiting(&app, &visitor, unit).await?,
        None => Vec::new(),
    };
    let words = visitor.words;
    let place = |team: &Waiting| words.place(visitor.tree(), team.unit);
    let name = |team: &Waiting| team.person.as_ref().map(|(_, name)| name.clone());
    let page = SheetPage {
        frame: visitor.frame("sheet-title", "/accounts"),
        units: choices(words, visitor.tree(), &managed, unit),
        unit: query.unit,
        seed: seed(),
        ready: waiting.iter().filter(|team| team.person.is_some()).count(),
        waiting: waiting.iter().map(|team| (place(team), name(team))).collect(),
    };
    render(&page, StatusCode::OK)
}

/// `POST /accounts/sheet`: makes the codes, and shows them this once.
pub(super) async fn make(State(app): State<Arc<App>>, filled: Filled<Wanted>) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (permit, seed) = (visitor.write(Action::ManageDevices)?, seed_of(&fields.seed)?);
    let mut waiting = waiting(&app, &visitor, fields.unit).await?;
    waiting.truncate(SHEET);
    let codes = app
        .store()
        .write(move |tx| teams::codes_for(tx, &permit, &by, &waiting, seed))
        .await?;
    let words = visitor.words;
    let card = |(unit, person, code): (UnitId, String, String)| {
        Ok(Card {
            place: words.place(visitor.tree(), unit),
            person,
            picture: qr::inline(&code).map_err(ApiError::internal)?,
            code,
        })
    };
    let page = CodesPage {
        frame: visitor.frame("codes-title", "/accounts"),
        place: words.place(visitor.tree(), fields.unit),
        until: words.time(words.now_ms + codes::TTL_MS),
        cards: codes.into_iter().map(card).collect::<Result<_, ApiError>>()?,
    };
    render(&page, StatusCode::OK)
}

async fn waiting(app: &App, visitor: &Visitor, unit: UnitId) -> Result<Vec<Waiting>, ApiError> {
    let permit = visitor.reader.permit(Action::ManageDevices, Some(unit))?;
    let (authority, now_ms) = (Arc::clone(&visitor.reader.authority), visitor.words.now_ms);
    let found = app
        .store()
        .read(move |conn| teams::waiting(conn, &permit, &authority.tree, now_ms));
    Ok(found.await?)
}
