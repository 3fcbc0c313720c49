//! Logging in and out of the pages, and going on with what one was about to send.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use rusqlite::Transaction;
use serde::Deserialize;
use sync_core::ids::AccountId;
use ulid::Ulid;

use super::super::actor::{COOKIE, LANGUAGE, Origin, Reader, cookie, language_of};
use super::super::{ApiError, Code};
use super::form::{self, Pairs, take};
use super::render;
use crate::app::App;
use crate::audit::{self, Act};
use crate::clock;
use crate::i18n::{Locale, has, named, text};
use crate::policy;
use crate::realm;
use crate::session::{self, Begun, SESSION_TTL_MS};

/// Longest name and password that are looked at.
const INPUT_BYTES: usize = 256;
/// Longest address to come back to.
const BACK_BYTES: usize = 2048;
/// The address that a form was for, and before the names of its fields.
const BACK: &str = "back";
const KEPT: &str = "kept.";
/// Fields of forms that say nothing to anybody: what a page gave and takes back.
const OPAQUE: [&str; 4] = ["cursor", "seed", "seen", "value"];

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    locale: Locale,
    problem: Option<&'static str>,
    username: String,
    back: String,
    /// What was typed into another form, which is sent after the login.
    kept: Pairs,
}

/// Asks whether what was typed is to be sent.
#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    locale: Locale,
    path: String,
    csrf: String,
    kept: Pairs,
    /// What of it people read: how a field is called, and what it says.
    told: Pairs,
}

impl LoginPage {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }
}

impl ConfirmPage {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    back: String,
    #[serde(default)]
    to: String,
}

/// `GET /login`
pub(super) async fn form(
    Query(Back { back, .. }): Query<Back>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let page = LoginPage {
        locale: language_of(&headers),
        problem: None,
        username: String::new(),
        back: own_address(&back),
        kept: Vec::new(),
    };
    render(&page, StatusCode::OK)
}

/// `GET /language`: goes on in another language.
pub(super) async fn language(Query(Back { back, to }): Query<Back>) -> Result<Response, ApiError> {
    let locale = Locale::of_tag(&to).ok_or_else(|| ApiError::parameter("to"))?;
    let mut response = Redirect::to(&own_address(&back)).into_response();
    let cookie = format!(
        "{LANGUAGE}={}; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age=31536000",
        locale.tag()
    );
    let value = HeaderValue::from_str(&cookie).map_err(ApiError::internal)?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}

/// `POST /login`
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    origin: Origin,
    request: Request,
) -> Result<Response, Response> {
    let locale = language_of(request.headers());
    let own = form::from_our_page(request.headers());
    let mut pairs = form::pairs(request).await?;
    let (username, password) = (take(&mut pairs, "username"), take(&mut pairs, "password"));
    let back = own_address(&take(&mut pairs, BACK));
    // Another site must not put anything there for somebody to confirm.
    let kept: Pairs = pairs
        .into_iter()
        .filter(|_| own)
        .filter_map(|(name, value)| Some((name.strip_prefix(KEPT)?.to_owned(), value)))
        .collect();
    let (begun, first) = match authenticate(&app, &origin, &username, password).await {
        Ok(begun) => begun,
        Err(Refused::Failed(error)) => return Err(error.into_response()),
        Err(Refused::No(problem, status)) => {
            let page = LoginPage {
                locale,
                problem: Some(problem),
                username,
                back,
                kept,
            };
            return render(&page, status).map_err(IntoResponse::into_response);
        }
    };
    let mut response = match kept.is_empty() {
        true if back == "/" => Redirect::to(first).into_response(),
        true => Redirect::to(&back).into_response(),
        false => confirm(locale, &back, &begun.csrf, kept).into_response(),
    };
    set_cookie(&mut response, &begun.cookie, SESSION_TTL_MS / 1000).map_err(IntoResponse::into_response)?;
    Ok(response)
}

/// Why nobody is logged in.
enum Refused {
    /// What the page says.
    No(&'static str, StatusCode),
    /// Something failed here.
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Refused::Failed(error.into())
    }
}

async fn authenticate(
    app: &App,
    origin: &Origin,
    username: &str,
    password: String,
) -> Result<(Begun, &'static str), Refused> {
    let now_ms = app.clock.now_ms();
    let wait = Refused::No("login-wait", StatusCode::TOO_MANY_REQUESTS);
    let wrong = Refused::No("login-wrong", StatusCode::UNAUTHORIZED);
    if app.limits.check(origin.0).is_err() {
        return Err(wait);
    }
    let username = username.trim().to_lowercase();
    if username.len() > INPUT_BYTES || password.len() > INPUT_BYTES {
        return Err(wrong);
    }
    if app.attempts.wait_ms(&username, now_ms).is_some() {
        return Err(wait);
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
    match account.map(|account| account.id) {
        Some(account) if fits => Ok((begin(app, origin, account).await?, first_page(app, account)?)),
        // Names that nobody has are not written down: people type their passwords there.
        None => Err(wrong),
        Some(account) => {
            let by = origin.by(None, now_ms);
            let refused = move |tx: &Transaction<'_>| {
                audit::record(tx, &by, Act::LoginRefused, &audit::Change::of(account))
            };
            app.store().write(refused).await?;
            Err(wrong)
        }
    }
}

/// Where somebody begins: the overview is for who reaches the units below, others have a page about themselves.
fn first_page(app: &App, account: AccountId) -> Result<&'static str, ApiError> {
    let authority = app.store().read_blocking(|conn| app.authority(conn))?;
    let oversees = policy::read_overview(authority.grants(account), &authority.tree).is_some();
    Ok(if oversees { "/" } else { "/account" })
}

async fn begin(app: &App, origin: &Origin, account: AccountId) -> Result<Begun, ApiError> {
    let (secret, csrf, now_ms) = (clock::random(), clock::random(), app.clock.now_ms());
    let by = origin.by(Some(account), now_ms);
    let begun = app.store().write(move |tx| {
        audit::record(tx, &by, Act::LoggedIn, &audit::Change::of(account))?;
        session::begin(tx, account, secret, csrf, now_ms)
    });
    Ok(begun.await?)
}

/// `POST /logout`
pub(super) async fn log_out(State(app): State<Arc<App>>, request: Request) -> Result<Response, Response> {
    let (mut parts, body) = request.into_parts();
    let reader = Reader::from_request_parts(&mut parts, &app)
        .await
        .map_err(IntoResponse::into_response)?;
    let cookie = cookie(&parts.headers, COOKIE).unwrap_or_default().to_owned();
    let mut pairs = form::pairs(Request::from_parts(parts, body)).await?;
    let csrf = take(&mut pairs, "csrf");
    if reader.session.is_none_or(|session| !session.is_meant(&csrf)) {
        return Err(ApiError::new(Code::Csrf).into_response());
    }
    let ended = app.store().write(move |tx| session::end(tx, &cookie)).await;
    ended.map_err(|error| ApiError::from(error).into_response())?;
    let mut response = Redirect::to("/login").into_response();
    set_cookie(&mut response, "", 0).map_err(IntoResponse::into_response)?;
    Ok(response)
}

/// The login, with what somebody had typed when the session was over.
pub(super) fn interrupted(locale: Locale, path: &str, kept: Pairs) -> Result<Response, ApiError> {
    let page = LoginPage {
        locale,
        problem: Some("login-interrupted"),
        username: String::new(),
        back: own_address(path),
        kept,
    };
    render(&page, StatusCode::UNAUTHORIZED)
}

/// Shows what was typed and asks whether it is to be sent: nothing is sent that nobody pressed a button for.
pub(super) fn confirm(locale: Locale, path: &str, csrf: &str, kept: Pairs) -> Result<Response, ApiError> {
    let page = ConfirmPage {
        locale,
        path: own_address(path),
        csrf: csrf.to_owned(),
        told: told(locale, &kept),
        kept,
    };
    render(&page, StatusCode::CONFLICT)
}

/// What was typed or chosen, in words, without ids.
fn told(locale: Locale, kept: &Pairs) -> Pairs {
    let is_told = |(name, value): &&(String, String)| {
        let opaque = OPAQUE.contains(&name.as_str()) || value.parse::<Ulid>().is_ok();
        !value.trim().is_empty() && !opaque
    };
    let told = kept.iter().filter(is_told).map(|(name, value)| {
        let key = format!("field-{name}");
        let label = if has(locale, &key) {
            text(locale, &key)
        } else {
            String::new()
        };
        (label, named(locale, name, value))
    });
    told.collect()
}

/// An address of ours, or the first page: nobody is sent elsewhere.
fn own_address(back: &str) -> String {
    let ours = back.starts_with('/') && !back.starts_with("//") && !back.contains(['\\', '\r', '\n', '\t']);
    if ours && back.len() <= BACK_BYTES {
        back.to_owned()
    } else {
        "/".to_owned()
    }
}

fn set_cookie(response: &mut Response, value: &str, max_age_s: i64) -> Result<(), ApiError> {
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; Secure; SameSite=Strict; Max-Age={max_age_s}");
    let value = HeaderValue::from_str(&cookie).map_err(ApiError::internal)?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for other in [
            "https://example.vn/",
            "//example.vn",
            "/\\example.vn",
            "",
            "records",
            "/a\r\nb: c",
        ] {
            assert_eq!(own_address(other), "/", "{other}");
        }
        assert_eq!(own_address("/records?unit=1"), "/records?unit=1");
    }
}
