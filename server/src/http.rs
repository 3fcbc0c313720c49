//! HTTP: one table of every route, and what all of them share.
//!
//! A handler takes what its extractors have authenticated and parsed, makes one call and answers. Bodies, times and
//! headers are bounded here for all of them.

pub mod actor;
mod api;
mod audit;
mod auth;
mod closed;
mod conflicts;
mod counts;
mod described;
mod devices;
mod directives;
mod drafts;
mod error;
mod exports;
mod given;
mod health;
mod openapi;
mod pages;
mod paging;
mod people;
mod quarantine;
mod record;
mod records;
mod remarks;
mod reports;
mod search;
mod sync;
mod units;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use ulid::Ulid;

use crate::app::App;
use crate::clock;
use crate::metrics;
pub use api::{Operation, TAGS};
pub use described::{Carried, Shows, Sketch};
pub use error::{ApiError, Code, Problem};
pub use openapi::{document, roles_that_may, text as openapi_text};

/// Longest body of everything but the exchange.
const BODY_BYTES: usize = 16 * 1024;
/// Longest body of a directive: its text, escaped, and its targets.
const DIRECTIVE_BYTES: usize = 64 * 1024;

/// Who may call a route. Deny is the default: a route without a row does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody.
    Anybody,
    /// A device with a token.
    Device,
    /// Somebody logged in, or a device with a token; what they see follows from their roles.
    Reader,
    /// Somebody logged in whose role reaches the units below; others are sent to the login.
    Overseer,
    /// Somebody logged in whose role manages what it is about; for others it does not exist.
    Manager,
    /// Whoever is logged in, about themselves.
    Oneself,
}

impl Who {
    /// In words for who writes a program.
    fn says(self) -> &'static str {
        match self {
            Who::Anybody => "anybody.",
            Who::Device => "a device with a token.",
            Who::Reader => "whoever has a role; what they see follows from it.",
            Who::Overseer => "somebody logged in whose role reaches the units below.",
            Who::Manager => "whoever has a role that manages what it is about; for others it does not exist.",
            Who::Oneself => "whoever it is, about themselves.",
        }
    }
}

/// One row of the table.
pub struct Route {
    /// Method and path.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    /// What it is, where it is one of programs.
    pub operation: Option<Operation>,
    handler: MethodRouter<Arc<App>>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.who)
    }
}

/// Every route of the server: those of programs, and the pages.
pub fn routes() -> Vec<Route> {
    let mut routes = api::routes();
    routes.extend(pages::routes());
    routes
}

impl Route {
    /// With answers that are compressed for who can read that.
    fn compressed(mut self) -> Self {
        self.handler = self.handler.layer(CompressionLayer::new());
        self
    }

    /// With bodies of up to so many bytes.
    fn up_to(mut self, bytes: usize) -> Self {
        self.handler = self.handler.layer(DefaultBodyLimit::max(bytes));
        self
    }
}

/// The application as a service.
pub fn router(app: Arc<App>) -> Router {
    let table = routes().into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, route.handler)
    });
    table
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(
            axum::http::StatusCode::REQUEST_TIMEOUT,
            // Whoever takes longer has a body that trickles, or a bug.
            Duration::from_secs(app.config.request_timeout_s.into()),
        ))
        .layer(CatchPanicLayer::custom(|_| error::panicked()))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// Names the request, logs it without anything that it carried, and puts problems into the reader's language.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = Ulid::from_parts(app.clock.now_ms() as u64, clock::random_bits());
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("?", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    let (locale, here) = (actor::language_of(request.headers()), request.uri().clone());
    let page = wants_page(&request);
    let begun = Instant::now();
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    if path == "/v1/sync" {
        // Here, so that those that were sent away or broke off are among them.
        metrics::exchange(status, took);
    } else if !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) {
        // The exchange is counted by the byte, and no browser ever shows it.
        page_headers(&mut response);
    }
    let ms = took.as_secs_f64() * 1000.0;
    let said = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = said.or_else(|| error::unsaid(&response)) {
        match &problem.internal {
            Some(cause) => {
                tracing::error!(%id, %method, path, status, ms, code = problem.code.word(), cause, "failed")
            }
            None => tracing::info!(%id, %method, path, status, ms, code = problem.code.word(), "refused"),
        }
        return match page {
            true => pages::problem(problem.code, id, locale, &here, response),
            false => problem.into_body(id, locale, response),
        };
    }
    tracing::debug!(%id, %method, path, status, ms, "answered");
    response
}

/// Whether a browser asked for a page.
fn wants_page(request: &Request) -> bool {
    let accepted = request.headers().get(header::ACCEPT);
    let html = accepted.is_some_and(|kinds| kinds.to_str().is_ok_and(|kinds| kinds.contains("text/html")));
    html && !request.uri().path().starts_with("/v1/")
}

/// What every page carries: nothing is loaded from elsewhere, nothing inline runs, nobody frames it.
pub(crate) fn page_headers(response: &mut Response) {
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
