//! Why the provider does not do what it was asked to, and how it says so.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::store::StoreError;
use crate::payment::wire::ProblemBody;

/// A request that was not carried out. Nothing of what was sent is repeated in the answer: it may be a card.
#[derive(Debug)]
pub enum Refusal {
    /// No order at all.
    Malformed(&'static str),
    /// An order that cannot be carried out.
    Invalid(&'static str),
    /// No secret, or another one.
    Unauthorized,
    /// Nothing is known under that name.
    Unknown(&'static str),
    /// The reference stands for something else.
    Conflict(&'static str),
    MethodNotAllowed,
    TooLarge,
    /// The database is away. What was asked for may have been done.
    Away,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            // The workers say so once; there may be hundreds of orders.
            StoreError::Away(_) | StoreError::Silent => {
                tracing::debug!(%error, "an order was not carried out");
            }
            _ => tracing::error!(%error, "an order was not carried out"),
        }
        Self::Away
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, says) = match self {
            Self::Malformed(says) => (StatusCode::BAD_REQUEST, says),
            Self::Invalid(says) => (StatusCode::UNPROCESSABLE_ENTITY, says),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "This is for those who have the secret.",
            ),
            Self::Unknown(says) => (StatusCode::NOT_FOUND, says),
            Self::Conflict(says) => (StatusCode::CONFLICT, says),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "That cannot be done here."),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."),
            Self::Away => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The provider's database is away.",
            ),
        };
        let error = says.to_owned();
        (status, Json(ProblemBody { error })).into_response()
    }
}
