//! `POST /api/payments/webhook`: what the payment provider tells of its own accord.
//!
//! It answers 200 only once what it was told is committed: the provider tells again until then, and the same event twice changes nothing.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};

use super::problem::Problem;
use crate::{
    model::ShopError,
    payment::{event, signature},
    web::AppState,
};

/// See the module's documentation.
pub async fn take_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let signed = headers
        .get(signature::HEADER)
        .and_then(|value| value.to_str().ok())
        .ok_or(ShopError::SignatureInvalid)?;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    signature::verify(&state.payment_secret, signed, &body, now)
        .map_err(|_| ShopError::SignatureInvalid)?;
    let event = event::parse(&body).map_err(|error| ShopError::Malformed(error.to_string()))?;
    state.shop.take_in(event).await.map_err(ShopError::from)?;
    Ok(StatusCode::OK)
}
