//! `GET /directives/new`, `POST /directives`: writing a directive and issuing it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sync_core::ids::{Class, RecordId};
use sync_core::record::{Asks, Urgency};

use super::super::ApiError;
use super::super::directives::issue_as;
use super::form::Filled;
use super::frame::{Frame, Visitor};
use super::render;
use super::writing::{Typed, Writing};
use crate::app::App;
use crate::directives;
use crate::policy::Action;

#[derive(Template)]
#[template(path = "issue.html")]
struct IssuePage {
    frame: Frame,
    problem: Option<String>,
    writing: Writing,
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
        id: app.fresh_record().to_string(),
        urgency: Urgency::Normal.code().to_owned(),
        asks: Asks::Acknowledge.code().to_owned(),
        kind: about.kind,
        earlier: about.earlier,
        ..Typed::default()
    };
    let typed = match typed.earlier()? {
        Some((_, record)) => {
            let boards = visitor.read(Action::Hold(Class::Board))?;
            let found = app
                .store()
                .read(move |conn| directives::find(conn, &boards, record))
                .await?;
            typed.like(found.ok_or_else(ApiError::not_found)?)
        }
        None => typed,
    };
    page(&app, &visitor, typed, None).await
}

pub(super) async fn issue(State(app): State<Arc<App>>, filled: Filled<Typed>) -> Result<Response, ApiError> {
    let (visitor, typed) = (filled.visitor, filled.fields);
    let id: RecordId = typed.id.parse().map_err(|_| ApiError::parameter("id"))?;
    let done = || Redirect::to(&format!("/directives/{id}?done=issued")).into_response();
    let boards = visitor.read(Action::Hold(Class::Board))?;
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
            Some(problem) => {
                let problem = (StatusCode::UNPROCESSABLE_ENTITY, problem);
                page(&app, &visitor, typed, Some(problem)).await
            }
            None => Err(error),
        },
    }
}

/// The form, and what is wrong with what was typed.
pub(super) async fn page(
    app: &App,
    visitor: &Visitor,
    typed: Typed,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, ApiError> {
    let (status, problem) = problem.unzip();
    let page = IssuePage {
        frame: visitor.frame("issue-title", "/directives"),
        writing: Writing::of(app, visitor, typed).await?,
        problem,
    };
    render(&page, status.unwrap_or(StatusCode::OK))
}
