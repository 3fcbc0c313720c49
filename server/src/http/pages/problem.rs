//! An error as a page: what happened, in words, and the way back.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ulid::Ulid;

use super::super::{Code, page_headers};
use crate::i18n::{Locale, text};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    locale: Locale,
    title: String,
    request: String,
    /// Nothing that the reader could do better: ours to mend.
    ours: bool,
}

impl ProblemPage {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }
}

/// Puts a problem into a page; sends who is not logged in to the login, and back here afterwards.
pub(in super::super) fn problem(
    code: Code,
    request: Ulid,
    locale: Locale,
    here: &Uri,
    mut response: Response,
) -> Response {
    if code == Code::LoginNeeded {
        let back = here.path_and_query().map_or("/", |path| path.as_str());
        let to = match back {
            "/" => "/login".to_owned(),
            back => format!("/login?back={}", utf8_percent_encode(back, NON_ALPHANUMERIC)),
        };
        return Redirect::to(&to).into_response();
    }
    let page = ProblemPage {
        locale,
        title: text(locale, &code.message()),
        request: request.to_string(),
        ours: response.status().is_server_error() && response.status() != StatusCode::SERVICE_UNAVAILABLE,
    };
    let Ok(html) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    page_headers(&mut response);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(locale.tag()));
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::WWW_AUTHENTICATE);
    *response.body_mut() = Body::from(html);
    response
}
