//! `GET /admin`: the merged records of everything below one's unit, and which phones have not synced.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use fluent_bundle::FluentArgs;
use serde::Deserialize;
use sync_core::ids::UnitId;

use super::actor::Reader;
use super::login::{Language, page};
use super::records::{open_cursor, seal_cursor};
use super::{ApiError, page_headers};
use crate::app::App;
use crate::clock::{VIETNAM, day_of, midnight_ms};
use crate::i18n::{Locale, format, has, text};
use crate::policy::{self, Permit, Read};
use crate::records::{self, Filter, PhoneRow, RecordRow, Totals};
use crate::tree::Tree;

/// Records on one page.
const PAGE: usize = 50;
/// A clock that is further off than this is worth a look.
const CLOCK_WARN_MS: i64 = 5 * 60 * 1000;
/// A phone that was not here for this long is worth a look.
const STALE_MS: i64 = 3 * 24 * 3600 * 1000;

/// What the form of the page asks.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct OverviewQuery {
    #[serde(default)]
    unit: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    retracted: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    locale: Locale,
    title: String,
    csrf: String,
    query: OverviewQuery,
    sums: Totals,
    groups: Vec<Group>,
    choices: Vec<Choice>,
    records: Vec<RecordLine>,
    next: Option<String>,
    phones: Vec<PhoneLine>,
    late_phones: usize,
}

/// A unit with its units, each with its sums.
struct Group {
    name: String,
    sums: Totals,
    members: Vec<(UnitId, String, Totals)>,
}

/// A unit that can be chosen.
struct Choice {
    id: String,
    label: String,
    chosen: bool,
}

struct RecordLine {
    when: String,
    place: String,
    category: String,
    procedure: String,
    channel: String,
    outcome: String,
    people: u32,
    satisfaction: String,
    sealed: bool,
    conflicts: u32,
    retracted: Option<String>,
}

struct PhoneLine {
    place: String,
    name: String,
    when: String,
    since: String,
    late: bool,
    unsent: Option<u32>,
    clock: Option<String>,
}

impl OverviewPage {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }
}

pub(super) async fn overview(
    State(app): State<Arc<App>>,
    Query(language): Query<Language>,
    query: Result<Query<OverviewQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let reader = match Reader::from_request_parts(&mut parts, &app).await {
        Err(error) if error.code() == "login_needed" => return Ok(Redirect::to("/login").into_response()),
        reader => reader?,
    };
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let locale = language.locale(&headers);
    let all = policy::read_overview(reader.grants(), &reader.authority.tree)
        .ok_or_else(|| ApiError::new(StatusCode::FORBIDDEN, "not_permitted"))?;
    let narrowed = narrow(&reader, &all, &query)?;
    let filter = filter(&query)?;
    // Who was here a second ago is still in memory alone.
    app.flush_presence().await;
    let worker = (all.clone(), narrowed);
    let today = day_of(app.clock.now_ms());
    let (rows, totals, phones) = app
        .store()
        .read(move |conn| {
            let (all, narrowed) = worker;
            Ok::<_, rusqlite::Error>((
                records::list(conn, &narrowed, &filter, PAGE + 1)?,
                records::totals(conn, &all)?,
                records::phones(conn, &all, today)?,
            ))
        })
        .await?;
    let builder = Builder {
        tree: &reader.authority.tree,
        locale,
        now_ms: app.clock.now_ms(),
    };
    page(
        &builder.page(&all, query, rows, &totals, phones, &reader),
        StatusCode::OK,
    )
}

pub(super) async fn style() -> Response {
    let mut response = include_str!("../../static/langso.css").into_response();
    page_headers(&mut response);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}

fn narrow(reader: &Reader, all: &Permit<Read>, query: &OverviewQuery) -> Result<Permit<Read>, ApiError> {
    if query.unit.is_empty() {
        return Ok(all.clone());
    }
    let unit = query.unit.parse().map_err(|_| ApiError::parameter("unit"))?;
    policy::read_records(reader.grants(), &reader.authority.tree, Some(unit)).ok_or_else(ApiError::not_found)
}

fn filter(query: &OverviewQuery) -> Result<Filter, ApiError> {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let day = |text: &str, name| -> Result<Option<jiff::civil::Date>, ApiError> {
        filled(text)
            .map(|text| text.parse().map_err(|_| ApiError::parameter(name)))
            .transpose()
    };
    let after = |text: &str| open_cursor(text).ok_or_else(|| ApiError::parameter("cursor"));
    Ok(Filter {
        from_ms: day(&query.from, "from")?.and_then(midnight_ms),
        until_ms: day(&query.to, "to")?
            .and_then(|day| day.tomorrow().ok())
            .and_then(midnight_ms),
        category: filled(&query.category),
        outcome: filled(&query.outcome),
        retracted: match query.retracted.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
        after: filled(&query.cursor).map(|cursor| after(&cursor)).transpose()?,
        spans: None,
    })
}

/// Puts the page together.
struct Builder<'a> {
    tree: &'a Tree,
    locale: Locale,
    now_ms: i64,
}

impl Builder<'_> {
    fn page(
        &self,
        permit: &Permit<Read>,
        query: OverviewQuery,
        mut rows: Vec<RecordRow>,
        totals: &BTreeMap<UnitId, Totals>,
        phones: Vec<PhoneRow>,
        reader: &Reader,
    ) -> OverviewPage {
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row| seal_cursor(row.occurred_at_ms, &row.id.to_bytes()));
        let roots = reader
            .grants()
            .iter()
            .map(|grant| self.name(grant.unit))
            .collect::<Vec<_>>();
        let phones: Vec<PhoneLine> = phones.into_iter().map(|phone| self.phone(phone)).collect();
        OverviewPage {
            locale: self.locale,
            title: roots.join(", "),
            csrf: reader
                .session
                .as_ref()
                .map(|session| session.csrf.clone())
                .unwrap_or_default(),
            sums: sum(totals.values()),
            groups: self.groups(permit, totals),
            choices: self.choices(permit, &query.unit),
            records: rows.into_iter().map(|row| self.record(row)).collect(),
            next,
            late_phones: phones.iter().filter(|phone| phone.late).count(),
            phones,
            query,
        }
    }

    /// Units with units below them that have none themselves: communes with their hamlets.
    fn groups(&self, permit: &Permit<Read>, totals: &BTreeMap<UnitId, Totals>) -> Vec<Group> {
        let of = |id: &UnitId| totals.get(id).copied().unwrap_or_default();
        let is_leaf = |id: &UnitId| self.tree.children(*id).is_empty();
        let mut groups = Vec::new();
        for unit in self.tree.units().filter(|unit| permit.units().contains(&unit.id)) {
            let mut leaves: Vec<UnitId> = self
                .tree
                .children(unit.id)
                .iter()
                .copied()
                .filter(is_leaf)
                .collect();
            leaves.retain(|leaf| permit.units().contains(leaf));
            if leaves.is_empty() {
                continue;
            }
            let members = leaves.iter().map(|id| (*id, self.name(*id), of(id))).collect();
            let own: Vec<Totals> = leaves.iter().chain([&unit.id]).map(of).collect();
            groups.push((
                unit.code.clone(),
                Group {
                    name: unit.name.clone(),
                    sums: sum(own.iter()),
                    members,
                },
            ));
        }
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        groups.into_iter().map(|(_, group)| group).collect()
    }

    fn choices(&self, permit: &Permit<Read>, chosen: &str) -> Vec<Choice> {
        let roots: Vec<UnitId> = permit
            .units()
            .iter()
            .filter(|id| {
                self.tree
                    .ancestors(**id)
                    .next()
                    .is_none_or(|above| !permit.units().contains(&above.id))
            })
            .copied()
            .collect();
        let mut choices = Vec::new();
        let mut open: Vec<(UnitId, usize)> = roots.into_iter().rev().map(|root| (root, 0)).collect();
        while let Some((id, depth)) = open.pop() {
            let (id_text, name) = (id.to_string(), self.name(id));
            let label = "\u{2003}".repeat(depth) + &name;
            choices.push(Choice {
                chosen: id_text == chosen,
                id: id_text,
                label,
            });
            open.extend(
                self.tree
                    .children(id)
                    .iter()
                    .rev()
                    .map(|child| (*child, depth + 1)),
            );
        }
        choices
    }

    fn record(&self, row: RecordRow) -> RecordLine {
        RecordLine {
            when: self.time(row.occurred_at_ms),
            place: self.place(row.unit),
            category: self.word("category", &row.category),
            procedure: row.procedure.unwrap_or_default(),
            channel: self.word("channel", &row.channel),
            outcome: self.word("outcome", &row.outcome),
            people: row.people,
            satisfaction: row
                .satisfaction
                .map(|stars| format!("{stars}/5"))
                .unwrap_or_default(),
            sealed: !row.sealed.is_empty(),
            conflicts: row.conflicts,
            retracted: row.retraction.map(|(reason, ..)| self.word("retracted", &reason)),
        }
    }

    fn phone(&self, phone: PhoneRow) -> PhoneLine {
        let late = phone.last_sync_at.is_none_or(|at| self.now_ms - at > STALE_MS);
        let since = phone
            .last_sync_at
            .map_or_else(|| text(self.locale, "phone-never"), |at| self.ago(at));
        let off = (phone.clock_offset_ms.abs() > CLOCK_WARN_MS).then(|| {
            let mut args = FluentArgs::new();
            args.set("minutes", phone.clock_offset_ms / 60_000);
            format(self.locale, "phone-clock", &args)
        });
        PhoneLine {
            place: self.place(phone.unit),
            name: phone.name,
            when: phone.last_sync_at.map(|at| self.time(at)).unwrap_or_default(),
            since,
            late,
            unsent: phone.unsent,
            clock: off,
        }
    }

    fn name(&self, id: UnitId) -> String {
        self.tree
            .unit(id)
            .map_or_else(|| id.to_string(), |unit| unit.name.clone())
    }

    /// A unit with the one above it, since hamlets of one name are many.
    fn place(&self, id: UnitId) -> String {
        match self.tree.ancestors(id).next() {
            Some(above) => format!("{}, {}", self.name(id), above.name),
            None => self.name(id),
        }
    }

    /// A code in the reader's language, where the catalogue knows it; as it is otherwise.
    fn word(&self, kind: &str, code: &str) -> String {
        let key = format!("{kind}-{}", code.replace('_', "-"));
        if has(self.locale, &key) {
            text(self.locale, &key)
        } else {
            code.to_owned()
        }
    }

    fn time(&self, at_ms: i64) -> String {
        let instant = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let local = VIETNAM.to_datetime(instant);
        local.strftime("%d/%m/%Y %H:%M").to_string()
    }

    fn ago(&self, at_ms: i64) -> String {
        let minutes = (self.now_ms - at_ms).max(0) / 60_000;
        let (key, n) = match minutes {
            0..60 => ("ago-minutes", minutes),
            60..1440 => ("ago-hours", minutes / 60),
            _ => (
                "ago-days",
                i64::from((day_of(self.now_ms) - day_of(at_ms)).get_days()).max(1),
            ),
        };
        let mut args = FluentArgs::new();
        args.set("n", n);
        format(self.locale, key, &args)
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a Totals>) -> Totals {
    parts.fold(Totals::default(), |sum, part| Totals {
        records: sum.records + part.records,
        people: sum.people + part.people,
        retracted: sum.retracted + part.retracted,
        conflicts: sum.conflicts + part.conflicts,
    })
}
