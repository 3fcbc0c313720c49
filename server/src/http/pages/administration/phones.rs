//! `GET /phones`: which phones have not synced, and since when; the ones to worry about first.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sync_core::ids::{DeviceId, UnitId};

use super::filter_id;
use crate::app::App;
use crate::clock::day_of;
use crate::http::ApiError;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::pick::{Choice, choices};
use crate::http::pages::render;
use crate::http::pages::words::Words;
use crate::http::paging::{self, seal};
use crate::policy::{Action, permit_read};
use crate::records::{self, PhoneRow};

/// A phone that was not here for this long is silent.
const SILENT_MS: i64 = 7 * 24 * 3600 * 1000;
/// A clock that is further off than this is wrong.
const CLOCK_WRONG_MS: i64 = 5 * 60 * 1000;
/// A phone with less room than this is full.
const FULL_BYTES: u64 = 200 * 1024 * 1024;

/// Phones on one page.
const PAGE: usize = 100;

/// What the form of the page asks; all of it is in the address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PhonesQuery {
    #[serde(default)]
    unit: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    cursor: String,
}

/// What a phone can be in need of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Silent,
    Unsent,
    Clock,
    Full,
}

impl Need {
    const ALL: [Need; 4] = [Need::Silent, Need::Unsent, Need::Clock, Need::Full];

    fn code(self) -> &'static str {
        match self {
            Need::Silent => "silent",
            Need::Unsent => "unsent",
            Need::Clock => "clock",
            Need::Full => "full",
        }
    }

    fn is_of(self, phone: &PhoneRow, now_ms: i64) -> bool {
        match self {
            Need::Silent => phone.last_sync_at.is_none_or(|at| now_ms - at > SILENT_MS),
            Need::Unsent => phone.unsent.is_some_and(|unsent| unsent > 0),
            Need::Clock => phone.clock_offset_ms.abs() > CLOCK_WRONG_MS,
            Need::Full => phone.free_storage.is_some_and(|bytes| bytes < FULL_BYTES),
        }
    }
}

#[derive(Template)]
#[template(path = "phones.html")]
struct PhonesPage {
    frame: Frame,
    unit: String,
    state: String,
    units: Vec<Choice>,
    /// Phones in the units that were asked for.
    all: usize,
    /// How many of them are in need of what, under its word and its label.
    states: Vec<(&'static str, String, usize)>,
    /// The phones by the unit above theirs, where that are several.
    groups: Vec<Group>,
    phones: Vec<Line>,
    next: Option<String>,
    /// Whether the reader enrols phones.
    enrols: bool,
}

/// The phones below one unit.
struct Group {
    id: String,
    name: String,
    all: usize,
    silent: usize,
    /// What they have not sent, as they last said.
    unsent: u64,
    /// When the oldest of that was recorded.
    oldest: Option<String>,
}

struct Line {
    place: String,
    person: String,
    called: String,
    silent: bool,
    since: String,
    when: String,
    unsent: Option<u32>,
    oldest: Option<String>,
    version: String,
    clock: String,
    clock_wrong: bool,
    storage: String,
    full: bool,
}

pub(super) async fn page(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<PhonesQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let unit: Option<UnitId> = filter_id("unit", &query.unit)?;
    let state = Need::ALL.into_iter().find(|state| state.code() == query.state);
    let after = paging::after(Some(&query.cursor))?;
    let permit = visitor.reader.permit(Action::Oversee, unit)?;
    // Who was here a second ago is still in memory alone.
    app.flush_presence().await;
    let (words, today) = (visitor.words, day_of(visitor.words.now_ms));
    let phones = app
        .store()
        .read(move |conn| records::phones(conn, &permit, today))
        .await?;
    let is = |state: Need| move |phone: &&PhoneRow| state.is_of(phone, words.now_ms);
    let counted = Need::ALL.map(|state| {
        let label = words.t(&format!("phones-{}", state.code()));
        (state.code(), label, phones.iter().filter(is(state)).count())
    });
    // A phone that was here meanwhile stands further down, and is met again: none is passed over.
    let mut shown = phones
        .iter()
        .filter(|phone| state.is_none_or(|state| is(state)(phone)))
        .skip_while(|phone| after.is_some_and(|after| place(phone) <= after));
    let lines: Vec<&PhoneRow> = shown.by_ref().take(PAGE).collect();
    let last = lines.last().filter(|_| shown.next().is_some());
    let (grants, tree) = (visitor.reader.grants(), visitor.tree());
    let page = PhonesPage {
        frame: visitor.frame("way-phones", "/phones"),
        units: choices(words, tree, &visitor.all, unit),
        unit: query.unit,
        state: state.map_or("", Need::code).to_owned(),
        all: phones.len(),
        groups: groups(&phones, &visitor),
        states: counted.into(),
        next: last.map(|phone| seal(&place(phone))),
        phones: lines.iter().map(|phone| line(phone, &visitor)).collect(),
        enrols: permit_read(grants, tree, Action::ManageDevices, unit).is_some(),
    };
    render(&page, StatusCode::OK)
}

/// Where a phone stands in the list: those that were never here come first.
fn place(phone: &PhoneRow) -> (i64, DeviceId) {
    (phone.last_sync_at.unwrap_or(i64::MIN), phone.device)
}

/// Who has most silent phones comes first.
fn groups(phones: &[PhoneRow], visitor: &Visitor) -> Vec<Group> {
    let (words, tree) = (visitor.words, visitor.tree());
    let mut below: BTreeMap<UnitId, Vec<&PhoneRow>> = BTreeMap::new();
    for phone in phones {
        let lowest = tree.children(phone.unit).is_empty();
        let above = tree.ancestors(phone.unit).next().filter(|_| lowest);
        below
            .entry(above.map_or(phone.unit, |above| above.id))
            .or_default()
            .push(phone);
    }
    let groups = below.into_iter().map(|(unit, phones)| {
        let of = |need: Need| phones.iter().filter(move |phone| need.is_of(phone, words.now_ms));
        let oldest = of(Need::Unsent).filter_map(|phone| phone.oldest_unsent_at).min();
        Group {
            id: unit.to_string(),
            name: words.unit(tree, unit),
            all: phones.len(),
            silent: of(Need::Silent).count(),
            unsent: of(Need::Unsent)
                .filter_map(|phone| phone.unsent)
                .map(u64::from)
                .sum(),
            oldest: oldest.map(|at| words.ago(at)),
        }
    });
    let mut groups: Vec<Group> = groups.collect();
    groups.sort_by(|a, b| (b.silent, &a.name).cmp(&(a.silent, &b.name)));
    if groups.len() > 1 { groups } else { Vec::new() }
}

fn line(phone: &PhoneRow, visitor: &Visitor) -> Line {
    let words = visitor.words;
    let is = |state: Need| state.is_of(phone, words.now_ms);
    Line {
        place: words.place(visitor.tree(), phone.unit),
        person: phone.name.clone(),
        called: phone.called.clone(),
        silent: is(Need::Silent),
        since: phone
            .last_sync_at
            .map_or_else(|| words.t("phone-never"), |at| words.ago(at)),
        when: phone.last_sync_at.map(|at| words.time(at)).unwrap_or_default(),
        unsent: phone.unsent,
        oldest: phone
            .oldest_unsent_at
            .filter(|_| is(Need::Unsent))
            .map(|at| words.ago(at)),
        version: phone.app_version.clone().unwrap_or_default(),
        clock: phone
            .last_sync_at
            .map(|_| difference(words, phone.clock_offset_ms))
            .unwrap_or_default(),
        clock_wrong: is(Need::Clock),
        storage: phone
            .free_storage
            .map(|bytes| room(words, bytes))
            .unwrap_or_default(),
        full: is(Need::Full),
    }
}

/// How far a clock is off, in the largest unit that says it.
fn difference(words: Words, ms: i64) -> String {
    let seconds = ms / 1000;
    let (key, n) = match seconds.unsigned_abs() {
        0..=2 => return words.t("clock-right"),
        3..120 => ("clock-seconds", seconds),
        120..7200 => ("clock-minutes", seconds / 60),
        7200..172_800 => ("clock-hours", seconds / 3600),
        _ => ("clock-days", seconds / 86_400),
    };
    let sign = if n > 0 { "+" } else { "" };
    words.say(key, &[("n", &format!("{sign}{}", words.n(n)))])
}

/// Bytes as people read them.
fn room(words: Words, bytes: u64) -> String {
    const MB: f64 = 1024.0 * 1024.0;
    let mb = bytes as f64 / MB;
    if mb < 1024.0 {
        format!("{} MB", words.n(mb as i64))
    } else {
        format!("{} GB", words.decimal(mb / 1024.0))
    }
}
