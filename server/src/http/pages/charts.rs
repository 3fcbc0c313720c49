//! `GET /charts`: the numbers as pictures, each with its table beside it.

mod pace;

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;
use sync_core::ids::{Class, UnitId};

use super::super::ApiError;
use super::complete;
use super::frame::{Frame, Visitor};
use super::input::filter_day;
use super::pick::{Choice, choices};
use super::render;
use super::words::Words;
use crate::aggregates::{self, Days, Sums};
use crate::app::App;
use crate::catalogue::Names;
use crate::charts::{self, Caption, ChartError, Number};
use crate::clock::midnight_ms;
use crate::directives;
use crate::policy::{Action, Permit, Read};
use crate::realm::RealmError;
use crate::records::{self, PhoneRow};

/// Most days in one picture.
const DAYS_MAX: i32 = 366;
/// Days in the pictures without a wish.
const DAYS: i32 = 30;
/// Most hamlets of which each has its days in a picture.
const GRID_HAMLETS: usize = 200;
/// Days in the picture of every hamlet.
const GRID_DAYS: i32 = 31;

/// A picture, and its numbers: a line for each name, with as many numbers as there are things counted.
pub(super) struct Figure {
    pub(super) title: String,
    /// What can be seen, in a sentence.
    pub(super) description: String,
    pub(super) svg: String,
    /// What the numbers are of, and what they count.
    pub(super) of: String,
    pub(super) counted: Vec<String>,
    pub(super) rows: Vec<(String, Vec<String>)>,
    /// How complete they are, in a sentence.
    pub(super) complete: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChartsQuery {
    unit: String,
    from: String,
    to: String,
}

#[derive(Template)]
#[template(path = "charts.html")]
struct ChartsPage {
    frame: Frame,
    query: ChartsQuery,
    units: Vec<Choice>,
    figures: Vec<Figure>,
    pace: Vec<Figure>,
    grids: Vec<Figure>,
    /// There are too many hamlets for a picture of each.
    too_many: bool,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ChartsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(mut query) = query.map_err(|_| ApiError::parameter("query"))?;
    let (words, today, tree) = (visitor.words, visitor.words.today(), visitor.tree());
    let unit = (!query.unit.is_empty()).then(|| query.unit.parse());
    let unit: Option<UnitId> = unit.transpose().map_err(|_| ApiError::parameter("unit"))?;
    let (from, to) = between(&query, today)?;
    (query.from, query.to) = (from.to_string(), to.to_string());
    let permit = visitor.records(unit)?;
    let boards = visitor.read(Action::Hold(Class::Board))?;
    let acks = visitor.reader.permit(Action::Hold(Class::Acks), unit)?;
    app.flush_presence().await;
    let (read, phones) = (permit.clone(), visitor.all.clone());
    let (authority, now_ms) = (Arc::clone(&visitor.reader.authority), words.now_ms);
    let issued = (midnight_ms(from), to.tomorrow().ok().and_then(midnight_ms));
    let (numbers, phones, pace) = app
        .store()
        .read(move |conn| {
            let days = Days::through(from, to);
            let last = Days::through(to.saturating_sub((GRID_DAYS - 1).days()).max(from), to);
            let numbers = Numbers {
                by_day: aggregates::by_day(conn, &read, &days)?,
                by_category: aggregates::by_category(conn, &read, &days)?,
                by_unit: aggregates::by_unit(conn, &read, &days)?,
                grid: aggregates::grid(conn, &read, &last)?,
                labels: Names::load(conn, words.locale)?,
            };
            let pace = directives::pace(conn, (&boards, &acks), issued, &authority.tree, now_ms)?;
            Ok::<_, RealmError>((numbers, records::phones(conn, &phones, today)?, pace))
        })
        .await?;
    let seen = complete::last_seen(&visitor, &permit, &phones);
    let drawn = Drawn {
        visitor: &visitor,
        permit: &permit,
        numbers: &numbers,
        phones: &phones,
        complete: complete::up_to(words, &seen, to),
        from,
        to,
    };
    let is_hamlet = |unit: &&UnitId| tree.children(**unit).is_empty();
    let too_many = permit.units().iter().filter(is_hamlet).count() > GRID_HAMLETS;
    let page = ChartsPage {
        frame: visitor.frame("way-charts", "/charts"),
        units: choices(words, visitor.tree(), &visitor.all, unit),
        query,
        figures: drawn.figures().map_err(ApiError::internal)?,
        // What was answered meanwhile counts: these are of today, whenever the directives were issued.
        pace: pace::figures(&visitor, &pace, &complete::up_to(words, &seen, today))
            .map_err(ApiError::internal)?,
        grids: match too_many {
            true => Vec::new(),
            false => drawn.grids().map_err(ApiError::internal)?,
        },
        too_many,
    };
    render(&page, StatusCode::OK)
}

/// The days that are asked for: the last thirty without a wish, a year at most.
fn between(query: &ChartsQuery, today: Date) -> Result<(Date, Date), ApiError> {
    let to = filter_day("to", &query.to)?.unwrap_or(today);
    let from = filter_day("from", &query.from)?.unwrap_or(to.saturating_sub((DAYS - 1).days()));
    let length = (to - from).get_days();
    if (0..DAYS_MAX).contains(&length) {
        Ok((from, to))
    } else {
        Err(ApiError::parameter("from"))
    }
}

/// What the pictures are made of.
struct Numbers {
    by_day: Vec<(Date, Sums)>,
    by_category: Vec<(String, Sums)>,
    by_unit: Vec<(UnitId, Sums)>,
    grid: Vec<((UnitId, Date), Sums)>,
    labels: Names,
}

struct Drawn<'a> {
    visitor: &'a Visitor,
    permit: &'a Permit<Read>,
    numbers: &'a Numbers,
    phones: &'a [PhoneRow],
    /// How complete the numbers of all hamlets are.
    complete: String,
    from: Date,
    to: Date,
}

impl Drawn<'_> {
    fn figures(&self) -> Result<Vec<Figure>, ChartError> {
        let words = self.visitor.words;
        let days = (self.to - self.from).get_days() + 1;
        let categories = self.numbers.by_category.iter();
        let categories =
            categories.map(|(code, sums)| (self.numbers.labels.name("category", code), sums.records));
        let stars: Sums = self.numbers.by_category.iter().map(|(_, sums)| *sums).sum();
        let stars = (1..=5_u32).rev().zip(stars.stars.into_iter().rev());
        let stars = stars.map(|(star, n)| (words.count("stars", star), n));
        Ok(vec![
            trend(words, self.to, days, &self.numbers.by_day, &self.complete)?,
            kinds(words, "chart-category", categories.collect(), &self.complete)?,
            kinds(words, "chart-commune", self.above(), &self.complete)?,
            kinds(words, "chart-satisfaction", stars.collect(), &self.complete)?,
        ])
    }

    /// Records under the units above the lowest ones.
    fn above(&self) -> Vec<(String, u64)> {
        let tree = self.visitor.tree();
        let mut sums: BTreeMap<UnitId, u64> = BTreeMap::new();
        for (unit, part) in &self.numbers.by_unit {
            let heir = tree.heir(*unit).unwrap_or(*unit);
            let lowest = tree.children(heir).is_empty();
            let above = tree.ancestors(heir).next().filter(|_| lowest);
            *sums.entry(above.map_or(heir, |above| above.id)).or_default() += part.records;
        }
        let named = sums
            .into_iter()
            .map(|(id, n)| (self.visitor.words.unit(tree, id), n));
        let mut named: Vec<(String, u64)> = named.collect();
        named.sort_by(|(a, x), (b, y)| (y, a).cmp(&(x, b)));
        named
    }

    /// For every unit above lowest ones: these, day by day.
    fn grids(&self) -> Result<Vec<Figure>, ChartError> {
        let (tree, words) = (self.visitor.tree(), self.visitor.words);
        let first = self.to.saturating_sub((GRID_DAYS - 1).days()).max(self.from);
        let days: Vec<Date> = first.series(1.day()).take_while(|day| *day <= self.to).collect();
        let mut found: BTreeMap<(UnitId, Date), u64> = BTreeMap::new();
        for ((unit, day), sums) in &self.numbers.grid {
            let heir = tree.heir(*unit).unwrap_or(*unit);
            *found.entry((heir, *day)).or_default() += sums.records;
        }
        let units = self.permit.units();
        let mut grids = Vec::new();
        for unit in tree.units() {
            let below = tree.children(unit.id).iter();
            let leaves: Vec<UnitId> = below
                .copied()
                .filter(|id| tree.children(*id).is_empty() && units.contains(id))
                .collect();
            if leaves.is_empty() {
                continue;
            }
            let rows: Vec<(String, Vec<u64>)> = leaves
                .iter()
                .map(|leaf| {
                    let of = |day: &Date| found.get(&(*leaf, *day)).copied().unwrap_or_default();
                    (words.unit(tree, *leaf), days.iter().map(of).collect())
                })
                .collect();
            let span = [
                ("unit", unit.name.clone()),
                ("from", words.day(first)),
                ("to", words.day(self.to)),
            ];
            let span: Vec<(&str, &str)> = span.iter().map(|(name, text)| (*name, text.as_str())).collect();
            let (title, description) = (unit.name.clone(), words.say("chart-days", &span));
            let caption = Caption {
                title: &title,
                description: &description,
            };
            let names: Vec<String> = days.iter().map(|day| short(*day)).collect();
            let svg = charts::days(caption, &names, &rows)?;
            let numbers = rows.into_iter().map(|(name, days)| {
                let sum = days.iter().sum::<u64>();
                (name, [sum].into_iter().chain(days).map(|n| words.n(n)).collect())
            });
            grids.push((
                unit.code.clone(),
                Figure {
                    rows: numbers.collect(),
                    of: words.t("column-place"),
                    counted: [words.t("chart-sum")].into_iter().chain(names).collect(),
                    title,
                    description,
                    svg,
                    complete: self.complete_of(&leaves),
                },
            ));
        }
        grids.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(grids.into_iter().map(|(_, figure)| figure).collect())
    }
}

impl Drawn<'_> {
    /// How complete the numbers of some hamlets are.
    fn complete_of(&self, hamlets: &[UnitId]) -> String {
        let seen = complete::last_seen_of(self.visitor, hamlets, self.phones);
        complete::up_to(self.visitor.words, &seen, self.to)
    }
}

/// Records day by day, up to a day.
///
/// # Errors
/// [`ChartError`].
pub(super) fn trend(
    words: Words,
    last: Date,
    days: i32,
    sums: &[(Date, Sums)],
    complete: &str,
) -> Result<Figure, ChartError> {
    let found: BTreeMap<Date, u64> = sums.iter().map(|(day, sums)| (*day, sums.records)).collect();
    let first = last.saturating_sub((days - 1).days());
    let all: Vec<(Date, u64)> = first
        .series(1.day())
        .take_while(|day| *day <= last)
        .map(|day| (day, found.get(&day).copied().unwrap_or_default()))
        .collect();
    let values: Vec<(String, u64)> = all.iter().map(|(day, n)| (short(*day), *n)).collect();
    let rows = all.iter().rev().map(|(day, n)| (words.day(*day), words.n(*n)));
    let trend = figure(words, "chart-trend", rows.collect(), &values, charts::columns)?;
    Ok(trend.complete(complete))
}

/// A day of a year that is known.
fn short(day: Date) -> String {
    day.strftime("%d/%m").to_string()
}

/// Records by kind.
fn kinds(words: Words, key: &str, values: Vec<(String, u64)>, complete: &str) -> Result<Figure, ChartError> {
    let rows = values.iter().map(|(name, n)| (name.clone(), words.n(*n)));
    let kinds = figure(words, key, rows.collect(), &values, charts::bars)?;
    Ok(kinds.complete(complete))
}

impl Figure {
    /// With how complete its numbers are.
    fn complete(self, complete: &str) -> Self {
        Self {
            complete: complete.to_owned(),
            ..self
        }
    }
}

fn figure(
    words: Words,
    key: &str,
    rows: Vec<(String, String)>,
    values: &[(String, u64)],
    draw: impl Fn(Caption<'_>, Number<'_>, &[(String, u64)]) -> Result<String, ChartError>,
) -> Result<Figure, ChartError> {
    let title = words.t(key);
    let total = words.n(values.iter().map(|(_, n)| n).sum::<u64>());
    let most = values.iter().filter(|(_, n)| *n > 0).max_by_key(|(_, n)| *n);
    let description = match most {
        Some((name, n)) => words.say(
            "chart-most",
            &[("total", &total), ("name", name), ("n", &words.n(*n))],
        ),
        None => words.t("chart-empty"),
    };
    let caption = Caption {
        title: &title,
        description: &description,
    };
    let svg = draw(caption, &|n| words.n(n), values)?;
    Ok(Figure {
        of: words.t(&format!("{key}-of")),
        counted: vec![words.t("column-records")],
        title,
        description,
        svg,
        rows: rows.into_iter().map(|(name, n)| (name, vec![n])).collect(),
        complete: String::new(),
    })
}
