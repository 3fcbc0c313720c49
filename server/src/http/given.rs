//! A JSON body, read into what a handler names. The rejection's own text quotes the body; nothing of it is passed on.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::ApiError;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Given<T>(pub(super) T);

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
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(status, "body_too_large");
    }
    ApiError::new(StatusCode::BAD_REQUEST, "body_invalid")
}
