//! `GET /hamlets`: the lowest units, with what each recorded within a week and when a phone of its was here last. These are
//! the lists behind what the overview counts: who is active, and who is silent.

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
use sync_core::ids::UnitId;

use super::super::ApiError;
use super::complete;
use super::frame::{Frame, Visitor};
use super::input::filter_id;
use super::render;
use crate::aggregates::{self, Days, Sums};
use crate::app::App;
use crate::completeness::LastSeen;
use crate::records;
use crate::tree::Tree;

/// Hamlets on one page.
const PAGE: usize = 200;
/// Who recorded something within so many days is active.
const ACTIVE_DAYS: i32 = 7;
/// A hamlet of which no phone was here for so long is silent.
const SILENT_MS: i64 = 7 * 24 * 3600 * 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HamletsQuery {
    /// The word of one of [`Stands`]; all of them without.
    state: String,
    /// The last hamlet of the page before.
    after: String,
}

/// How a hamlet can stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// It recorded something within a week.
    Active,
    /// No phone of its was here within a week.
    Silent,
}

impl Stands {
    const ALL: [Stands; 2] = [Stands::Active, Stands::Silent];

    fn code(self) -> &'static str {
        match self {
            Stands::Active => "active",
            Stands::Silent => "silent",
        }
    }
}

/// A lowest unit of today.
pub(super) struct Hamlet {
    unit: UnitId,
    /// What it recorded within a week, and units did that it took over.
    records: u64,
    last_seen_ms: Option<i64>,
    now_ms: i64,
}

impl Hamlet {
    pub(super) fn stands(&self, how: Stands) -> bool {
        match how {
            Stands::Active => self.records > 0,
            Stands::Silent => self.last_seen_ms.is_none_or(|at| at < self.now_ms - SILENT_MS),
        }
    }
}

/// The days in which a hamlet has to have recorded something.
pub(super) fn active_days(today: Date) -> (Date, Date) {
    (today.saturating_sub((ACTIVE_DAYS - 1).days()), today)
}

/// How each hamlet stands, in the order of their codes: by the sums of the [`active_days`].
pub(super) fn hamlets(tree: &Tree, seen: &LastSeen, sums: &[(UnitId, Sums)], now_ms: i64) -> Vec<Hamlet> {
    let mut records: BTreeMap<UnitId, u64> = BTreeMap::new();
    for (unit, sums) in sums {
        *records.entry(tree.heir(*unit).unwrap_or(*unit)).or_default() += sums.records;
    }
    let each = seen.each().map(|(unit, last_seen_ms)| Hamlet {
        unit,
        records: records.get(&unit).copied().unwrap_or_default(),
        last_seen_ms,
        now_ms,
    });
    each.collect()
}

#[derive(Template)]
#[template(path = "hamlets.html")]
struct HamletsPage {
    frame: Frame,
    state: String,
    from: Date,
    to: Date,
    /// How many there are, and how many stand how: the word, its label and the count.
    all: usize,
    counts: Vec<(&'static str, String, usize)>,
    hamlets: Vec<Line>,
    next: Option<String>,
}

struct Line {
    unit: String,
    place: String,
    records: u64,
    /// How long ago a phone was here.
    since: Option<String>,
    silent: bool,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<HamletsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let after: Option<UnitId> = filter_id("after", &query.after)?;
    let state = match query.state.as_str() {
        "" => None,
        word => Some(
            Stands::ALL
                .into_iter()
                .find(|how| how.code() == word)
                .ok_or_else(|| ApiError::parameter("state"))?,
        ),
    };
    app.flush_presence().await;
    let (words, permit) = (visitor.words, visitor.records(None)?);
    let (today, (from, to)) = (words.today(), active_days(words.today()));
    let all = visitor.all.clone();
    let (sums, phones) = app
        .store()
        .read(move |conn| {
            let sums = aggregates::by_unit(conn, &permit, &Days::through(from, to))?;
            Ok::<_, rusqlite::Error>((sums, records::phones(conn, &all, today)?))
        })
        .await?;
    let seen = complete::last_seen(&visitor, &visitor.all, &phones);
    let hamlets = hamlets(visitor.tree(), &seen, &sums, words.now_ms);
    let counts = Stands::ALL.map(|how| {
        let n = hamlets.iter().filter(|hamlet| hamlet.stands(how)).count();
        (how.code(), words.t(&format!("hamlets-{}", how.code())), n)
    });
    let mut shown = hamlets
        .iter()
        .filter(|hamlet| state.is_none_or(|how| hamlet.stands(how)));
    if let Some(after) = after {
        // One that is no more begins again.
        let at = shown.clone().position(|hamlet| hamlet.unit == after);
        shown.by_ref().take(at.map_or(0, |at| at + 1)).for_each(drop);
    }
    let page: Vec<&Hamlet> = shown.by_ref().take(PAGE).collect();
    let last = page.last().filter(|_| shown.next().is_some());
    let page = HamletsPage {
        frame: visitor.frame("hamlets-title", "/"),
        from,
        to,
        all: hamlets.len(),
        counts: counts.into(),
        next: last.map(|hamlet| hamlet.unit.to_string()),
        hamlets: page.iter().map(|hamlet| line(&visitor, hamlet)).collect(),
        state: query.state,
    };
    render(&page, StatusCode::OK)
}

fn line(visitor: &Visitor, hamlet: &Hamlet) -> Line {
    let words = visitor.words;
    Line {
        unit: hamlet.unit.to_string(),
        place: words.place(visitor.tree(), hamlet.unit),
        records: hamlet.records,
        since: hamlet.last_seen_ms.map(|at| words.ago(at)),
        silent: hamlet.stands(Stands::Silent),
    }
}
