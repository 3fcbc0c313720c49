//! `GET /live`: tells an open page that something changed (server-sent events).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};

use super::super::ApiError;
use super::super::actor::{COOKIE, cookie};
use super::frame::Visitor;
use crate::app::App;
use crate::live::Listener;
use crate::session;

/// How often something is said when there is nothing to say, so that proxies and phones keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// A page is fetched anew a few times a second at most.
const GATHER: Duration = Duration::from_millis(300);

pub(super) async fn listen(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let cookie = cookie(&headers, COOKIE).unwrap_or_default().to_owned();
    let units = visitor.all.units().clone();
    let listener = app
        .exchange
        .live
        .listen(units, GATHER)
        .ok_or_else(ApiError::busy)?;
    let open = Open {
        app,
        cookie,
        listener,
    };
    let events = futures_util::stream::unfold(open, Open::next);
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(stream.into_response())
}

/// A page that is open, and the session that it was opened in.
struct Open {
    app: Arc<App>,
    cookie: String,
    listener: Listener,
}

impl Open {
    /// The next thing to say; nothing more once the session or the server is over.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if !self.listener.changed().await {
            return None;
        }
        let (cookie, now_ms) = (self.cookie.clone(), self.app.clock.now_ms());
        let found = self
            .app
            .store()
            .read(move |conn| session::find(conn, &cookie, now_ms))
            .await;
        found.ok().flatten()?;
        // Browsers pass on no event without data.
        Some((Ok(Event::default().event("changed").data("1")), self))
    }
}
