//! `/units/{unit}`: one unit with its history, and the dated operations on it.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::Date;
use serde::Deserialize;
use sync_core::ids::UnitId;

use super::{day, status};
use crate::app::App;
use crate::clock::random_bits;
use crate::http::ApiError;
use crate::http::pages::form::{Filled, beside};
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::pick::{Choice, whole};
use crate::http::pages::render;
use crate::http::pages::words::Words;
use crate::policy::{Action, permit_read};
use crate::realm::RealmError;
use crate::store::WriteError;
use crate::units::change::{self, Change, ChangeError, Part, Period};
use crate::units::history::{self, Dated, History};

/// Most parts into which a unit is divided at once.
const PARTS: usize = 50;

/// An operation as its form sends it: which, from which day on, and what it needs.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    change: String,
    /// Fresh with each form: sent twice, it makes units once.
    #[serde(default = "fresh")]
    id: UnitId,
    #[serde(default)]
    on: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    level: String,
    /// The unit above it, the one that it goes into, or its heir.
    #[serde(default)]
    other: String,
    /// Further units that go into the same one.
    #[serde(default)]
    with: Vec<String>,
    /// Lines of `CODE NAME`, the main successor first.
    #[serde(default)]
    parts: String,
}

fn fresh() -> UnitId {
    UnitId::from_parts(0, random_bits())
}

#[derive(Template)]
#[template(path = "unit.html")]
struct UnitPage {
    frame: Frame,
    id: String,
    name: String,
    code: String,
    level: String,
    /// The unit above it, with its id.
    above: Option<(String, String)>,
    /// The unit that it went into, its id, and the day.
    gone_into: Option<(String, String, String)>,
    /// It is no more.
    ended: Option<String>,
    periods: Vec<PeriodLine>,
    came_from: Vec<(String, String, String)>,
    below: Vec<(String, String, String)>,
    siblings: Vec<Sibling>,
    /// Whether the reader sees records of it as it is now …
    reads_records: bool,
    /// … and its phones.
    oversees: bool,
    audits: bool,
    manages_people: bool,
    /// Whether the reader may change it.
    manages: bool,
    places: Vec<Choice>,
    /// The level of what is below it, as far as one can tell.
    level_below: String,
    typed: Wanted,
    problem: Option<String>,
}

struct PeriodLine {
    from: String,
    to: String,
    name: String,
    code: String,
    level: String,
    parent: Option<(String, String)>,
}

/// A unit beside this one.
struct Sibling {
    id: String,
    name: String,
    chosen: bool,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(unit): Path<UnitId>,
) -> Result<Response, ApiError> {
    shown(&app, &visitor, unit, None).await
}

/// `POST /units/{unit}`
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Path(unit): Path<UnitId>,
    filled: Filled<Wanted>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (permit, words) = (visitor.write(Action::ManageUnits)?, visitor.words);
    let wanted = day(words, &fields.on).and_then(|on| Ok((on, fields.change(words, unit)?)));
    let (on, change) = match wanted {
        Ok(wanted) => wanted,
        Err(problem) => return shown(&app, &visitor, unit, Some((fields, problem))).await,
    };
    let done = app
        .store()
        .write(move |tx| change::change(tx, &permit, on, &change, &by));
    match done.await {
        Ok(()) => Ok(Redirect::to(&format!("/units/{unit}?done=unit")).into_response()),
        Err(error) => {
            let problem = match &error {
                WriteError::Job(refused) => told(words, &app, refused).await?,
                WriteError::Busy
                | WriteError::Full
                | WriteError::Storage(_)
                | WriteError::Panicked
                | WriteError::Stopped => None,
            };
            let problem = problem.map_or_else(|| beside(words, error), Ok)?;
            shown(&app, &visitor, unit, Some((fields, problem))).await
        }
    }
}

/// Why an operation is not done, in words; `None` where that is no matter of what was typed.
pub(super) async fn told(words: Words, app: &App, error: &ChangeError) -> Result<Option<String>, ApiError> {
    let names = app.store().read(history::names).await?;
    let name = |unit: &UnitId| names.get(unit).cloned().unwrap_or_default();
    let say = |key: &str, unit: &str, day: &str| Some(words.say(key, &[("unit", unit), ("day", day)]));
    Ok(match error {
        ChangeError::NotThen(unit, day) => say("change-not-then", &name(unit), &words.day(*day)),
        ChangeError::Later(unit, day) => say("change-later", &name(unit), &words.day(*day)),
        ChangeError::NotEmpty(unit) => say("change-not-empty", &name(unit), ""),
        ChangeError::Code(code, day) => say("change-code", code, &words.day(*day)),
        ChangeError::IntoItself => say("change-into-itself", "", ""),
        ChangeError::Realm(RealmError::Tree(_)) => say("change-no-tree", "", ""),
        ChangeError::Text
        | ChangeError::OutOfReach
        | ChangeError::Realm(RealmError::Sqlite(_) | RealmError::Missing)
        | ChangeError::Sqlite(_) => None,
    })
}

impl Wanted {
    /// A form that nobody has filled in yet.
    fn empty(words: Words, period: Option<&Period>) -> Self {
        let of = |field: fn(&Period) -> &String| period.map(field).cloned().unwrap_or_default();
        Self {
            change: String::new(),
            id: UnitId::from_parts(words.now_ms.unsigned_abs(), random_bits()),
            on: words.today().to_string(),
            name: of(|period| &period.name),
            code: of(|period| &period.code),
            level: String::new(),
            other: String::new(),
            with: Vec::new(),
            parts: String::new(),
        }
    }

    /// The operation on a unit that was filled in.
    ///
    /// # Errors
    /// What to say beside the form.
    fn change(&self, words: Words, unit: UnitId) -> Result<Change, String> {
        let other = || self.other.parse().map_err(|_| words.t("change-needs-unit"));
        Ok(match self.change.as_str() {
            "create" => {
                let period = Period {
                    level: self.level.clone(),
                    code: self.code.clone(),
                    name: self.name.clone(),
                    parent: Some(unit),
                };
                Change::Create {
                    unit: self.id,
                    period,
                }
            }
            "rename" => Change::Rename {
                unit,
                name: self.name.clone(),
                code: Some(self.code.clone()),
            },
            "move" => Change::Move {
                unit,
                parent: Some(other()?),
            },
            "merge" => {
                let with = self
                    .with
                    .iter()
                    .map(|id| id.parse().map_err(|_| words.t("change-needs-unit")));
                let mut units = with.collect::<Result<Vec<UnitId>, _>>()?;
                units.insert(0, unit);
                Change::Merge {
                    units,
                    into: other()?,
                }
            }
            "split" => Change::Split {
                unit,
                into: self.parts(words)?,
            },
            "abolish" => Change::Abolish {
                unit,
                heir: (!self.other.is_empty()).then(other).transpose()?,
            },
            _ => return Err(words.t("change-needs-unit")),
        })
    }

    fn parts(&self, words: Words) -> Result<Vec<(UnitId, Part)>, String> {
        let lines: Vec<&str> = self
            .parts
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if !(2..=PARTS).contains(&lines.len()) {
            return Err(words.t("change-needs-parts"));
        }
        let first = u128::from_be_bytes(self.id.to_bytes());
        let parts = lines.into_iter().zip(0..).map(|(line, n)| {
            let (code, name) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| words.t("change-part"))?;
            let part = Part {
                code: code.trim_matches('-').to_owned(),
                name: name.trim().to_owned(),
            };
            Ok((UnitId::from_bytes(first.wrapping_add(n).to_be_bytes()), part))
        });
        parts.collect()
    }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    unit: UnitId,
    refused: Option<(Wanted, String)>,
) -> Result<Response, ApiError> {
    let (permit, words) = (visitor.read(Action::ReadUnits)?, visitor.words);
    let today = words.today();
    let found = app.store().read(move |conn| {
        let history = history::of(conn, &permit, unit, today)?;
        Ok::<_, RealmError>((history, history::names(conn)?))
    });
    let (history, names) = found.await?;
    let history = history.ok_or_else(ApiError::not_found)?;
    let last = history.periods.last();
    let (grants, tree) = (visitor.reader.grants(), visitor.tree());
    let holds = |action| permit_read(grants, tree, action, Some(unit)).is_some();
    let manages = tree.unit(unit).is_some() && holds(Action::ManageUnits);
    let managed = visitor.read(Action::ManageUnits);
    let (typed, problem) = match refused {
        Some((typed, problem)) => (typed, Some(problem)),
        None => (Wanted::empty(words, last.map(|dated| &dated.period)), None),
    };
    let called = |id: UnitId| (id.to_string(), names.get(&id).cloned().unwrap_or_default());
    let since = |(id, day): &(UnitId, Date)| {
        let (id, name) = called(*id);
        (id, name, words.day(*day))
    };
    let below = tree.children(unit).iter().filter_map(|id| tree.unit(*id));
    let level_below = below.clone().next().map(|unit| unit.level.clone());
    let page = UnitPage {
        frame: visitor.frame("unit-title", "/units"),
        id: unit.to_string(),
        name: last.map(|dated| dated.period.name.clone()).unwrap_or_default(),
        code: last.map(|dated| dated.period.code.clone()).unwrap_or_default(),
        level: last
            .map(|dated| words.code("level", &dated.period.level))
            .unwrap_or_default(),
        above: last.and_then(|dated| dated.period.parent).map(called),
        ended: last
            .and_then(|dated| dated.to)
            .filter(|to| *to <= today)
            .map(|to| words.day(to)),
        gone_into: history.successor.as_ref().map(since),
        came_from: history.predecessors.iter().map(since).collect(),
        periods: period_lines(words, &history, &names),
        below: below
            .map(|unit| (unit.id.to_string(), unit.name.clone(), unit.code.clone()))
            .collect(),
        siblings: siblings(visitor, unit, &typed),
        reads_records: visitor.records(Some(unit)).is_ok(),
        oversees: visitor.reader.permit(Action::Oversee, Some(unit)).is_ok(),
        audits: visitor.realm(Action::ReadAudit).is_ok(),
        manages_people: holds(Action::ManageAccounts),
        places: match &managed {
            Ok(managed) if manages => whole(words, tree, managed, typed.other.parse().ok()),
            Ok(_) | Err(_) => Vec::new(),
        },
        manages,
        level_below: level_below.unwrap_or_else(|| "hamlet".to_owned()),
        typed,
        problem,
    };
    render(&page, status(page.problem.as_ref()))
}

fn period_lines(words: Words, history: &History, names: &HashMap<UnitId, String>) -> Vec<PeriodLine> {
    let line = |dated: &Dated| PeriodLine {
        from: words.day(dated.from),
        to: dated.to.map(|to| words.day(to)).unwrap_or_default(),
        name: dated.period.name.clone(),
        code: dated.period.code.clone(),
        level: words.code("level", &dated.period.level),
        parent: dated.period.parent.map(|parent| {
            (
                parent.to_string(),
                names.get(&parent).cloned().unwrap_or_default(),
            )
        }),
    };
    history.periods.iter().rev().map(line).collect()
}

/// The units beside one, which can be merged together with it.
fn siblings(visitor: &Visitor, unit: UnitId, typed: &Wanted) -> Vec<Sibling> {
    let tree = visitor.tree();
    let above = tree.ancestors(unit).next();
    let beside = above.map_or(&[][..], |above| tree.children(above.id));
    let beside = beside.iter().filter(|id| **id != unit);
    let sibling = |id: &UnitId| Sibling {
        id: id.to_string(),
        name: visitor.words.unit(tree, *id),
        chosen: typed.with.contains(&id.to_string()),
    };
    beside.map(sibling).collect()
}
