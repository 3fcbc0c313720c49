//! What a form sends. Whoever filled it in loses nothing: not to a session that is over, not to a form that is old.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::super::ApiError;
use super::super::actor::{Origin, language_of};
use super::frame::Visitor;
use super::login;
use crate::app::App;
use crate::audit::By;

/// The field that every form brings back.
const CSRF: &str = "csrf";

/// A form, filled in by somebody who meant it.
pub(super) struct Filled<T> {
    pub(super) visitor: Visitor,
    /// As the audit tells it.
    pub(super) by: By,
    pub(super) fields: T,
}

/// What was typed: names and values, in the order of the form.
pub(super) type Pairs = Vec<(String, String)>;

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Filled<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await;
        let Ok(origin) = Origin::from_request_parts(&mut parts, app).await;
        let (own, path, locale) = (
            from_our_page(&parts.headers),
            parts.uri.path().to_owned(),
            language_of(&parts.headers),
        );
        let mut pairs = pairs(Request::from_parts(parts, body)).await?;
        let brought = take(&mut pairs, CSRF);
        let visitor = match visitor {
            Err(error) if error.code() == "login_needed" && own => {
                return Err(login::interrupted(locale, &path, pairs).into_response());
            }
            visitor => visitor.map_err(IntoResponse::into_response)?,
        };
        let session = visitor.reader.session.as_ref();
        if session.is_none_or(|session| !session.is_meant(&brought)) {
            // Logged in again meanwhile, in another window. Another site's form is not shown to anybody.
            return Err(match own {
                true => login::confirm(locale, &path, &visitor.csrf, pairs).into_response(),
                false => ApiError::new(StatusCode::FORBIDDEN, "csrf").into_response(),
            });
        }
        let fields = fields(&pairs).map_err(IntoResponse::into_response)?;
        let by = origin.by(Some(visitor.reader.account), app.clock.now_ms());
        Ok(Self { visitor, by, fields })
    }
}

/// What a form's fields say.
///
/// # Errors
/// When they are not those of the form.
pub(super) fn fields<T: DeserializeOwned>(pairs: &Pairs) -> Result<T, ApiError> {
    let text = serde_html_form::to_string(pairs).map_err(ApiError::internal)?;
    serde_html_form::from_str(&text).map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "body_invalid"))
}

/// Reads the fields of a form.
///
/// # Errors
/// A body that is too long, or none of a form.
pub(super) async fn pairs(request: Request) -> Result<Pairs, Response> {
    let invalid = || ApiError::new(StatusCode::BAD_REQUEST, "body_invalid").into_response();
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !is_form {
        return Err(invalid());
    }
    let bytes = Bytes::from_request(request, &()).await;
    let bytes = bytes.map_err(|rejection| ApiError::of_status(rejection.status()).into_response())?;
    serde_html_form::from_bytes(&bytes).map_err(|_| invalid())
}

/// Takes a field out of a form.
pub(super) fn take(pairs: &mut Pairs, name: &str) -> String {
    let found = pairs.iter().position(|(key, _)| key == name);
    found.map(|at| pairs.remove(at).1).unwrap_or_default()
}

/// Whether the browser says that the form was on a page of ours.
pub(super) fn from_our_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    match (site, origin, text(header::HOST)) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some((_, origin)), Some(host)) => origin == host,
        (None, _, _) => false,
    }
}
