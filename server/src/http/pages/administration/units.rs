//! `GET /units`: the tree of today, or of any other day.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;
use sync_core::ids::UnitId;

use super::filter_day;
use crate::app::App;
use crate::http::ApiError;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::pick::MANY;
use crate::http::pages::render;
use crate::http::pages::words::Words;
use crate::i18n::has;
use crate::policy::Action;
use crate::realm::{self, RealmError};
use crate::tree::Tree;
use crate::units::eras;

/// What the form of the page asks; all of it is in the address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UnitsQuery {
    #[serde(default)]
    on: String,
}

#[derive(Template)]
#[template(path = "units.html")]
struct UnitsPage {
    frame: Frame,
    on: Date,
    today: Date,
    /// Days on which units became others, the latest first.
    turns: Vec<(Date, String)>,
    tree: Vec<Line>,
    /// How many units there are of each level.
    levels: Vec<(String, usize)>,
    reforms: bool,
}

/// A unit, and how much deeper it lies than the line before: lists open and close by it.
struct Line {
    id: String,
    code: String,
    name: String,
    level: String,
    below: usize,
    /// Whether what is below it follows.
    listed: bool,
    /// Whether its list of units below stands open.
    open: bool,
    /// How many lists end after it.
    ends: usize,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<UnitsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let (words, today) = (visitor.words, visitor.words.today());
    let on = filter_day("on", &query.on)?.unwrap_or(today);
    let permit = visitor.read(Action::ReadUnits)?;
    let found = app.store().read(move |conn| {
        let turns = realm::turning_days(conn, Date::MIN, Date::MAX)?;
        Ok::<_, RealmError>((realm::tree(conn, on)?, turns))
    });
    let (tree, turns) = found.await?;
    let known = eras::known(&tree, &permit);
    let page = UnitsPage {
        frame: visitor.frame("way-units", "/units"),
        on,
        today,
        turns: turns.into_iter().rev().map(|day| (day, words.day(day))).collect(),
        levels: levels(words, &tree, &known),
        tree: lines(words, &tree, &known),
        reforms: visitor.write(Action::ManageUnits).is_ok(),
    };
    render(&page, StatusCode::OK)
}

/// The units that somebody may know, each followed by what is below it.
fn lines(words: Words, tree: &Tree, known: &BTreeSet<UnitId>) -> Vec<Line> {
    let roots = tree.roots().iter().filter(|id| known.contains(id));
    let mut open: Vec<(UnitId, usize)> = roots.rev().map(|root| (*root, 0)).collect();
    let (mut lines, mut depths): (Vec<Line>, Vec<usize>) = (Vec::new(), Vec::new());
    let is_lowest = |id: &UnitId| tree.children(*id).is_empty();
    while let Some((id, depth)) = open.pop() {
        let below: Vec<UnitId> = tree
            .children(id)
            .iter()
            .copied()
            .filter(|child| known.contains(child))
            .collect();
        let Some(unit) = tree.unit(id) else { continue };
        let listed = known.len() <= MANY || !below.iter().all(is_lowest);
        lines.push(Line {
            id: id.to_string(),
            code: unit.code.clone(),
            name: unit.name.clone(),
            level: words.code("level", &unit.level),
            below: below.len(),
            listed,
            // What has units with units below it stands open: the communes are seen at once.
            open: below.iter().any(|child| !is_lowest(child)),
            ends: 0,
        });
        depths.push(depth);
        let below = below.into_iter().filter(|_| listed);
        open.extend(below.rev().map(|child| (child, depth + 1)));
    }
    let next = depths.iter().skip(1).copied().chain([0]);
    for ((line, depth), next) in lines.iter_mut().zip(&depths).zip(next) {
        line.ends = depth.saturating_sub(next);
    }
    lines
}

fn levels(words: Words, tree: &Tree, known: &BTreeSet<UnitId>) -> Vec<(String, usize)> {
    let mut levels: Vec<(&str, usize)> = Vec::new();
    let mut open: Vec<UnitId> = tree.roots().to_vec();
    while let Some(id) = open.pop() {
        open.extend(tree.children(id));
        let Some(unit) = tree.unit(id).filter(|_| known.contains(&id)) else {
            continue;
        };
        match levels.iter_mut().find(|(level, _)| *level == unit.level) {
            Some((_, n)) => *n += 1,
            None => levels.push((&unit.level, 1)),
        }
    }
    levels
        .into_iter()
        .map(|(level, n)| (counted(words, level, n), n))
        .collect()
}

/// What so many units of a level are called.
fn counted(words: Words, level: &str, n: usize) -> String {
    let key = format!("levels-{level}");
    match has(words.locale, &key) {
        true => words.count(&key, n),
        false => level.to_owned(),
    }
}
