//! The provider's HTTP interface. Every request carries the secret; every answer is JSON.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Request, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt, stream};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

use super::{Provider, desk::Told, refusal::Refusal};
use crate::payment::{
    signature,
    wire::{ChargeBody, ChargeOrder, HealthBody, RefundOrder, SERVICE, WebhookOrder},
};

/// An order is a few hundred bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// What an answer that is going to break off promises.
const LOST_ANSWER_BYTES: usize = 64;

const SAYS_FORM: &str = "The body is not JSON.";
const SAYS_FIELDS: &str = "The body lacks a field, or one is not of its kind.";
const SAYS_REFERENCE: &str = "The reference is not a UUID.";
const SAYS_ADDRESS: &str = "Webhooks go to http addresses only.";
const SAYS_NOTHING_HERE: &str = "There is nothing under this address.";

type Received = Result<Bytes, BytesRejection>;

/// The whole provider as one service.
pub fn router(provider: Provider) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/v1/charges", post(charge))
        .route("/v1/charges/{reference}", get(charge_state))
        .route("/v1/charges/{reference}/void", post(void))
        .route("/v1/refunds", post(refund))
        .route("/v1/webhook-url", post(webhook_url))
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .fallback(async || Refusal::Unknown(SAYS_NOTHING_HERE))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(provider.clone(), admit))
        .with_state(provider)
}

async fn admit(State(provider): State<Provider>, request: Request, next: Next) -> Response {
    let given = bearer(request.headers()).unwrap_or_default();
    if !signature::is_same_secret(&provider.0.secret, given) {
        return Refusal::Unauthorized.into_response();
    }
    provider.asked();
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

async fn health() -> Json<HealthBody> {
    let service = SERVICE.to_owned();
    Json(HealthBody { service })
}

async fn charge(State(provider): State<Provider>, body: Received) -> Result<Response, Refusal> {
    let order: ChargeOrder = read(body)?;
    Ok(respond(provider.charge(order).await?))
}

async fn charge_state(
    State(provider): State<Provider>,
    Path(reference): Path<String>,
) -> Result<Json<ChargeBody>, Refusal> {
    Ok(Json(
        provider.charge_state(read_reference(&reference)?).await?,
    ))
}

async fn void(
    State(provider): State<Provider>,
    Path(reference): Path<String>,
) -> Result<Json<ChargeBody>, Refusal> {
    Ok(Json(provider.void(read_reference(&reference)?).await?))
}

async fn refund(State(provider): State<Provider>, body: Received) -> Result<Response, Refusal> {
    let order: RefundOrder = read(body)?;
    Ok(respond(provider.refund(order).await?))
}

async fn webhook_url(
    State(provider): State<Provider>,
    body: Received,
) -> Result<StatusCode, Refusal> {
    let order: WebhookOrder = read(body)?;
    let url = Url::parse(&order.url).ok();
    let url = url.filter(|url| url.scheme() == "http");
    let url = url.ok_or(Refusal::Invalid(SAYS_ADDRESS))?;
    provider.send_webhooks_to(url).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read<T: DeserializeOwned>(body: Received) -> Result<T, Refusal> {
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::Malformed(SAYS_FORM),
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        if error.is_data() {
            Refusal::Invalid(SAYS_FIELDS)
        } else {
            Refusal::Malformed(SAYS_FORM)
        }
    })
}

fn read_reference(text: &str) -> Result<Uuid, Refusal> {
    Uuid::try_parse(text).map_err(|_| Refusal::Malformed(SAYS_REFERENCE))
}

fn respond<T: Serialize>(told: Told<T>) -> Response {
    match told {
        Told::Answered(body) => Json(body).into_response(),
        Told::Lost => break_off(),
    }
}

/// An answer that begins and does not end: the connection is closed before all of the promised bytes are there.
fn break_off() -> Response {
    let begun = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"{")) });
    let lost = stream::once(async { Err(std::io::ErrorKind::ConnectionReset.into()) });
    let mut response = Response::new(Body::from_stream(begun.chain(lost)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, LOST_ANSWER_BYTES.into());
    response
}
