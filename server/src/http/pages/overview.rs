//! `GET /`: how the units below are doing, each number a way to the list behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::Date;
use rusqlite::Connection;
use sync_core::ids::{Class, UnitId};

use super::super::ApiError;
use super::charts::{Figure, trend};
use super::complete;
use super::frame::{Frame, Visitor};
use super::hamlets::{Stands, active_days, hamlets};
use super::pick::MANY;
use super::render;
use crate::aggregates::{self, Days, Sums};
use crate::app::App;
use crate::conflicts;
use crate::directives;
use crate::policy::{Action, Permit, Read};
use crate::quarantine;
use crate::records::{self, PhoneRow};
use crate::remarks;
use crate::tree::Tree;

/// Days in the picture.
const TREND_DAYS: i32 = 30;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    periods: Vec<Period>,
    hamlets: usize,
    /// Hamlets that recorded something within a week.
    active: usize,
    /// Hamlets of which no phone was here within a week.
    silent: usize,
    /// How complete the numbers are.
    complete: String,
    directives: u64,
    remarks: u64,
    conflicts: u64,
    /// What waits for a decision, for who may decide.
    quarantine: Option<u64>,
    trend: Figure,
    /// The days of the groups.
    month: (Date, Date),
    groups: Vec<Group>,
}

/// Some days up to today.
struct Period {
    label: String,
    from: Date,
    to: Date,
    sums: Sums,
}

impl Period {
    fn satisfaction(&self, frame: &Frame) -> String {
        let average = self.sums.satisfaction();
        average.map_or_else(|| "–".to_owned(), |average| frame.words.decimal(average))
    }
}

/// A unit with its units, each with its sums of the month.
struct Group {
    unit: UnitId,
    name: String,
    sums: Sums,
    conflicts: u64,
    members: Vec<(UnitId, String, Sums)>,
}

/// What the page asks of the store.
struct Answers {
    periods: Vec<Sums>,
    days: Vec<(Date, Sums)>,
    active: Vec<(UnitId, Sums)>,
    month: Vec<(UnitId, Sums)>,
    phones: Vec<PhoneRow>,
    conflicts: BTreeMap<UnitId, u64>,
    remarks: u64,
    directives: u64,
    quarantine: Option<u64>,
}

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, ApiError> {
    // Who was here a second ago is still in memory alone.
    app.flush_presence().await;
    let (words, today) = (visitor.words, visitor.words.today());
    let spans = periods(today);
    let permits = Permits {
        records: visitor.records(None)?,
        boards: visitor.reader.permit(Action::Hold(Class::Board), None)?,
        remarks: visitor.reader.permit(Action::Hold(Class::Remarks), None)?,
        judge: visitor.reader.permit(Action::Judge, None).ok(),
        phones: visitor.all.clone(),
    };
    let authority = Arc::clone(&visitor.reader.authority);
    let answers = app
        .store()
        .read(move |conn| ask(conn, &permits, &authority.tree, &spans, today))
        .await?;
    let seen = complete::last_seen(&visitor, &visitor.all, &answers.phones);
    let hamlets = hamlets(visitor.tree(), &seen, &answers.active, words.now_ms);
    let complete = complete::up_to(words, &seen, today);
    let standing = |how| hamlets.iter().filter(|hamlet| hamlet.stands(how)).count();
    let labels = ["period-today", "period-week", "period-month"].into_iter();
    let named = labels.zip(spans).zip(&answers.periods);
    let page = OverviewPage {
        frame: visitor.frame("way-overview", "/"),
        periods: named
            .map(|((label, (from, to)), sums)| Period {
                label: words.t(label),
                from,
                to,
                sums: *sums,
            })
            .collect(),
        hamlets: hamlets.len(),
        active: standing(Stands::Active),
        silent: standing(Stands::Silent),
        directives: answers.directives,
        remarks: answers.remarks,
        conflicts: answers.conflicts.values().sum(),
        quarantine: answers.quarantine,
        trend: trend(words, today, TREND_DAYS, &answers.days, &complete).map_err(ApiError::internal)?,
        complete,
        month: (today.first_of_month(), today),
        groups: groups(&visitor, &answers),
    };
    render(&page, StatusCode::OK)
}

/// Leave to read what each number is made of.
struct Permits {
    records: Permit<Read>,
    boards: Permit<Read>,
    remarks: Permit<Read>,
    judge: Option<Permit<Read>>,
    phones: Permit<Read>,
}

/// Today, the week since Monday and the month since its first.
fn periods(today: Date) -> [(Date, Date); 3] {
    let monday = today.saturating_sub(i32::from(today.weekday().to_monday_zero_offset()).days());
    [(today, today), (monday, today), (today.first_of_month(), today)]
}

fn ask(
    conn: &Connection,
    permits: &Permits,
    tree: &Tree,
    spans: &[(Date, Date)],
    today: Date,
) -> rusqlite::Result<Answers> {
    let total =
        |(from, to): &(Date, Date)| aggregates::total(conn, &permits.records, &Days::through(*from, *to));
    let trend_from = today.saturating_sub((TREND_DAYS - 1).days());
    let (active_from, active_to) = active_days(today);
    let judge = permits.judge.as_ref();
    Ok(Answers {
        periods: spans.iter().map(total).collect::<rusqlite::Result<_>>()?,
        days: aggregates::by_day(conn, &permits.records, &Days::through(trend_from, today))?,
        active: aggregates::by_unit(conn, &permits.records, &Days::through(active_from, active_to))?,
        month: aggregates::by_unit(
            conn,
            &permits.records,
            &Days::through(today.first_of_month(), today),
        )?,
        phones: records::phones(conn, &permits.phones, today)?,
        conflicts: conflicts::by_unit(conn, &permits.records)?,
        remarks: remarks::open_by_unit(conn, &permits.remarks, None)?
            .into_values()
            .sum(),
        directives: directives::in_force(conn, tree, &permits.boards)?,
        quarantine: judge
            .map(|permit| quarantine::waiting(conn, permit))
            .transpose()?,
    })
}

/// Units with units below them that have none themselves: communes with their hamlets. What a unit that is no more
/// recorded this month stands under who inherited it.
fn groups(visitor: &Visitor, answers: &Answers) -> Vec<Group> {
    let (tree, units) = (visitor.tree(), visitor.all.units());
    let mut month: BTreeMap<UnitId, Sums> = BTreeMap::new();
    for (unit, sums) in &answers.month {
        *month.entry(tree.heir(*unit).unwrap_or(*unit)).or_default() += *sums;
    }
    let mut conflicts: BTreeMap<UnitId, u64> = BTreeMap::new();
    for (unit, n) in &answers.conflicts {
        *conflicts.entry(tree.heir(*unit).unwrap_or(*unit)).or_default() += n;
    }
    let of = |id: &UnitId| month.get(id).copied().unwrap_or_default();
    let listed = units.len() <= MANY;
    let mut groups = Vec::new();
    for unit in tree.units().filter(|unit| units.contains(&unit.id)) {
        let below = tree.children(unit.id).iter().copied();
        let leaves: Vec<UnitId> = below
            .filter(|id| tree.children(*id).is_empty() && units.contains(id))
            .collect();
        if leaves.is_empty() {
            continue;
        }
        let members = leaves
            .iter()
            .filter(|_| listed)
            .map(|id| (*id, visitor.words.unit(tree, *id), of(id)));
        let own = || leaves.iter().chain([&unit.id]);
        let group = Group {
            unit: unit.id,
            name: unit.name.clone(),
            sums: own().map(of).sum(),
            conflicts: own().filter_map(|id| conflicts.get(id)).sum(),
            members: members.collect(),
        };
        groups.push((unit.code.clone(), group));
    }
    groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    groups.into_iter().map(|(_, group)| group).collect()
}
