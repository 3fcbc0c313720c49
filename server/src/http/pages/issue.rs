//! `GET /directives/new`, `POST /directives`: writing a directive and issuing it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sync_core::edit::EditKind;
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::record::{Asks, Relation, Urgency};

use super::super::ApiError;
use super::super::directives::{NamedRelation, NamedTarget, Words, issue_as};
use super::form::Filled;
use super::frame::{Frame, Visitor};
use super::input::{Pick, instant};
use super::render;
use crate::app::App;
use crate::clock::random_bits;
use crate::directives;
use crate::policy::Action;

/// What is typed, as it comes and as it goes back when something is wrong.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    /// Made with the form: sent twice, it is issued once.
    id: String,
    unit: String,
    number: String,
    title: String,
    body: String,
    urgency: String,
    deadline: String,
    signer: String,
    /// Units, each with everything below it.
    target: Vec<String>,
    asks: String,
    secrecy: String,
    kind: String,
    earlier: String,
}

#[derive(Template)]
#[template(path = "issue.html")]
struct IssuePage {
    frame: Frame,
    problem: Option<String>,
    typed: Typed,
    units: Vec<Pick>,
    targets: Vec<Target>,
    urgencies: Vec<Pick>,
    asks: Vec<Pick>,
    /// What it does to the earlier directive, and what that is.
    relation: Option<(String, String)>,
}

/// A unit that a directive can be for, and those below it.
struct Target {
    pick: Pick,
    below: Vec<Pick>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct About {
    kind: String,
    earlier: String,
}

pub(super) async fn form(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(about): Query<About>,
) -> Result<Response, ApiError> {
    let typed = Typed {
        id: RecordId::from_parts(app.clock.now_ms().unsigned_abs(), random_bits()).to_string(),
        urgency: Urgency::Normal.code().to_owned(),
        asks: Asks::Acknowledge.code().to_owned(),
        kind: about.kind,
        earlier: about.earlier,
        ..Typed::default()
    };
    let typed = match earlier(&typed)? {
        Some((_, record)) => prefilled(&app, &visitor, typed, record).await?,
        None => typed,
    };
    page(&app, &visitor, typed, None).await
}

pub(super) async fn issue(State(app): State<Arc<App>>, filled: Filled<Typed>) -> Result<Response, ApiError> {
    let (visitor, typed) = (filled.visitor, filled.fields);
    let id: RecordId = typed.id.parse().map_err(|_| ApiError::parameter("id"))?;
    let done = || Redirect::to(&format!("/directives/{id}?done=issued")).into_response();
    let boards = visitor.reader.permit(Action::Hold(Class::Board), None)?;
    let found = app
        .store()
        .read(move |conn| directives::find(conn, &boards, id))
        .await?;
    if found.is_some() {
        return Ok(done());
    }
    let issued = match typed.clone().words() {
        Ok(words) => issue_as(&app, &visitor.reader, id, &words).await,
        Err(error) => Err(error),
    };
    match issued {
        Ok(()) => Ok(done()),
        Err(error) => match error.told(visitor.words.locale) {
            Some(problem) => page(&app, &visitor, typed, Some(problem)).await,
            None => Err(error),
        },
    }
}

async fn page(
    app: &App,
    visitor: &Visitor,
    typed: Typed,
    problem: Option<String>,
) -> Result<Response, ApiError> {
    let issuing = visitor
        .reader
        .permit(Action::Edit(Class::Board, EditKind::Create), None)?;
    let (words, tree) = (visitor.words, visitor.tree());
    let option = |value: String, label: String, chosen: bool| Pick { value, label, chosen };
    let coded = |kind: &str, codes: &[&str], chosen: &str| -> Vec<Pick> {
        let named = codes.iter().map(|code| (*code, words.code(kind, code)));
        named
            .map(|(code, label)| option(code.to_owned(), label, code == chosen))
            .collect()
    };
    let units = issuing.units().iter().filter(|unit| tree.unit(**unit).is_some());
    let target = |id: UnitId| {
        let value = id.to_string();
        let chosen = typed.target.contains(&value);
        option(value, words.unit(tree, id), chosen)
    };
    let targets = issuing.units().iter().flat_map(|unit| tree.children(*unit));
    let relation = match earlier(&typed)? {
        Some((kind, record)) => {
            let boards = visitor.reader.permit(Action::Hold(Class::Board), None)?;
            let found = app
                .store()
                .read(move |conn| directives::find(conn, &boards, record))
                .await?;
            let found = found.ok_or_else(ApiError::not_found)?;
            let named = format!("{} – {}", found.number, found.title);
            Some((words.code("relation", kind.code()), named))
        }
        None => None,
    };
    let status = match problem {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    let page = IssuePage {
        units: units
            .map(|unit| {
                option(
                    unit.to_string(),
                    words.unit(tree, *unit),
                    typed.unit == unit.to_string(),
                )
            })
            .collect(),
        targets: targets
            .map(|unit| Target {
                pick: target(*unit),
                below: tree.children(*unit).iter().map(|below| target(*below)).collect(),
            })
            .collect(),
        urgencies: coded("urgency", Urgency::CODES, &typed.urgency),
        asks: coded("asks", Asks::CODES, &typed.asks),
        relation,
        frame: visitor.frame("issue-title", "/directives"),
        problem,
        typed,
    };
    render(&page, status)
}

/// What it does to which earlier directive.
fn earlier(typed: &Typed) -> Result<Option<(Relation, RecordId)>, ApiError> {
    if typed.kind.is_empty() {
        return Ok(None);
    }
    let kind = Relation::from_code(&typed.kind).ok_or_else(|| ApiError::parameter("kind"))?;
    let record = typed
        .earlier
        .parse()
        .map_err(|_| ApiError::parameter("earlier"))?;
    Ok(Some((kind, record)))
}

/// Begins with what the earlier directive says.
async fn prefilled(app: &App, visitor: &Visitor, typed: Typed, record: RecordId) -> Result<Typed, ApiError> {
    let boards = visitor.reader.permit(Action::Hold(Class::Board), None)?;
    let found = app
        .store()
        .read(move |conn| directives::find(conn, &boards, record))
        .await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    Ok(Typed {
        unit: found.document.unit().to_string(),
        title: found.title,
        body: found.body.unwrap_or_default(),
        urgency: found.urgency.code().to_owned(),
        signer: found.signer,
        target: found
            .targets
            .units()
            .iter()
            .map(|target| target.unit.to_string())
            .collect(),
        asks: found.asks.code().to_owned(),
        ..typed
    })
}

impl Typed {
    fn words(self) -> Result<Words, ApiError> {
        let relation = earlier(&self)?;
        let unit = |text: &str, name| text.parse::<UnitId>().map_err(|_| ApiError::parameter(name));
        let deadline = (!self.deadline.is_empty()).then(|| instant(&self.deadline));
        let deadline = deadline.map(|at_ms| at_ms.ok_or_else(|| ApiError::parameter("deadline")));
        let targets = self.target.iter().map(|target| {
            Ok(NamedTarget {
                unit: unit(target, "targets")?,
                reach: None,
            })
        });
        let relation = relation.map(|(kind, directive)| NamedRelation {
            kind: kind.code().to_owned(),
            directive,
        });
        Ok(Words {
            unit: Some(unit(&self.unit, "unit")?),
            targets: Some(targets.collect::<Result<_, ApiError>>()?),
            number: Some(Some(self.number)),
            title: Some(self.title),
            body: Some(Some(self.body)),
            urgency: Some(self.urgency),
            deadline_ms: Some(deadline.transpose()?),
            signer: Some(Some(self.signer)),
            asks: Some(self.asks),
            relation: Some(relation),
            secrecy: Some(self.secrecy).filter(|degree| !degree.is_empty()),
            ..Words::default()
        })
    }
}
