//! `GET /metrics`: behind the administrator's login, and on an address of its own.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use tokio::net::TcpListener;

use super::exposition;
use crate::{
    model::ShopError,
    web::{
        AppState,
        connections::{self, ConnectionLimits, ConnectionSettings},
        json::problem::Problem,
        operators, security,
    },
};

/// The media type of the format that has exemplars.
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Maximum number of open connections to the address of the metrics.
const CONNECTIONS_MAX: u32 = 64;
/// Open files that its limits assume: these connections are few, beside those of the shop.
const OPEN_FILES: u64 = 1_024;
/// Time for an open request to finish during a shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// `GET /metrics`, in the format that the client prefers.
pub async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let (text, content_type) = if prefers_open_metrics(&headers) {
        (exposition::open_metrics(&state), OPEN_METRICS_CONTENT_TYPE)
    } else {
        (exposition::text(&state), CONTENT_TYPE)
    };
    match text {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, content_type),
                (header::VARY, "Accept"),
            ];
            (headers, text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Prometheus does. A client that names no format gets the one that every reader knows.
fn prefers_open_metrics(headers: &HeaderMap) -> bool {
    let open_metrics = weight(headers, OPEN_METRICS);
    open_metrics > 0.0 && open_metrics >= weight(headers, "text/plain")
}

/// Returns the weight that `Accept` gives a media type, whatever its parameters; 0 if it is not
/// named.
fn weight(headers: &HeaderMap, media_type: &str) -> f32 {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_named = parts.next()?.eq_ignore_ascii_case(media_type);
            let weight = parts.find_map(|parameter| parameter.strip_prefix("q="));
            let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            is_named.then_some(weight)
        })
        .fold(0.0, f32::max)
}

/// Builds the router of the address of the metrics: there is nothing else, and no login.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || Problem(ShopError::MethodNotAllowed))
        .fallback(async || Problem(ShopError::UnknownPage))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state.admission.metrics),
            operators::take_turns,
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::headers,
        ))
        .with_state(state)
}

/// Serves the metrics until the state's `shutdown` is cancelled.
pub async fn serve_metrics(listener: TcpListener, state: AppState) {
    let settings = ConnectionSettings {
        limits: ConnectionLimits::new(CONNECTIONS_MAX, CONNECTIONS_MAX, OPEN_FILES),
        trusted_proxies: Vec::new().into(),
        is_secure: state.secure,
        // Those who ask for metrics are no visitors of the shop.
        refusals: Default::default(),
        shutdown: state.shutdown.clone(),
        drain: DRAIN_TIMEOUT,
        router: router(state),
    };
    connections::serve(listener, settings).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_prefer_it() {
        for (accept, expected) in [
            ("application/openmetrics-text;version=1.0.0", true),
            (
                "application/openmetrics-text;version=1.0.0;q=0.8,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                true,
            ),
            ("Application/OpenMetrics-Text; q=0.5", true),
            ("text/plain, application/openmetrics-text; q=0.9", false),
            ("application/openmetrics-text; q=0", false),
            ("application/openmetrics-text; q=much", false),
            ("text/plain;version=0.0.4", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a value"));
            assert_eq!(prefers_open_metrics(&headers), expected, "{accept}");
        }
        assert!(!prefers_open_metrics(&HeaderMap::new()));
    }
}
