//! `/account`: one's own account, password, sessions and phones, for whoever is logged in; `/reset`: a password by a one-time code, without a session.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::account::changes::Nothing;
use super::account::{DeviceLine, device_line};
use super::status;
use crate::app::App;
use crate::devices;
use crate::http::ApiError;
use crate::http::actor::{COOKIE, Origin, cookie, language_of};
use crate::http::pages::form::{self, Filled, beside, take};
use crate::http::pages::frame::{Frame, Person};
use crate::http::pages::render;
use crate::http::pages::words::Words;
use crate::http::people::{set_own_password, set_password_by_code};
use crate::i18n::{Locale, text};
use crate::realm;
use crate::session::{self, SessionView};

#[derive(Template)]
#[template(path = "oneself.html")]
struct OneselfPage {
    frame: Frame,
    username: String,
    roles: Vec<(String, String)>,
    sessions: Vec<SessionLine>,
    phones: Vec<DeviceLine>,
    problem: Option<String>,
}

/// One session.
struct SessionLine {
    began: String,
    ends: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    locale: Locale,
    problem: Option<String>,
    /// The password was set.
    done: Option<()>,
    code: String,
}

impl ResetPage {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }
}

/// The password in use, and the one that takes its place.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Passwords {
    #[serde(default, rename = "password")]
    old: String,
    #[serde(default, rename = "password-new")]
    new: String,
    #[serde(default, rename = "password-again")]
    again: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    person: Person,
) -> Result<Response, ApiError> {
    shown(&app, &headers, &person, None).await
}

/// `POST /account`
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    filled: Filled<Passwords, Person>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    if fields.new != fields.again {
        return shown(
            &app,
            &headers,
            &visitor,
            Some(visitor.words.t("password-differs")),
        )
        .await;
    }
    let cookie = own_cookie(&headers);
    match set_own_password(&app, by, visitor.reader.account, cookie, fields.old, fields.new).await {
        Ok(()) => Ok(Redirect::to("/account?done=password").into_response()),
        Err(error) => shown(&app, &headers, &visitor, Some(beside(visitor.words, error)?)).await,
    }
}

/// `POST /account/sessions`: every session of one's own ends but this one.
pub(super) async fn end_sessions(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    filled: Filled<Nothing, Person>,
) -> Result<Response, ApiError> {
    let (account, cookie) = (filled.visitor.reader.account, own_cookie(&headers));
    let ended = app
        .store()
        .write(move |tx| session::end_others(tx, account, Some(&cookie)));
    ended.await?;
    Ok(Redirect::to("/account?done=sessions").into_response())
}

fn own_cookie(headers: &HeaderMap) -> String {
    cookie(headers, COOKIE).unwrap_or_default().to_owned()
}

async fn shown(
    app: &App,
    headers: &HeaderMap,
    visitor: &Person,
    problem: Option<String>,
) -> Result<Response, ApiError> {
    let (account, words, cookie) = (visitor.reader.account, visitor.words, own_cookie(headers));
    // When one's phone was here a second ago is still in memory alone.
    app.flush_presence().await;
    let found = app.store().read(move |conn| {
        let sessions = session::of_account(conn, account, &cookie, words.now_ms)?;
        let phones = devices::of_account(conn, account)?;
        Ok::<_, rusqlite::Error>((realm::username(conn, account)?, sessions, phones))
    });
    let (username, sessions, phones) = found.await?;
    let session = |session: SessionView| SessionLine {
        began: words.time(session.began_at_ms),
        ends: words.time(session.ends_at_ms),
        here: session.here,
    };
    let role = |grant: &crate::policy::Grant| {
        let place = words.place(visitor.tree(), grant.unit);
        (words.t(&format!("role-{}", grant.role.code())), place)
    };
    let page = OneselfPage {
        frame: visitor.frame("oneself-title", "/account"),
        username,
        roles: visitor.reader.grants().iter().map(role).collect(),
        sessions: sessions.into_iter().map(session).collect(),
        phones: phones
            .into_iter()
            .map(|phone| device_line(phone, words))
            .collect(),
        problem,
    };
    render(&page, status(page.problem.as_ref()))
}

/// `GET /reset`
pub(super) async fn reset_form(headers: HeaderMap) -> Result<Response, ApiError> {
    let page = ResetPage {
        locale: language_of(&headers),
        problem: None,
        done: None,
        code: String::new(),
    };
    render(&page, StatusCode::OK)
}

/// `POST /reset`
pub(super) async fn reset(
    State(app): State<Arc<App>>,
    origin: Origin,
    request: Request,
) -> Result<Response, Response> {
    let words = Words {
        locale: language_of(request.headers()),
        now_ms: app.clock.now_ms(),
    };
    let mut pairs = form::pairs(request).await?;
    let [code, new, again] = ["code", "password-new", "password-again"].map(|name| take(&mut pairs, name));
    let done = match new == again {
        true => set_password_by_code(&app, origin, code.clone(), new)
            .await
            .map_err(|error| beside(words, error)),
        false => Err(Ok(words.t("password-differs"))),
    };
    let problem = match done {
        Ok(()) => None,
        Err(Ok(problem)) => Some(problem),
        Err(Err(error)) => return Err(error.into_response()),
    };
    let page = ResetPage {
        locale: words.locale,
        done: problem.is_none().then_some(()),
        problem,
        code,
    };
    render(&page, status(page.problem.as_ref())).map_err(IntoResponse::into_response)
}
