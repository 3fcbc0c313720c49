//! What a form sends. Whoever filled it in loses nothing: not to a session that is over, not to a form that is old.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::super::actor::{Origin, language_of};
use super::super::{ApiError, Code};
use super::frame::{Person, Visitor};
use super::login;
use super::words::Words;
use crate::app::App;
use crate::audit::By;

/// The field that every form brings back.
const CSRF: &str = "csrf";
/// Fields whose names begin so are never shown again, nor kept for later.
const SECRET: &str = "password";
/// What is said beside the form too, although it forbids something: it is about what was typed.
const BESIDE: [Code; 4] = [
    Code::CodeNotGood,
    Code::OwnRoles,
    Code::PasswordWrong,
    Code::TooManyRequests,
];

/// A form, filled in by somebody who meant it: who reaches the units below, or – of pages about oneself – anybody.
pub(super) struct Filled<T, V = Visitor> {
    pub(super) visitor: V,
    /// As the audit tells it.
    pub(super) by: By,
    pub(super) fields: T,
}

/// What was typed: names and values, in the order of the form.
pub(super) type Pairs = Vec<(String, String)>;

impl<T, V> FromRequest<Arc<App>> for Filled<T, V>
where
    T: DeserializeOwned,
    V: FromRequestParts<Arc<App>, Rejection = ApiError> + AsRef<Person> + Send,
{
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = V::from_request_parts(&mut parts, app).await;
        let Ok(origin) = Origin::from_request_parts(&mut parts, app).await;
        let (own, path, locale) = (
            from_our_page(&parts.headers),
            parts.uri.path().to_owned(),
            language_of(&parts.headers),
        );
        let mut pairs = pairs(Request::from_parts(parts, body)).await?;
        let brought = take(&mut pairs, CSRF);
        let typed = || {
            pairs
                .iter()
                .filter(|(name, _)| !name.starts_with(SECRET))
                .cloned()
                .collect()
        };
        let visitor = match visitor {
            Err(error) if error.code() == Code::LoginNeeded && own => {
                return Err(login::interrupted(locale, &path, typed()).into_response());
            }
            visitor => visitor.map_err(IntoResponse::into_response)?,
        };
        let person = visitor.as_ref();
        let session = person.reader.session.as_ref();
        if session.is_none_or(|session| !session.is_meant(&brought)) {
            // Logged in again meanwhile, in another window. Another site's form is not shown to anybody.
            return Err(match own {
                true => login::confirm(locale, &path, &person.csrf, typed()).into_response(),
                false => ApiError::new(Code::Csrf).into_response(),
            });
        }
        let fields = fields(&pairs).map_err(IntoResponse::into_response)?;
        let by = origin.by(Some(person.reader.account), app.clock.now_ms());
        Ok(Self { visitor, by, fields })
    }
}

/// What a form's fields say.
///
/// # Errors
/// When they are not those of the form.
pub(super) fn fields<T: DeserializeOwned>(pairs: &Pairs) -> Result<T, ApiError> {
    let text = serde_html_form::to_string(pairs).map_err(ApiError::internal)?;
    serde_html_form::from_str(&text).map_err(|_| ApiError::new(Code::BodyInvalid))
}

/// Reads the fields of a form; a file is a field like any other, with what stands in it.
///
/// # Errors
/// A body that is too long, or none of a form.
pub(super) async fn pairs(request: Request) -> Result<Pairs, Response> {
    let invalid = || ApiError::new(Code::BodyInvalid).into_response();
    let of_status = |status| ApiError::of_status(status).into_response();
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is = |wanted: &[u8]| kind.is_some_and(|kind| kind.as_bytes().starts_with(wanted));
    if is(b"multipart/form-data") {
        let parts = Multipart::from_request(request, &()).await;
        let mut parts = parts.map_err(|rejection| of_status(rejection.status()))?;
        let mut pairs = Pairs::new();
        while let Some(part) = parts
            .next_field()
            .await
            .map_err(|error| of_status(error.status()))?
        {
            let name = part.name().unwrap_or_default().to_owned();
            let bytes = part.bytes().await.map_err(|error| of_status(error.status()))?;
            // What is no UTF-8 is seen to be none by whoever reads the field.
            pairs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
        return Ok(pairs);
    }
    if !is(b"application/x-www-form-urlencoded") {
        return Err(invalid());
    }
    let bytes = Bytes::from_request(request, &()).await;
    let bytes = bytes.map_err(|rejection| of_status(rejection.status()))?;
    serde_html_form::from_bytes(&bytes).map_err(|_| invalid())
}

/// What a page says beside its form, if that is where an error belongs.
///
/// # Errors
/// Every other one.
pub(super) fn beside(words: Words, error: impl Into<ApiError>) -> Result<String, ApiError> {
    let error = error.into();
    match error.told(words.locale) {
        Some(told) => Ok(told),
        None if BESIDE.contains(&error.code()) => Ok(words.t(&error.code().message())),
        None => Err(error),
    }
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
