//! Who is calling: extractors that a handler names in its arguments, or it does not compile with what it needs.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use sync_core::ids::AccountId;

use super::ApiError;
use crate::app::{App, Authority};
use crate::ingest::Sender;
use crate::policy::Grant;
use crate::session::{self, Session};
use crate::token::Bearer;

/// The name of the cookie.
pub const COOKIE: &str = "langso_session";

/// A device with a good token.
#[derive(Debug)]
pub struct DeviceActor {
    /// It, and what it may do.
    pub sender: Arc<Sender>,
    /// Its token.
    pub bearer: Bearer,
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

impl Reader {
    /// The roles of the account.
    pub fn grants(&self) -> &[Grant] {
        self.authority.grants(self.account)
    }
}

impl FromRequestParts<Arc<App>> for DeviceActor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token =
            bearer_token(parts).ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "token_missing"))?;
        let bearer = app.tokens.read(token, app.clock.now_ms())?;
        let sender = app.sender(bearer.device)?;
        let sender = sender.ok_or_else(|| ApiError::new(StatusCode::FORBIDDEN, "device_revoked"))?;
        Ok(Self {
            sender: Arc::new(sender),
            bearer,
        })
    }
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let (account, session) = if bearer_token(parts).is_some() {
            (
                DeviceActor::from_request_parts(parts, app).await?.sender.account,
                None,
            )
        } else {
            let session = session_of(parts, app)?;
            let session = session.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "login_needed"))?;
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

fn bearer_token(parts: &Parts) -> Option<&str> {
    parts
        .headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn session_of(parts: &Parts, app: &App) -> Result<Option<Session>, ApiError> {
    let Some(cookie) = cookie(parts) else {
        return Ok(None);
    };
    Ok(app
        .store()
        .read_blocking(|conn| session::find(conn, cookie, app.clock.now_ms()))?)
}

/// The value of the session's cookie.
pub(super) fn cookie(parts: &Parts) -> Option<&str> {
    let cookies = parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}
