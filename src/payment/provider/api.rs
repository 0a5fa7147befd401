//! The provider's HTTP API. Every request carries the secret; every response is JSON.

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt, stream};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use super::{Provider, operations::ChargeResponse, request_error::RequestError};
use crate::payment::{
    signature,
    wire::{ChargeBody, ChargeRequestBody, HealthBody, RefundRequestBody, SERVICE, WebhookUrlBody},
};

/// A valid request is a few hundred bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long a client may take to send the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// The `Content-Length` of a response that is cut off.
const LOST_RESPONSE_BYTES: usize = 64;

const DAMAGED_MESSAGE: &str = "The body is not encoded correctly.";
const NOT_JSON_MESSAGE: &str = "The body is not JSON.";
const FIELDS_MESSAGE: &str = "The body lacks a field, or a field has the wrong type.";
const REFERENCE_MESSAGE: &str = "The reference is not a UUID.";
const WEBHOOK_URL_MESSAGE: &str = "The webhook URL must begin with http://.";
const UNKNOWN_PATH_MESSAGE: &str = "Nothing was found at this path.";

/// The body of a request, read completely.
struct Received(Bytes);

impl<S: Send + Sync> FromRequest<S> for Received {
    type Rejection = RequestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RequestError> {
        match timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(RequestError::TooLarge)
            }
            Ok(Err(_)) => Err(RequestError::Malformed(DAMAGED_MESSAGE)),
            Err(_) => Err(RequestError::Unfinished),
        }
    }
}

/// The routes of the provider.
pub fn router(provider: Provider) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/v1/charges", post(charge))
        .route("/v1/charges/{reference}", get(charge_state))
        .route("/v1/charges/{reference}/void", post(void))
        .route("/v1/refunds", post(refund))
        .route("/v1/webhook-url", post(webhook_url))
        .method_not_allowed_fallback(async || RequestError::MethodNotAllowed)
        .fallback(async || RequestError::NotFound(UNKNOWN_PATH_MESSAGE))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            provider.clone(),
            authenticate,
        ))
        .with_state(provider)
}

async fn authenticate(State(provider): State<Provider>, request: Request, next: Next) -> Response {
    let given = bearer(request.headers()).unwrap_or_default();
    if !signature::is_same_secret(&provider.0.secret, given) {
        return RequestError::Unauthorized.into_response();
    }
    provider.record_request();
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

async fn charge(
    State(provider): State<Provider>,
    body: Received,
) -> Result<Response, RequestError> {
    let request: ChargeRequestBody = read(&body)?;
    Ok(respond(provider.charge(request).await?))
}

async fn charge_state(
    State(provider): State<Provider>,
    Path(reference): Path<String>,
) -> Result<Json<ChargeBody>, RequestError> {
    Ok(Json(
        provider.charge_state(read_reference(&reference)?).await?,
    ))
}

async fn void(
    State(provider): State<Provider>,
    Path(reference): Path<String>,
) -> Result<Json<ChargeBody>, RequestError> {
    Ok(Json(provider.void(read_reference(&reference)?).await?))
}

async fn refund(
    State(provider): State<Provider>,
    body: Received,
) -> Result<Response, RequestError> {
    let request: RefundRequestBody = read(&body)?;
    Ok(respond(provider.refund(request).await?))
}

async fn webhook_url(
    State(provider): State<Provider>,
    body: Received,
) -> Result<StatusCode, RequestError> {
    let request: WebhookUrlBody = read(&body)?;
    let url = Url::parse(&request.url).ok();
    let url = url.filter(|url| url.scheme() == "http");
    let url = url.ok_or(RequestError::Invalid(WEBHOOK_URL_MESSAGE))?;
    provider.send_webhooks_to(url).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read<T: DeserializeOwned>(body: &Received) -> Result<T, RequestError> {
    serde_json::from_slice(&body.0).map_err(|error| {
        if error.is_data() {
            RequestError::Invalid(FIELDS_MESSAGE)
        } else {
            RequestError::Malformed(NOT_JSON_MESSAGE)
        }
    })
}

fn read_reference(text: &str) -> Result<Uuid, RequestError> {
    Uuid::try_parse(text).map_err(|_| RequestError::Malformed(REFERENCE_MESSAGE))
}

fn respond<T: Serialize>(response: ChargeResponse<T>) -> Response {
    match response {
        ChargeResponse::Answered(body) => Json(body).into_response(),
        ChargeResponse::Lost => interrupted_response(),
    }
}

/// A response that starts and is cut off: the connection is closed before all of the announced
/// bytes have been sent.
fn interrupted_response() -> Response {
    let started = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"{")) });
    let lost = stream::once(async { Err(std::io::ErrorKind::ConnectionReset.into()) });
    let mut response = Response::new(Body::from_stream(started.chain(lost)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, LOST_RESPONSE_BYTES.into());
    response
}
