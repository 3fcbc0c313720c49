//! Who is calling: extractors that a handler names in its arguments, or it does not compile with what it needs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use sync_core::ids::{AccountId, UnitId};

use super::{ApiError, Code};
use crate::app::{App, Authority};
use crate::audit::By;
use crate::devices::Standing;
use crate::i18n::Locale;
use crate::ingest::Sender;
use crate::policy::{self, Action, Grant, Permit, Read, Write};
use crate::session::{self, Session};
use crate::token::Bearer;

/// The name of the cookie.
pub const COOKIE: &str = "langso_session";
/// The name of the cookie that keeps the language.
pub const LANGUAGE: &str = "langso_language";
/// What every change by a session has to bring, so that another site cannot make it.
pub const CSRF: &str = "x-csrf-token";

/// A device with a good token.
#[derive(Debug)]
pub struct DeviceActor {
    /// It, and what it may do.
    pub sender: Arc<Sender>,
    /// Its token.
    pub bearer: Bearer,
    /// How it stands: one that was revoked may still deliver.
    pub standing: Standing,
}

/// Somebody who reads: logged in, or by a device's token.
#[derive(Debug)]
pub struct Reader {
    /// Who.
    pub account: AccountId,
    /// Who may do what.
    pub authority: Arc<Authority>,
    /// The session, where there is one.
    pub session: Option<Session>,
}

/// Somebody who is logged in and means to change something.
#[derive(Debug)]
pub struct Writer {
    /// Who.
    pub reader: Reader,
    /// As the audit tells it.
    pub by: By,
    /// The session's cookie.
    pub cookie: String,
}

/// From where a request comes.
#[derive(Clone, Copy, Debug)]
pub struct Origin(pub Option<IpAddr>);

impl Origin {
    /// Somebody at this address.
    pub fn by(self, account: Option<AccountId>, now_ms: i64) -> By {
        By {
            account,
            origin: self.to_string(),
            now_ms,
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

impl Reader {
    /// The roles of the account.
    pub fn grants(&self) -> &[Grant] {
        self.authority.grants(self.account)
    }

    /// Leave to read, in a unit and below or wherever the roles reach.
    ///
    /// # Errors
    /// What somebody may not see is answered as if it did not exist.
    pub fn permit(&self, action: Action, unit: Option<UnitId>) -> Result<Permit<Read>, ApiError> {
        policy::permit_read(self.grants(), &self.authority.tree, action, unit).ok_or_else(ApiError::not_found)
    }

    /// Leave to change, in a unit and below or wherever the roles reach: for who has shown that a change is meant.
    ///
    /// # Errors
    /// What somebody may not see is answered as if it did not exist.
    pub(super) fn permit_write(
        &self,
        action: Action,
        unit: Option<UnitId>,
    ) -> Result<Permit<Write>, ApiError> {
        policy::permit_write(self.grants(), &self.authority.tree, action, unit)
            .ok_or_else(ApiError::not_found)
    }
}

impl Writer {
    /// Leave to change, in a unit and below or wherever the roles reach.
    ///
    /// # Errors
    /// What somebody may not see is answered as if it did not exist.
    pub fn permit(&self, action: Action, unit: Option<UnitId>) -> Result<Permit<Write>, ApiError> {
        self.reader.permit_write(action, unit)
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(origin(parts, app))
    }
}

/// The peer, or – behind a proxy of ours – the last address that the proxy added: earlier ones are anybody's word.
fn origin(parts: &Parts, app: &App) -> Origin {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip());
    let forwarded = || {
        let lines = parts.headers.get_all("x-forwarded-for").iter();
        let last = lines.filter_map(|line| line.to_str().ok()).next_back()?;
        last.rsplit(',').next()?.trim().parse().ok()
    };
    Origin(if app.config.behind_proxy {
        forwarded().or(peer)
    } else {
        peer
    })
}

impl FromRequestParts<Arc<App>> for DeviceActor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer_token(parts).ok_or_else(|| ApiError::new(Code::TokenMissing))?;
        let bearer = app.tokens.read(token, app.clock.now_ms())?;
        let sender = app.sender(bearer.device)?;
        // A token of ours for a device that is not there: the store is an older one.
        let (sender, standing) = sender.ok_or_else(|| ApiError::new(Code::DeviceNotProven))?;
        Ok(Self {
            sender: Arc::new(sender),
            bearer,
            standing,
        })
    }
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let (account, session) = if bearer_token(parts).is_some() {
            let device = DeviceActor::from_request_parts(parts, app).await?;
            match device.standing {
                Standing::Good => (device.sender.account, None),
                Standing::Suspended | Standing::Revoked => {
                    return Err(ApiError::new(Code::DeviceRevoked));
                }
                Standing::Returned => {
                    return Err(ApiError::new(Code::DeviceNotAdmitted));
                }
            }
        } else {
            let session = session_of(parts, app)?;
            let session = session.ok_or_else(login_needed)?;
            (session.account, Some(session))
        };
        let authority = app.store().read_blocking(|conn| app.authority(conn))?;
        Ok(Self {
            account,
            authority,
            session,
        })
    }
}

impl FromRequestParts<Arc<App>> for Writer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let reader = Reader::from_request_parts(parts, app).await?;
        let session = reader.session.as_ref().ok_or_else(login_needed)?;
        let token = parts.headers.get(CSRF).and_then(|value| value.to_str().ok());
        if !session.is_meant(token.unwrap_or_default()) {
            return Err(ApiError::new(Code::Csrf));
        }
        let by = origin(parts, app).by(Some(reader.account), app.clock.now_ms());
        let cookie = cookie(&parts.headers, COOKIE).unwrap_or_default().to_owned();
        Ok(Self { reader, by, cookie })
    }
}

fn login_needed() -> ApiError {
    ApiError::new(Code::LoginNeeded)
}

fn bearer_token(parts: &Parts) -> Option<&str> {
    parts
        .headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn session_of(parts: &Parts, app: &App) -> Result<Option<Session>, ApiError> {
    let Some(cookie) = cookie(&parts.headers, COOKIE) else {
        return Ok(None);
    };
    Ok(app
        .store()
        .read_blocking(|conn| session::find(conn, cookie, app.clock.now_ms()))?)
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The language that somebody chose on a page; without a choice a person at a browser reads Vietnamese, whatever their PC was
/// set up in, and a program gets the one that it asks for.
pub(super) fn language_of(headers: &HeaderMap) -> Locale {
    let told = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let asks_for_pages = told(header::ACCEPT).is_some_and(|kinds| kinds.contains("text/html"));
    match cookie(headers, LANGUAGE).and_then(Locale::of_tag) {
        Some(chosen) => chosen,
        None if asks_for_pages || cookie(headers, COOKIE).is_some() => Locale::Vi,
        None => Locale::accepted(told(header::ACCEPT_LANGUAGE)),
    }
}
