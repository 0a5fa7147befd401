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
    payment::{event, gateway::ProviderEvent, signature},
    web::AppState,
};

/// The longest id of an event, in bytes.
const EVENT_ID_LEN_MAX: usize = 100;
/// The longest type of an event, in bytes.
const EVENT_KIND_LEN_MAX: usize = 40;

/// What is kept for ever must fit where it is kept.
fn check_names(event: &ProviderEvent) -> Result<(), ShopError> {
    let fits = |name: &str, length_max: usize| {
        (1..=length_max).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic())
    };
    if fits(&event.event_id, EVENT_ID_LEN_MAX) && fits(&event.kind, EVENT_KIND_LEN_MAX) {
        Ok(())
    } else {
        Err(ShopError::Malformed(
            "the event's id or type is too long, or no plain word".to_owned(),
        ))
    }
}

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
    check_names(&event)?;
    state.shop.take_in(event).await.map_err(ShopError::from)?;
    Ok(StatusCode::OK)
}
