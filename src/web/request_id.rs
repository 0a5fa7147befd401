//! The id of a request, which its response and its log lines carry, its place in the metrics, and
//! its trace.
//!
//! The id is random. A reverse proxy that is trusted may send one of its own, and continue a trace
//! of its own; a client may not, for it could put anything into the log, and have all its requests
//! traced. Log and traces name no address and no client: the address of an order is a secret, and
//! that of a client is personal data.

pub mod failure_log;
pub mod id;

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, Span};

use super::{AppState, connections::KeepingBody, request_path::path_of};
use crate::{metrics::http::class_of, telemetry::spans};

/// The classes of requests that are not traced: files, probes, and streams that are open for hours.
const UNTRACED: [&str; 3] = ["asset", "probe", "stream"];

/// Gives a request its id and its trace, counts it, and logs a response that reports a failure.
pub async fn identify_request(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let is_from_proxy = id::is_from_proxy(&request, &state.trusted_proxies);
    let id = id::of(request.headers(), is_from_proxy);
    let class = class_of(path_of(request.uri()));
    // The pattern of the route, without what a client has filled in.
    let route = request.extensions().get::<MatchedPath>().cloned();
    // At the level of errors, so that no filter that lets a failure through leaves its id out.
    let span = tracing::error_span!("request", request_id = id);
    let pattern = route.as_ref().map_or("none", MatchedPath::as_str);
    let traced = if UNTRACED.contains(&class) {
        Span::none()
    } else {
        let method = request.method().as_str();
        span.in_scope(|| spans::request(method, pattern, &id))
    };
    if is_from_proxy {
        spans::continue_trace(&traced, request.headers());
    }
    let responding = next.run(request).instrument(traced.clone());
    let mut response = responding.instrument(span.clone()).await;
    let (status, took) = (response.status(), started.elapsed());
    spans::answered(&traced, status.as_u16());
    let trace = spans::trace_of(&traced);
    let http = state.health.http();
    http.responded(class, status.as_u16(), took, trace);
    if status.is_server_error() {
        span.in_scope(|| log_failure(&state, status, pattern, took));
    }
    id::attach(response.headers_mut(), &id);
    if class == "stream" && status.is_success() {
        let open = state.health.http().open_stream();
        return response.map(|body| Body::new(KeepingBody::new(body, open)));
    }
    response
}

/// Logs a response that reports a failure. Of refusals, there may be thousands each second.
fn log_failure(state: &AppState, status: StatusCode, route: &str, took: Duration) {
    let left_out = match status {
        StatusCode::SERVICE_UNAVAILABLE => state.failure_log.admit(Instant::now()),
        _ => Some(0),
    };
    let Some(left_out) = left_out else { return };
    let (status, took_ms) = (status.as_u16(), took.as_millis());
    if left_out > 0 {
        tracing::warn!(left_out, "refused requests were not logged");
    }
    tracing::warn!(status, route, took_ms, "a request failed");
}
