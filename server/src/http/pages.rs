//! The pages: what officials and admins look at every day. Rendered here, readable without scripts.
//!
//! A page is a struct with its words' frame ([`Frame`]) and a template beside it (`server/templates`). Whoever looks is a
//! [`Visitor`]; what a form sends arrives as [`Filled`], which keeps what was typed when the session is over or the form
//! is an old one. Pages ask the same questions under the same permits as the API, and decide nothing.

mod conflicts;
mod directives;
mod form;
mod frame;
mod issue;
mod labels;
mod login;
mod overview;
mod pick;
mod problem;
mod records;
mod words;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::{ApiError, Route, Who, page_headers};
pub(super) use problem::problem;

/// Longest form: the text of a directive, escaped for a form (three bytes for one).
const FORM_BYTES: usize = 256 * 1024;

/// Every page.
pub(super) fn routes() -> Vec<Route> {
    let route = |method, path, who, handler: axum::routing::MethodRouter<_>| Route {
        method,
        path,
        who,
        handler: handler.layer(DefaultBodyLimit::max(FORM_BYTES)),
    };
    vec![
        route("GET", "/", Who::Overseer, get(overview::page)),
        route("GET", "/conflicts", Who::Overseer, get(conflicts::page)),
        route(
            "POST",
            "/conflicts/{record}",
            Who::Overseer,
            post(conflicts::settle),
        ),
        route("GET", "/directives", Who::Overseer, get(directives::list)),
        route("POST", "/directives", Who::Overseer, post(issue::issue)),
        route("GET", "/directives/new", Who::Overseer, get(issue::form)),
        route(
            "GET",
            "/directives/{directive}",
            Who::Overseer,
            get(directives::board),
        ),
        route("GET", "/language", Who::Anybody, get(login::language)),
        route("GET", "/login", Who::Anybody, get(login::form)),
        route("POST", "/login", Who::Anybody, post(login::log_in)),
        route("POST", "/logout", Who::Reader, post(login::log_out)),
        route("GET", "/records", Who::Overseer, get(records::page)),
        route("GET", "/static/langso.css", Who::Anybody, get(style)),
    ]
}

/// A rendered page.
fn render(template: &impl askama::Template, status: StatusCode) -> Result<Response, ApiError> {
    let html = template.render().map_err(ApiError::internal)?;
    let mut response = (status, Html(html)).into_response();
    page_headers(&mut response);
    Ok(response)
}

async fn style() -> Response {
    asset(include_str!("../../static/langso.css"), "text/css; charset=utf-8")
}

/// A file that comes with the program.
fn asset(text: &'static str, kind: &'static str) -> Response {
    let mut response = text.into_response();
    page_headers(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}
