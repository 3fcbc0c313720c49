//! What a request says, read into what a handler names. The rejections' own texts quote it; nothing of that is passed on.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query as Queried, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::{ApiError, Code};

/// A JSON body.
#[derive(Debug)]
pub(super) struct Given<T>(pub(super) T);

/// The query of an address.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(given)) => Ok(Self(given)),
            Err(rejection) => Err(invalid(&rejection)),
        }
    }
}

fn invalid(rejection: &JsonRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(Code::BodyTooLarge);
    }
    ApiError::new(Code::BodyInvalid)
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Queried::from_request_parts(parts, state).await;
        let Queried(query) = read.map_err(|_| ApiError::parameter("query"))?;
        Ok(Self(query))
    }
}
