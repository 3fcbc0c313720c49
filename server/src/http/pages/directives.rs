//! `GET /directives`, `/directives/{id}`: what was issued, and who has received, read and done it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sync_core::edit::EditKind;
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::progress::SOON_MS;
use sync_core::record::{Directive, Reach, Stage, Targets, Urgency};

use super::super::ApiError;
use super::super::paging::{self, seal};
use super::frame::{Frame, Visitor};
use super::render;
use super::words::Words;
use crate::app::App;
use crate::directives::{self, Board, Boards, Counts, Standing};
use crate::policy::Action;
use crate::realm::RealmError;
use crate::tree::Tree;

/// Directives on one page.
const PAGE: usize = 20;

#[derive(Template)]
#[template(path = "directives.html")]
struct ListPage {
    frame: Frame,
    directives: Vec<Line>,
    /// Only those in force.
    in_force: bool,
    next: Option<String>,
    /// Whether the reader may issue one.
    issues: bool,
    /// How many are being written, for who writes them.
    drafts: Option<usize>,
}

/// One directive in the list.
struct Line {
    id: String,
    number: String,
    title: String,
    unit: String,
    urgency: Urgency,
    issued: String,
    deadline: Option<Deadline>,
    counts: Counts,
    ended: bool,
    /// Another directive bears the same number.
    doubled: bool,
}

/// A deadline as it stands now.
struct Deadline {
    when: String,
    past: bool,
    near: bool,
}

#[derive(Template)]
#[template(path = "directive.html")]
struct BoardPage {
    frame: Frame,
    line: Line,
    body: String,
    signer: String,
    asks: String,
    relation: Option<(String, String)>,
    ended_by: Option<String>,
    same_number: Vec<String>,
    targets: Vec<String>,
    digest: String,
    stages: Vec<(String, u32)>,
    groups: Vec<Group>,
    to_call: Vec<Call>,
    /// Whether the reader may amend, replace or withdraw it.
    issues: bool,
}

/// The units of a board below one unit.
struct Group {
    name: String,
    counts: Counts,
    units: Vec<Row>,
}

/// One unit of a board.
struct Row {
    name: String,
    /// When each stage was reached, in the order of the stages.
    times: Vec<String>,
    state: &'static str,
    note: String,
    late: bool,
    arrived_late: Option<String>,
}

/// Somebody to call.
struct Call {
    place: String,
    /// No phone of theirs was here since.
    silent: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    /// `in_force`: only those; all of them without.
    state: String,
    cursor: String,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let in_force = match query.state.as_str() {
        "" => false,
        "in_force" => true,
        _ => return Err(ApiError::parameter("state")),
    };
    let boards = visitor.reader.permit(Action::Hold(Class::Board), None)?;
    let acks = visitor.reader.permit(Action::Hold(Class::Acks), None)?;
    let after = paging::after(Some(&query.cursor))?;
    let authority = Arc::clone(&visitor.reader.authority);
    let writes = visitor.read(Action::Hold(Class::Drafts)).ok();
    app.flush_presence().await;
    let (mut found, drafts) = app
        .store()
        .read(move |conn| {
            let drafts = writes.map(|permit| directives::count_drafts(conn, &permit));
            let drafts = drafts.transpose()?;
            let found = match in_force {
                true => directives::list_in_force(conn, &authority.tree, &boards, after, PAGE + 1)?,
                false => directives::list(conn, &boards, None, after, PAGE + 1)?,
            };
            let mut boards = Boards::new(conn, &acks, &authority.tree)?;
            let told = found.into_iter().map(|directive| {
                let board = boards.board(&directive)?;
                let told = directives::told(conn, &authority.tree, directive)?;
                let doubled = !told.same_number.is_empty() || !told.same_version.is_empty();
                let counts = Counts::of(&board.units);
                Ok((told.directive, counts, told.ended_by.is_some(), doubled))
            });
            Ok::<_, RealmError>((told.collect::<Result<Vec<_>, RealmError>>()?, drafts))
        })
        .await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let last = found.last().filter(|_| more);
    let next = last.map(|(last, ..)| seal(&(last.issued_at_ms, last.id)));
    let lines = found.iter().map(|(directive, counts, ended, doubled)| Line {
        ended: *ended,
        doubled: *doubled,
        ..line(&visitor, directive, *counts)
    });
    let issues = issues(&visitor);
    let page = ListPage {
        directives: lines.collect(),
        in_force,
        next,
        issues,
        drafts: drafts.filter(|drafts| issues || *drafts > 0),
        frame: visitor.frame("way-directives", "/directives"),
    };
    render(&page, StatusCode::OK)
}

pub(super) async fn board(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(record): Path<RecordId>,
) -> Result<Response, ApiError> {
    let boards = visitor.reader.permit(Action::Hold(Class::Board), None)?;
    let acks = visitor.reader.permit(Action::Hold(Class::Acks), None)?;
    let authority = Arc::clone(&visitor.reader.authority);
    app.flush_presence().await;
    let found = app
        .store()
        .read(move |conn| {
            let Some(directive) = directives::find(conn, &boards, record)? else {
                return Ok(None);
            };
            let asked = directives::asked(conn, &directive)?;
            let board = directives::board(conn, &acks, &directive, &asked, &authority.tree)?;
            let told = directives::told(conn, &authority.tree, directive)?;
            let doubled = [told.same_number, told.same_version].concat();
            Ok::<_, RealmError>(Some((
                told.directive,
                asked.issued_on,
                board,
                told.ended_by,
                doubled,
            )))
        })
        .await?;
    let (directive, issued_on, board, ended_by, same_number) = found.ok_or_else(ApiError::not_found)?;
    let (words, counts) = (visitor.words, Counts::of(&board.units));
    let relation = directive
        .relation
        .map(|(kind, record)| (words.code("relation", kind.code()), record.to_string()));
    let stages = Stage::ALL.iter().zip(counts.in_stage);
    let page = BoardPage {
        line: Line {
            ended: ended_by.is_some(),
            doubled: !same_number.is_empty(),
            ..line(&visitor, &directive, counts)
        },
        body: directive.body.clone().unwrap_or_default(),
        signer: directive.signer.clone(),
        asks: words.code("asks", directive.asks.code()),
        relation,
        ended_by: ended_by.map(|record| record.to_string()),
        same_number: same_number.iter().map(ToString::to_string).collect(),
        targets: named(words, &issued_on, &directive.targets),
        digest: data_encoding::HEXLOWER.encode(&directive.issue.digest),
        stages: stages
            .map(|(stage, n)| (words.code("stage", stage.code()), n))
            .collect(),
        groups: groups(&visitor, &board),
        to_call: to_call(&visitor, &board),
        issues: issues(&visitor),
        frame: visitor.frame("way-directives", "/directives"),
    };
    render(&page, StatusCode::OK)
}

/// Whether somebody may issue directives at all, and there is anybody below to whom.
pub(super) fn issues(visitor: &Visitor) -> bool {
    let action = Action::Edit(Class::Board, EditKind::Create);
    let permit = visitor.reader.permit(action, None);
    let has_units = |unit: &UnitId| !visitor.tree().children(*unit).is_empty();
    permit.is_ok_and(|permit| permit.units().iter().any(has_units))
}

fn line(visitor: &Visitor, directive: &Directive, counts: Counts) -> Line {
    let words = visitor.words;
    let deadline = directive.deadline_ms.map(|at| Deadline {
        when: words.time(at),
        past: at < words.now_ms,
        near: (0..=SOON_MS).contains(&at.saturating_sub(words.now_ms)),
    });
    Line {
        id: directive.id.to_string(),
        number: directive.number.clone(),
        title: directive.title.clone(),
        unit: words.unit(visitor.tree(), directive.document.unit()),
        urgency: directive.urgency,
        issued: words.time(directive.issued_at_ms),
        deadline,
        counts,
        ended: false,
        doubled: false,
    }
}

/// Whom something is for, by the names of a day.
pub(super) fn named(words: Words, tree: &Tree, targets: &Targets) -> Vec<String> {
    let named = targets.units().iter().map(|target| {
        let name = words.unit(tree, target.unit);
        match target.reach {
            Reach::Unit => name,
            Reach::Subtree if tree.children(target.unit).is_empty() => name,
            Reach::Subtree => words.say("target-subtree", &[("unit", &name)]),
        }
    });
    named.collect()
}

/// The board by the units above those that answer.
fn groups(visitor: &Visitor, board: &Board) -> Vec<Group> {
    let (tree, words) = (visitor.tree(), visitor.words);
    let mut below: BTreeMap<(String, Option<UnitId>), Vec<&Standing>> = BTreeMap::new();
    for standing in &board.units {
        let above = tree.ancestors(standing.unit).next();
        let key = above.map_or((String::new(), None), |above| {
            (above.code.clone(), Some(above.id))
        });
        below.entry(key).or_default().push(standing);
    }
    let groups = below.into_iter().map(|((_, above), standings)| Group {
        name: above.map_or_else(|| words.t("units-top"), |above| words.unit(tree, above)),
        counts: Counts::of(standings.iter().copied()),
        units: standings
            .into_iter()
            .map(|standing| row(visitor, standing))
            .collect(),
    });
    groups.collect()
}

fn row(visitor: &Visitor, standing: &Standing) -> Row {
    let words = visitor.words;
    let time = |stage: &Stage| standing.progress.first(*stage).map(|at| words.time(at));
    let state = match standing.progress.stage() {
        None if standing.silent => "silent",
        None => "unread",
        Some(stage) => stage.code(),
    };
    Row {
        name: words.unit(visitor.tree(), standing.unit),
        times: Stage::ALL
            .iter()
            .map(|stage| time(stage).unwrap_or_default())
            .collect(),
        state,
        note: standing.note.clone().unwrap_or_default(),
        late: standing.on_time == Some(false),
        arrived_late: standing
            .arrived_at_ms
            .filter(|_| standing.arrived_late)
            .map(|at| words.time(at)),
    }
}

/// Who has not done what is asked: those who were not heard of at all first.
fn to_call(visitor: &Visitor, board: &Board) -> Vec<Call> {
    let waiting = board.units.iter().filter(|unit| unit.on_time.is_none());
    let cannot = |unit: &&Standing| unit.progress.stage() == Some(Stage::Cannot);
    let mut calls: Vec<Call> = waiting
        .filter(|unit| !cannot(unit))
        .map(|unit| Call {
            place: visitor.words.place(visitor.tree(), unit.unit),
            silent: unit.silent,
        })
        .collect();
    calls.sort_by_key(|call| !call.silent);
    calls
}

impl Line {
    fn urgent(&self) -> bool {
        self.urgency != Urgency::Normal
    }

    fn urgency_key(&self) -> String {
        format!("urgency-{}", self.urgency.code())
    }
}
