//! `GET /`: how the units below are doing, each number a way to the list behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::ids::UnitId;

use super::super::ApiError;
use super::frame::{Frame, Visitor};
use super::render;
use crate::app::App;
use crate::clock::day_of;
use crate::records::{self, PhoneRow, Totals};

/// A clock that is further off than this is worth a look.
const CLOCK_WARN_MS: i64 = 5 * 60 * 1000;
/// A phone that was not here for this long is worth a look.
const STALE_MS: i64 = 3 * 24 * 3600 * 1000;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    sums: Totals,
    groups: Vec<Group>,
    phones: Vec<PhoneLine>,
    late_phones: usize,
}

/// A unit with its units, each with its sums.
struct Group {
    name: String,
    sums: Totals,
    members: Vec<(UnitId, String, Totals)>,
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

pub(super) async fn page(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, ApiError> {
    // Who was here a second ago is still in memory alone.
    app.flush_presence().await;
    let (permit, today) = (visitor.all.clone(), day_of(visitor.words.now_ms));
    let (totals, phones) = app
        .store()
        .read(move |conn| {
            let totals = records::totals(conn, &permit)?;
            Ok::<_, rusqlite::Error>((totals, records::phones(conn, &permit, today)?))
        })
        .await?;
    let phones: Vec<PhoneLine> = phones.into_iter().map(|phone| line(phone, &visitor)).collect();
    let page = OverviewPage {
        frame: visitor.frame("way-overview", "/"),
        sums: sum(totals.values()),
        groups: groups(&visitor, &totals),
        late_phones: phones.iter().filter(|phone| phone.late).count(),
        phones,
    };
    render(&page, StatusCode::OK)
}

/// Units with units below them that have none themselves: communes with their hamlets.
fn groups(visitor: &Visitor, totals: &BTreeMap<UnitId, Totals>) -> Vec<Group> {
    let (tree, units) = (visitor.tree(), visitor.all.units());
    let of = |id: &UnitId| totals.get(id).copied().unwrap_or_default();
    let mut groups = Vec::new();
    for unit in tree.units().filter(|unit| units.contains(&unit.id)) {
        let below = tree.children(unit.id).iter().copied();
        let leaves: Vec<UnitId> = below
            .filter(|id| tree.children(*id).is_empty() && units.contains(id))
            .collect();
        if leaves.is_empty() {
            continue;
        }
        let own: Vec<Totals> = leaves.iter().chain([&unit.id]).map(of).collect();
        let members = leaves
            .iter()
            .map(|id| (*id, visitor.words.unit(tree, *id), of(id)));
        let group = Group {
            name: unit.name.clone(),
            sums: sum(own.iter()),
            members: members.collect(),
        };
        groups.push((unit.code.clone(), group));
    }
    groups.sort_by(|(a, _), (b, _)| a.cmp(b));
    groups.into_iter().map(|(_, group)| group).collect()
}

fn line(phone: PhoneRow, visitor: &Visitor) -> PhoneLine {
    let words = visitor.words;
    let late = phone.last_sync_at.is_none_or(|at| words.now_ms - at > STALE_MS);
    let since = phone.last_sync_at.map(|at| words.ago(at));
    let off = (phone.clock_offset_ms.abs() > CLOCK_WARN_MS)
        .then(|| words.count("phone-clock", phone.clock_offset_ms / 60_000));
    PhoneLine {
        place: words.place(visitor.tree(), phone.unit),
        name: phone.name,
        when: phone.last_sync_at.map(|at| words.time(at)).unwrap_or_default(),
        since: since.unwrap_or_else(|| words.t("phone-never")),
        late,
        unsent: phone.unsent.filter(|unsent| *unsent > 0),
        clock: off,
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
