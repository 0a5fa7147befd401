//! Errors of the provider's HTTP API, and their responses.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::store::StoreError;
use crate::payment::wire::ProblemBody;

/// Why a request was not carried out. The response never repeats any of the request: it may contain
/// card data.
#[derive(Debug)]
pub enum RequestError {
    /// The request cannot be parsed.
    Malformed(&'static str),
    /// The request was parsed, but a value is not valid.
    Invalid(&'static str),
    /// The secret is missing or wrong.
    Unauthorized,
    /// No resource has this path or reference.
    NotFound(&'static str),
    /// The reference was already used for a different request.
    Conflict(&'static str),
    MethodNotAllowed,
    TooLarge,
    /// The body did not arrive in time.
    Unfinished,
    /// The database is unavailable. The request may have been carried out.
    Unavailable,
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        match error {
            // The workers log the outage once; there may be hundreds of requests.
            StoreError::Unavailable(_) | StoreError::Timeout => {
                tracing::debug!(%error, "a request was not carried out");
            }
            _ => tracing::error!(%error, "a request was not carried out"),
        }
        Self::Unavailable
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::Malformed(message) => (StatusCode::BAD_REQUEST, message),
            Self::Invalid(message) => (StatusCode::UNPROCESSABLE_ENTITY, message),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "The secret is missing or wrong."),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, message),
            Self::Conflict(message) => (StatusCode::CONFLICT, message),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This path does not support this method.",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."),
            Self::Unfinished => (
                StatusCode::REQUEST_TIMEOUT,
                "The request did not arrive completely.",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The provider's database is unavailable.",
            ),
        };
        let error = message.to_owned();
        (status, Json(ProblemBody { error })).into_response()
    }
}
