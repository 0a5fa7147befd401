//! `GET /metrics`: behind the administrator's login, and on an address of its own.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
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

/// Maximum number of open connections to the address of the metrics.
const CONNECTIONS_MAX: u32 = 64;
/// Open files that its limits assume: these connections are few, beside those of the shop.
const OPEN_FILES: u64 = 1_024;
/// Time for an open request to finish during a shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// `GET /metrics`
pub async fn metrics(State(state): State<AppState>) -> Response {
    match exposition::text(&state) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
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
