//! `POST /api/payments/webhook`: events that the payment provider sends.
//!
//! The handler returns 200 only after the event's effects are committed. The provider retries until
//! then, and a repeated event changes nothing.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use utoipa::IntoResponses;

use super::{
    problem::Problem,
    problem_type::ProblemType,
    responses::{EVERY_CHANGE, Responses, problems},
};
use crate::{
    model::ShopError,
    payment::{
        event::{self, EventBody},
        gateway::ProviderEvent,
        signature,
    },
    web::AppState,
};

/// Maximum length of an event's id, in bytes.
const EVENT_ID_LEN_MAX: usize = 100;
/// Maximum length of an event's type, in bytes.
const EVENT_KIND_LEN_MAX: usize = 40;

/// Checks that the event's id and type fit their columns, where they are stored permanently.
fn check_names(event: &ProviderEvent) -> Result<(), ShopError> {
    let fits = |name: &str, length_max: usize| {
        (1..=length_max).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic())
    };
    if fits(&event.event_id, EVENT_ID_LEN_MAX) && fits(&event.kind, EVENT_KIND_LEN_MAX) {
        Ok(())
    } else {
        Err(ShopError::Malformed(
            "the event's id or type is empty, too long or not plain ASCII".to_owned(),
        ))
    }
}

/// Problems of a webhook.
pub struct WebhookProblems;

impl IntoResponses for WebhookProblems {
    fn responses() -> Responses {
        let own = [ProblemType::SignatureInvalid, ProblemType::Unavailable];
        problems(&[EVERY_CHANGE, &own])
    }
}

/// Receives an event of the payment provider.
///
/// Answers 200 when the effects of the event are stored. Until then, the provider sends it again; a
/// repeated event changes nothing. Events of unknown charges are accepted, and stored.
#[utoipa::path(
    post,
    path = "/api/payments/webhook",
    operation_id = "receivePaymentEvent",
    tag = "Payments",
    params((
        "Doorbuster-Signature" = String,
        Header,
        description = "`t=` seconds since 1970, a comma, `v1=` the HMAC-SHA256 of the time, a dot and the body, \
                       in hexadecimal; the key is the secret that provider and shop share"
    )),
    request_body(
        content = EventBody,
        description = "The event. Its signature is checked before its content.",
        content_type = "application/json"
    ),
    responses((status = 200, description = "The effects of the event are stored"), WebhookProblems)
)]
pub async fn receive_event(
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
    let event = event::parse(&body).map_err(|error| {
        tracing::error!(%error, "the payment provider sent an event that cannot be read");
        ShopError::Malformed(error.to_string())
    })?;
    check_names(&event)?;
    state
        .shop
        .payments()
        .process_webhook_event(event)
        .await
        .map_err(ShopError::from)?;
    Ok(StatusCode::OK)
}
