//! The pages: what officials and admins look at every day. Rendered here, readable without scripts.
//!
//! A page is a struct with its words' frame ([`Frame`]) and a template beside it (`server/templates`). Whoever looks is a
//! [`Visitor`]; what a form sends arrives as [`Filled`], which keeps what was typed when the session is over or the form
//! is an old one. Pages ask the same questions under the same permits as the API, and decide nothing.

mod administration;
mod api;
mod charts;
mod complete;
mod conflicts;
mod directives;
mod drafts;
mod escape;
mod form;
mod frame;
mod hamlets;
mod input;
mod issue;
mod live;
mod login;
mod overview;
mod pick;
mod problem;
mod quarantine;
mod record;
mod records;
mod remarks;
mod report;
mod words;
mod writing;

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing;

use super::{ApiError, Route, Who, page_headers};
use crate::app::App;
pub(super) use problem::problem;

/// Longest form. What it says is refused long before, but beside what was typed: a form that does not arrive is lost. Here
/// fit some 100,000 letters of Vietnamese, which a form writes with nine bytes each.
const FORM_BYTES: usize = 1024 * 1024;
/// Longest file that comes in a form.
const FILE_BYTES: usize = 2 * 1024 * 1024;
/// Longest form with a file: what was looked at comes back with two bytes for the end of each line, and other fields are
/// beside it. The login takes as much, since it keeps a form whose session is over.
const FILE_FORM_BYTES: usize = 2 * FILE_BYTES + FORM_BYTES;

/// Every page.
pub(super) fn routes() -> Vec<Route> {
    use Who::{Anybody, Overseer, Reader};
    let mut pages = vec![
        get("/", Overseer, overview::page),
        get("/api", Anybody, api::page),
        get("/charts", Overseer, charts::page),
        get("/conflicts", Overseer, conflicts::page),
        post("/conflicts/{record}", Overseer, conflicts::settle),
        get("/directives", Overseer, directives::list),
        post("/directives", Overseer, issue::issue),
        get("/directives/new", Overseer, issue::form),
        get("/directives/{directive}", Overseer, directives::board),
        get("/drafts", Overseer, drafts::list),
        post("/drafts", Overseer, drafts::start),
        get("/drafts/{draft}", Overseer, drafts::page),
        post("/drafts/{draft}", Overseer, drafts::work),
        get("/hamlets", Overseer, hamlets::page),
        get("/language", Anybody, login::language),
        get("/live", Overseer, live::listen),
        get("/login", Anybody, login::form),
        post("/login", Anybody, login::log_in).up_to(FILE_FORM_BYTES),
        post("/logout", Reader, login::log_out),
        get("/quarantine", Overseer, quarantine::list),
        get("/quarantine/{id}", Overseer, quarantine::parked),
        post("/quarantine/{id}", Overseer, quarantine::decide),
        get("/records", Overseer, records::page),
        post("/records/search", Overseer, records::search),
        get("/records/{record}", Overseer, record::page),
        post("/records/{record}/remarks", Overseer, remarks::add),
        get("/remarks", Overseer, remarks::page),
        post("/remarks/{remark}/answers", Overseer, remarks::answer),
        get("/report", Overseer, report::page),
        get("/static/langso.css", Anybody, style),
        get("/static/live.js", Anybody, live_script),
        get("/static/page.js", Anybody, page_script),
    ];
    pages.extend(administration::routes());
    let bounded = pages.into_iter().map(|page| page.up_to(FORM_BYTES));
    bounded.map(Route::compressed).collect()
}

/// A page.
fn get<T: 'static>(path: &'static str, who: Who, handler: impl Handler<T, Arc<App>>) -> Route {
    let (method, handler) = ("GET", routing::get(handler));
    Route {
        method,
        path,
        who,
        operation: None,
        handler,
    }
}

/// What a form is sent to.
fn post<T: 'static>(path: &'static str, who: Who, handler: impl Handler<T, Arc<App>>) -> Route {
    let (method, handler) = ("POST", routing::post(handler));
    Route {
        method,
        path,
        who,
        operation: None,
        handler,
    }
}

/// A rendered page.
fn render(template: &impl askama::Template, status: StatusCode) -> Result<Response, ApiError> {
    let html = template.render().map_err(ApiError::internal)?;
    let mut response = (status, Html(html)).into_response();
    page_headers(&mut response);
    Ok(response)
}

/// What a form that was refused is answered with.
fn status(problem: Option<&String>) -> StatusCode {
    match problem {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    }
}

async fn style() -> Response {
    asset(include_str!("../../static/langso.css"), "text/css; charset=utf-8")
}

async fn live_script() -> Response {
    script(include_str!("../../static/live.js"))
}

async fn page_script() -> Response {
    script(include_str!("../../static/page.js"))
}

fn script(text: &'static str) -> Response {
    asset(text, "text/javascript; charset=utf-8")
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
