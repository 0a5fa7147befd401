//! The id of a request, which its response and its log lines carry, and its place in the metrics.
//!
//! The id is random. A reverse proxy that is trusted may send one of its own; a client may not, for
//! it could put anything into the log. The log names no address and no client: the address of an
//! order is a secret, and that of a client is personal data.

pub mod id;

use std::time::Instant;

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use super::{AppState, connections::KeepingBody, request_path::path_of};
use crate::metrics::http::class_of;

/// Gives a request its id, counts it, and logs a response that reports a failure.
pub async fn identify_request(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = id::of(&request, &state.trusted_proxies);
    let class = class_of(path_of(request.uri()));
    // The pattern of the route, without what a client has filled in.
    let route = request.extensions().get::<MatchedPath>().cloned();
    // At the level of errors, so that no filter that lets a failure through leaves its id out.
    let span = tracing::error_span!("request", request_id = id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), started.elapsed());
    state.health.http().responded(class, status.as_u16(), took);
    if status.is_server_error() {
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        let took_ms = took.as_millis();
        span.in_scope(|| {
            tracing::warn!(status = status.as_u16(), route, took_ms, "a request failed");
        });
    }
    id::attach(response.headers_mut(), &id);
    if class == "stream" && status.is_success() {
        let open = state.health.http().open_stream();
        return response.map(|body| Body::new(KeepingBody::new(body, open)));
    }
    response
}
