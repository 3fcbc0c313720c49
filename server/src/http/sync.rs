//! `POST /v1/sync`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sync_core::protocol::{Body, CONTENT_TYPE, Flags, decode_request, encode_response};
use tokio::sync::OwnedSemaphorePermit;

use super::actor::DeviceActor;
use super::described::bytes;
use super::{ApiError, Code};
use crate::app::App;
use crate::devices::Standing;

/// A body up to this size carries no more than a record or two.
const SMALL_BYTES: usize = 2 * 1024;
/// So long a device waits for its own exchange before, which usually takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// The answer of an exchange.
pub(super) struct Exchanged(Response);

bytes!(Exchanged, [CONTENT_TYPE]);

impl IntoResponse for Exchanged {
    fn into_response(self) -> Response {
        self.0
    }
}

pub(super) async fn sync(
    State(app): State<Arc<App>>,
    actor: DeviceActor,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Exchanged, ApiError> {
    let body = body.map_err(|rejection| ApiError::of_status(rejection.status()))?;
    let compressed = is_compressed(&headers)?;
    let flight = app.flights.begin_within(actor.sender.device, PATIENCE).await;
    let flight = flight.ok_or_else(ApiError::device_busy)?;
    let turn = turn(&app, body.len()).await?;
    let request = decode_request(&body, compressed)?;
    drop(body);
    // In a task of its own: once a batch is judged, a client that hangs up must not leave it half done.
    let exchange = tokio::spawn(async move {
        let now_ms = app.clock.now_ms();
        let mut response = match actor.standing {
            Standing::Good | Standing::Suspended | Standing::Revoked => {
                app.exchange.exchange(&actor.sender, request, now_ms).await?
            }
            Standing::Returned => app.exchange.take_in(&actor.sender, request, now_ms).await?,
        };
        response.access_token = app.tokens.renew(&actor.bearer, now_ms);
        response.flags = flags(actor.standing, response.flags);
        drop((turn, flight));
        Ok::<_, ApiError>(encode_response(&response))
    });
    let body = exchange.await.map_err(ApiError::internal)??;
    Ok(Exchanged(answer(body)))
}

/// What a device has to do besides: one that was revoked wipes itself, once everything is delivered.
fn flags(standing: Standing, flags: Option<Flags>) -> Option<Flags> {
    match standing {
        Standing::Good | Standing::Suspended | Standing::Returned => flags,
        Standing::Revoked => Some(Flags {
            wipe: true,
            ..flags.unwrap_or_default()
        }),
    }
}

/// Waits for a turn to be unpacked and judged, if there is a place to wait; what carries nothing needs none.
async fn turn(app: &App, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
    if bytes <= SMALL_BYTES {
        return Ok(None);
    }
    let _place = app.waiting.try_acquire().map_err(|_| ApiError::busy())?;
    Arc::clone(&app.deliveries)
        .acquire_owned()
        .await
        .map(Some)
        .map_err(ApiError::internal)
}

fn is_compressed(headers: &HeaderMap) -> Result<bool, ApiError> {
    let unsupported = || ApiError::new(Code::MediaTypeUnsupported);
    let is = |name, expected: &str| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes() == expected.as_bytes())
    };
    if !is(header::CONTENT_TYPE, CONTENT_TYPE) {
        return Err(unsupported());
    }
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(false),
        Some(_) if is(header::CONTENT_ENCODING, "zstd") => Ok(true),
        Some(_) => Err(unsupported()),
    }
}

fn answer(body: Body) -> Response {
    let mut response = body.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if body.compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    }
    response
}
