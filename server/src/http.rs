//! HTTP: one table of every route, and what all of them share.
//!
//! A handler takes what its extractors have authenticated and parsed, makes one call and answers. Bodies, times and
//! headers are bounded here for all of them.

pub mod actor;
mod audit;
mod auth;
mod conflicts;
mod devices;
mod directives;
mod drafts;
mod error;
mod exports;
mod given;
mod health;
mod pages;
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
use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{self, MethodRouter};
use sync_core::protocol::limits;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use ulid::Ulid;

use crate::app::App;
use crate::clock;
pub use error::{ApiError, Problem};

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

/// One row of the table.
pub struct Route {
    /// Method and path.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    handler: MethodRouter<Arc<App>>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.who)
    }
}

/// Every route of the server.
pub fn routes() -> Vec<Route> {
    use Who::{Anybody, Device, Manager, Oneself, Reader};
    let mut routes = vec![
        get("/healthz", Anybody, health::alive),
        get("/readyz", Anybody, health::ready),
        get("/v1/accounts", Manager, people::list),
        post("/v1/accounts", Manager, people::add),
        post("/v1/accounts/{account}/codes", Manager, devices::add_code),
        post("/v1/accounts/{account}/reset", Manager, people::reset_code),
        post("/v1/accounts/{account}/resume", Manager, people::resume),
        post("/v1/accounts/{account}/roles", Manager, people::grant),
        post("/v1/accounts/{account}/roles/end", Manager, people::end_role),
        post("/v1/accounts/{account}/suspend", Manager, people::suspend),
        get("/v1/audit", Manager, audit::rows),
        get("/v1/conflicts", Reader, records::conflicts),
        post("/v1/conflicts/{record}", Reader, conflicts::settle),
        get("/v1/directives", Reader, directives::list),
        post("/v1/directives", Reader, directives::issue).up_to(DIRECTIVE_BYTES),
        get(
            "/v1/directives/{directive}/acknowledgements",
            Reader,
            directives::acknowledgements,
        ),
        get("/v1/drafts", Reader, drafts::list),
        post("/v1/drafts", Reader, drafts::start).up_to(DIRECTIVE_BYTES),
        post("/v1/drafts/{draft}", Reader, drafts::revise).up_to(DIRECTIVE_BYTES),
        post("/v1/drafts/{draft}/discard", Reader, drafts::discard),
        post("/v1/drafts/{draft}/issue", Reader, drafts::issue),
        get("/v1/remarks", Reader, remarks::list),
        post("/v1/remarks", Reader, remarks::add),
        post("/v1/remarks/{remark}/answers", Reader, remarks::answer),
        get("/v1/counts", Reader, records::counts),
        get("/v1/devices", Manager, devices::list),
        post("/v1/devices/{device}/admit", Manager, devices::admit),
        post("/v1/devices/{device}/lost", Manager, devices::lost),
        post("/v1/devices/{device}/name", Manager, devices::rename),
        post("/v1/devices/{device}/revoke", Manager, devices::revoke),
        post("/v1/enrol", Anybody, auth::enrol),
        get("/v1/exports/{file}", Reader, exports::get),
        post("/v1/exports/{file}", Reader, exports::post),
        get("/v1/me", Oneself, people::me),
        post("/v1/password", Oneself, people::change_password),
        post("/v1/password/reset", Anybody, people::reset_password),
        post("/v1/posts/hand-over", Manager, people::hand_over),
        get("/v1/quarantine", Reader, quarantine::list),
        get("/v1/quarantine/{id}", Reader, quarantine::content),
        post("/v1/quarantine/{id}/discard", Reader, quarantine::discard),
        post("/v1/quarantine/{id}/release", Reader, quarantine::release),
        get("/v1/records", Reader, records::records),
        get("/v1/records/{record}", Reader, record::one),
        get("/v1/records/{record}/history", Reader, record::history),
        get("/v1/reports/{month}", Reader, reports::workbook),
        post("/v1/records/search", Reader, search::records),
        get("/v1/search", Reader, search::names),
        post("/v1/sync", Device, sync::sync).up_to(limits::REQUEST_BYTES),
        post("/v1/token", Anybody, auth::token),
        get("/v1/units", Reader, records::units),
        post("/v1/units/changes", Manager, units::change),
    ];
    routes.extend(pages::routes());
    routes
}

fn get<T: 'static>(path: &'static str, who: Who, handler: impl Handler<T, Arc<App>>) -> Route {
    let (method, handler) = ("GET", routing::get(handler));
    Route {
        method,
        path,
        who,
        handler,
    }
}

fn post<T: 'static>(path: &'static str, who: Who, handler: impl Handler<T, Arc<App>>) -> Route {
    let (method, handler) = ("POST", routing::post(handler));
    Route {
        method,
        path,
        who,
        handler,
    }
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
    // The exchange is counted by the byte, and no browser ever shows it.
    if path != "/v1/sync" && !response.headers().contains_key(header::CONTENT_SECURITY_POLICY) {
        page_headers(&mut response);
    }
    let status = response.status().as_u16();
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    let said = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = said.or_else(|| error::unsaid(&response)) {
        match &problem.internal {
            Some(cause) => {
                tracing::error!(%id, %method, path, status, ms, code = problem.code, cause, "failed")
            }
            None => tracing::info!(%id, %method, path, status, ms, code = problem.code, "refused"),
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
