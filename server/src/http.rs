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
mod error;
mod given;
mod health;
mod pages;
mod people;
mod quarantine;
mod records;
mod remarks;
mod sync;
mod units;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use sync_core::protocol::limits;
use tower_http::catch_panic::CatchPanicLayer;
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
    let route = |method, path, who, handler| Route {
        method,
        path,
        who,
        handler,
    };
    let issuing = post(directives::issue).layer(DefaultBodyLimit::max(DIRECTIVE_BYTES));
    let exchange = post(sync::sync).layer(DefaultBodyLimit::max(limits::REQUEST_BYTES));
    let mut routes = vec![
        route("GET", "/healthz", Who::Anybody, get(health::alive)),
        route("GET", "/readyz", Who::Anybody, get(health::ready)),
        route("GET", "/v1/accounts", Who::Manager, get(people::list)),
        route("POST", "/v1/accounts", Who::Manager, post(people::add)),
        route(
            "POST",
            "/v1/accounts/{account}/codes",
            Who::Manager,
            post(devices::add_code),
        ),
        route(
            "POST",
            "/v1/accounts/{account}/reset",
            Who::Manager,
            post(people::reset_code),
        ),
        route(
            "POST",
            "/v1/accounts/{account}/resume",
            Who::Manager,
            post(people::resume),
        ),
        route(
            "POST",
            "/v1/accounts/{account}/roles",
            Who::Manager,
            post(people::grant),
        ),
        route(
            "POST",
            "/v1/accounts/{account}/roles/end",
            Who::Manager,
            post(people::end_role),
        ),
        route(
            "POST",
            "/v1/accounts/{account}/suspend",
            Who::Manager,
            post(people::suspend),
        ),
        route("GET", "/v1/audit", Who::Manager, get(audit::rows)),
        route("GET", "/v1/conflicts", Who::Reader, get(records::conflicts)),
        route(
            "POST",
            "/v1/conflicts/{record}",
            Who::Reader,
            post(conflicts::settle),
        ),
        route("GET", "/v1/directives", Who::Reader, get(directives::list)),
        route("POST", "/v1/directives", Who::Reader, issuing),
        route(
            "GET",
            "/v1/directives/{directive}/acknowledgements",
            Who::Reader,
            get(directives::acknowledgements),
        ),
        route("GET", "/v1/remarks", Who::Reader, get(remarks::list)),
        route("POST", "/v1/remarks", Who::Reader, post(remarks::add)),
        route(
            "POST",
            "/v1/remarks/{remark}/answers",
            Who::Reader,
            post(remarks::answer),
        ),
        route("GET", "/v1/counts", Who::Reader, get(records::counts)),
        route("GET", "/v1/devices", Who::Manager, get(devices::list)),
        route(
            "POST",
            "/v1/devices/{device}/lost",
            Who::Manager,
            post(devices::lost),
        ),
        route(
            "POST",
            "/v1/devices/{device}/name",
            Who::Manager,
            post(devices::rename),
        ),
        route(
            "POST",
            "/v1/devices/{device}/revoke",
            Who::Manager,
            post(devices::revoke),
        ),
        route("POST", "/v1/enrol", Who::Anybody, post(auth::enrol)),
        route("GET", "/v1/me", Who::Oneself, get(people::me)),
        route(
            "POST",
            "/v1/password",
            Who::Oneself,
            post(people::change_password),
        ),
        route(
            "POST",
            "/v1/password/reset",
            Who::Anybody,
            post(people::reset_password),
        ),
        route(
            "POST",
            "/v1/posts/hand-over",
            Who::Manager,
            post(people::hand_over),
        ),
        route("GET", "/v1/quarantine", Who::Reader, get(quarantine::list)),
        route(
            "GET",
            "/v1/quarantine/{id}",
            Who::Reader,
            get(quarantine::content),
        ),
        route(
            "POST",
            "/v1/quarantine/{id}/discard",
            Who::Reader,
            post(quarantine::discard),
        ),
        route(
            "POST",
            "/v1/quarantine/{id}/release",
            Who::Reader,
            post(quarantine::release),
        ),
        route("GET", "/v1/records", Who::Reader, get(records::records)),
        route("POST", "/v1/sync", Who::Device, exchange),
        route("POST", "/v1/token", Who::Anybody, post(auth::token)),
        route("GET", "/v1/units", Who::Reader, get(records::units)),
        route("POST", "/v1/units/changes", Who::Manager, post(units::change)),
    ];
    routes.extend(pages::routes());
    routes
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
