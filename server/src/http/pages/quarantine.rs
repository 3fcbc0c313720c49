//! `GET /quarantine`, `/quarantine/{id}`: what was delivered and not merged, until somebody responsible decides.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rusqlite::Connection;
use serde::Deserialize;
use sync_core::ids::{AccountId, UnitId};
use sync_core::projection::RowChange;

use super::super::{ApiError, Code};
use super::form::Filled;
use super::frame::{Frame, Visitor};
use super::render;
use super::words::Words;
use crate::app::App;
use crate::catalogue::Names;
use crate::policy::{self, Action, Permit, Write};
use crate::quarantine::{self, Discard, Filter, Parked, Shown, State as Stage, Wanted};
use crate::realm;

/// Batches on one page.
const PAGE: usize = 30;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    state: String,
    after: Option<i64>,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct ListPage {
    frame: Frame,
    state: String,
    batches: Vec<Line>,
    next: Option<i64>,
}

/// One batch.
struct Line {
    id: i64,
    place: String,
    who: String,
    when: String,
    since: String,
    reason: String,
    changes: usize,
    outcome: Option<String>,
    waits: bool,
}

#[derive(Template)]
#[template(path = "parked.html")]
struct ParkedPage {
    frame: Frame,
    problem: Option<String>,
    line: Line,
    joins: Option<i64>,
    records: Vec<(String, Vec<(String, String)>)>,
    reasons: Vec<(&'static str, String)>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let permit = visitor.reader.permit(Action::Judge, None)?;
    let state = match query.state.as_str() {
        "" => Stage::default(),
        word => word.parse().map_err(|_| ApiError::parameter("state"))?,
    };
    let filter = Filter {
        state,
        after: query.after,
        ..Filter::default()
    };
    let (mut found, names) = app
        .store()
        .read(move |conn| {
            let found = quarantine::page(conn, &permit, &filter, PAGE + 1)?;
            let names = found.iter().map(|parked| name(conn, parked.account));
            let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok::<_, rusqlite::Error>((found, names))
        })
        .await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| last.id);
    let page = ListPage {
        frame: visitor.frame("way-quarantine", "/quarantine"),
        state: query.state,
        batches: found
            .iter()
            .zip(names)
            .map(|(parked, name)| line(&visitor, parked, name))
            .collect(),
        next,
    };
    render(&page, StatusCode::OK)
}

pub(super) async fn parked(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, ApiError> {
    page(&app, &visitor, id, None).await
}

async fn page(app: &App, visitor: &Visitor, id: i64, problem: Option<String>) -> Result<Response, ApiError> {
    let unit = unit_of(app, id).await?;
    let permit = visitor.reader.permit(Action::Judge, Some(unit))?;
    // Who decides has to know whose help it was; without the right to citizens' data they decide without.
    let wanted = match permit.personal() {
        true => Wanted::Personal,
        false => Wanted::Clear,
    };
    let looked = app.exchange.content(permit, id, wanted).await;
    let content = looked
        .map_err(ApiError::internal)?
        .ok_or_else(ApiError::not_found)?;
    let (words, account) = (visitor.words, content.parked.account);
    let (labels, name) = app
        .store()
        .read(move |conn| Ok::<_, rusqlite::Error>((Names::load(conn, words.locale)?, name(conn, account)?)))
        .await?;
    let reasons = Discard::ALL.iter().map(|reason| reason.code());
    let status = match problem {
        Some(_) => StatusCode::CONFLICT,
        None => StatusCode::OK,
    };
    let page = ParkedPage {
        frame: visitor.frame("parked-title", "/quarantine"),
        problem,
        line: line(visitor, &content.parked, name),
        joins: content.parked.joins,
        records: content
            .records
            .iter()
            .map(|shown| record(words, &labels, shown))
            .collect(),
        reasons: reasons.map(|code| (code, words.code("discard", code))).collect(),
    };
    render(&page, status)
}

/// What a person decides.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    decision: String,
    #[serde(default)]
    reason: String,
}

pub(super) async fn decide(
    State(app): State<Arc<App>>,
    Path(id): Path<i64>,
    filled: Filled<Decision>,
) -> Result<Response, ApiError> {
    let (visitor, by) = (filled.visitor, filled.by);
    let unit = unit_of(&app, id).await?;
    let (grants, tree) = (visitor.reader.grants(), visitor.tree());
    let permit: Permit<Write> =
        policy::permit_write(grants, tree, Action::Judge, Some(unit)).ok_or_else(ApiError::not_found)?;
    let decided = match filled.fields.decision.as_str() {
        "release" => app.exchange.release(&permit, id, &by).await,
        "discard" => {
            let reason = Discard::from_code(&filled.fields.reason);
            let reason = reason.ok_or_else(|| ApiError::parameter("reason"))?;
            app.exchange.discard(&permit, id, reason, &by).await
        }
        _ => return Err(ApiError::parameter("decision")),
    };
    match decided.map_err(ApiError::from) {
        Ok(_) => Ok(Redirect::to("/quarantine?done=decided").into_response()),
        // Sent twice, or decided by somebody else: how it ended can be seen.
        Err(error) if error.code() == Code::DecidedAlready => {
            Ok(Redirect::to(&format!("/quarantine/{id}")).into_response())
        }
        Err(error) => match error.told(visitor.words.locale) {
            Some(problem) => page(&app, &visitor, id, Some(problem)).await,
            None => Err(error),
        },
    }
}

async fn unit_of(app: &App, id: i64) -> Result<UnitId, ApiError> {
    let found = app
        .store()
        .read(move |conn| quarantine::unit_of(conn, id))
        .await?;
    found.ok_or_else(ApiError::not_found)
}

fn name(conn: &Connection, account: AccountId) -> rusqlite::Result<String> {
    Ok(realm::display_name(conn, account)?.unwrap_or_default())
}

fn line(visitor: &Visitor, parked: &Parked, who: String) -> Line {
    let words = visitor.words;
    // Of a unit that is no more, the one that answers for it now.
    let unit = visitor.tree().heir(parked.unit).unwrap_or(parked.unit);
    let why = parked
        .outcome_reason
        .as_deref()
        .map(|code| words.code("discard", code));
    let outcome = parked
        .outcome
        .as_deref()
        .map(|code| words.code("outcome-of", code));
    Line {
        id: parked.id,
        place: words.place(visitor.tree(), unit),
        who,
        when: words.time(parked.received_at_ms),
        since: words.ago(parked.received_at_ms),
        reason: words.code("reason", &parked.reason),
        changes: parked.changes,
        outcome: outcome.map(|outcome| match why {
            Some(why) => format!("{outcome}: {why}"),
            None => outcome,
        }),
        waits: parked.outcome.is_none() && parked.verdict == "quarantined",
    }
}

/// What a record would be, in words.
fn record(words: Words, labels: &Names, Shown { row, personal }: &Shown) -> (String, Vec<(String, String)>) {
    let field = |name: &str, value: String| (words.t(&format!("field-{name}")), value);
    let (kind, mut facts) = match row {
        RowChange::Assistance(row) => {
            let procedure = row.procedure.as_ref().map(|code| labels.name("procedure", code));
            let facts = vec![
                field("occurred-at", words.time(row.occurred_at_ms)),
                field("category", labels.name("category", &row.category)),
                field("procedure", procedure.unwrap_or_default()),
                field("channel", labels.name("channel", &row.channel)),
                field("outcome", labels.name("outcome", &row.outcome)),
                field("people", words.n(row.people)),
            ];
            ("kind-assistance", facts)
        }
        RowChange::Draft(row) => ("kind-draft", vec![field("title", row.title.clone())]),
        RowChange::Directive(row) => {
            let facts = vec![
                field("number", row.number.clone()),
                field("title", row.title.clone()),
            ];
            ("kind-directive", facts)
        }
        RowChange::Acknowledgement(row) => {
            let stage = words.code("stage", row.stage.code());
            ("kind-acknowledgement", vec![field("stage", stage)])
        }
        RowChange::Remark(row) => {
            let kind = words.code("remark", row.kind.code());
            ("kind-remark", vec![field("kind", kind)])
        }
    };
    let personal = personal.iter().flatten();
    facts.extend(personal.map(|(name, clear)| (words.code("field", name.key()), clear.clone())));
    facts.retain(|(_, value)| !value.is_empty());
    (words.t(kind), facts)
}
