//! Logging in and out of the pages.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use rusqlite::Transaction;
use serde::Deserialize;

use super::actor::{COOKIE, Origin, Reader, cookie};
use super::{ApiError, page_headers};
use crate::app::App;
use crate::audit::{self, Act};
use crate::clock;
use crate::i18n::{Locale, text};
use crate::realm;
use crate::session::{self, SESSION_TTL_MS};

/// Longest name and password that are looked at.
const INPUT_BYTES: usize = 256;

/// The language of a page: asked for in its address, or the browser's.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Language {
    lang: Option<String>,
}

impl Language {
    pub(super) fn locale(&self, headers: &HeaderMap) -> Locale {
        let accepted = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        self.lang
            .as_deref()
            .and_then(Locale::of_tag)
            .unwrap_or_else(|| Locale::accepted(accepted))
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    locale: Locale,
    problem: Option<&'static str>,
}

impl LoginPage {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

/// What every other form sends.
#[derive(Deserialize)]
pub(super) struct Csrf {
    csrf: String,
}

pub(super) async fn home() -> Redirect {
    Redirect::to("/admin")
}

pub(super) async fn form(Query(language): Query<Language>, headers: HeaderMap) -> Result<Response, ApiError> {
    page(
        &LoginPage {
            locale: language.locale(&headers),
            problem: None,
        },
        StatusCode::OK,
    )
}

pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    Query(language): Query<Language>,
    origin: Origin,
    headers: HeaderMap,
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, ApiError> {
    let Form(Credentials { username, password }) =
        form.map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "body_invalid"))?;
    let (locale, now_ms) = (language.locale(&headers), app.clock.now_ms());
    let refuse = |problem, status| {
        page(
            &LoginPage {
                locale,
                problem: Some(problem),
            },
            status,
        )
    };
    if app.limits.check(origin.0).is_err() {
        return refuse("login-wait", StatusCode::TOO_MANY_REQUESTS);
    }
    let username = username.trim().to_lowercase();
    if username.len() > INPUT_BYTES || password.len() > INPUT_BYTES {
        return refuse("login-wrong", StatusCode::UNAUTHORIZED);
    }
    if app.attempts.wait_ms(&username, now_ms).is_some() {
        return refuse("login-wait", StatusCode::TOO_MANY_REQUESTS);
    }
    let name = username.clone();
    let account = app
        .store()
        .read(move |conn| realm::account_by_username(conn, &name))
        .await?;
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    // A tenth of a second of work: not on a thread that serves others.
    let work = move || session::password_fits(&password, stored.as_deref());
    let fits = app.passwords.run(work).await.map_err(ApiError::internal)?;
    app.attempts.record(&username, fits, now_ms);
    let known = account.as_ref().map(|account| account.id);
    let Some(account) = account.filter(|_| fits) else {
        // Names that nobody has are not written down: people type their passwords there.
        if let Some(account) = known {
            let by = origin.by(None, now_ms);
            let refused = move |tx: &Transaction<'_>| {
                audit::record(tx, &by, Act::LoginRefused, &audit::Change::of(account))
            };
            app.store().write(refused).await?;
        }
        return refuse("login-wrong", StatusCode::UNAUTHORIZED);
    };
    let (secret, csrf) = (clock::random(), clock::random());
    let begun = app
        .store()
        .write(move |tx| {
            let by = origin.by(Some(account.id), now_ms);
            audit::record(tx, &by, Act::LoggedIn, &audit::Change::of(account.id))?;
            session::begin(tx, account.id, secret, csrf, now_ms)
        })
        .await?;
    let mut response = Redirect::to("/admin").into_response();
    set_cookie(&mut response, &begun, SESSION_TTL_MS / 1000)?;
    Ok(response)
}

pub(super) async fn log_out(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let reader = Reader::from_request_parts(&mut parts, &app).await?;
    let cookie = cookie(&parts).unwrap_or_default().to_owned();
    let form = Form::<Csrf>::from_request(Request::from_parts(parts, body), &app).await;
    let Form(Csrf { csrf }) = form.map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "body_invalid"))?;
    if reader.session.is_none_or(|session| !session.is_meant(&csrf)) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "csrf"));
    }
    app.store().write(move |tx| session::end(tx, &cookie)).await?;
    let mut response = Redirect::to("/login").into_response();
    set_cookie(&mut response, "", 0)?;
    Ok(response)
}

fn set_cookie(response: &mut Response, value: &str, max_age_s: i64) -> Result<(), ApiError> {
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age={max_age_s}");
    let value = HeaderValue::from_str(&cookie).map_err(ApiError::internal)?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(())
}

/// A rendered page.
pub(super) fn page(template: &impl Template, status: StatusCode) -> Result<Response, ApiError> {
    let html = template.render().map_err(ApiError::internal)?;
    let mut response = (status, Html(html)).into_response();
    page_headers(&mut response);
    Ok(response)
}
