//! Health checks: `/healthz` and `/api/health` report that the process responds, and nothing else:
//! a supervisor that restarts servers because their database is unavailable makes the outage
//! longer. `/readyz` reports that the server can sell.

use axum::{
    Json, extract,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoResponses, ToSchema};

use super::{
    problem::Problem,
    responses::{Responses, problems},
};
use crate::{
    resilience::breaker::State,
    web::{AppState, health::HEARTBEAT_AGE_MAX},
};

/// Seconds after which a probe makes sense again.
const RETRY_AFTER_S: &str = "5";

/// `GET /healthz`
pub async fn healthz() -> &'static str {
    "ok"
}

/// The liveness of the server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthJson {
    /// Always `ok`: a server that is not alive does not answer.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Problems of an operation that needs neither a body nor the database.
pub struct SimpleProblems;

impl IntoResponses for SimpleProblems {
    fn responses() -> Responses {
        problems(&[])
    }
}

/// Liveness.
///
/// Answers as long as the process runs, also while the database is unavailable. `/readyz`, outside
/// of the API, answers whether the shop can sell.
#[utoipa::path(
    get,
    path = "/api/health",
    tag = "Server",
    responses((status = 200, description = "The server responds", body = HealthJson), SimpleProblems)
)]
pub async fn liveness() -> Json<HealthJson> {
    Json(HealthJson { status: "ok" })
}

/// `GET /readyz`: 503 while the server stops, while the database cannot be read or its breaker is
/// open, and while the server's heartbeat, which it writes every second, cannot be written.
///
/// Probes share reads of the database. All else is in memory, and looked at by each of them, after
/// the read: the server may have begun to stop since.
pub async fn readyz(extract::State(state): extract::State<AppState>) -> Result<Response, Problem> {
    if state.shutdown.is_cancelled() {
        return Ok(not_ready("stopping"));
    }
    state.health.check_database(&state.shop).await?;
    Ok(match obstacle(&state) {
        Some(obstacle) => not_ready(obstacle),
        None => Json(json!({ "status": "ready" })).into_response(),
    })
}

/// Returns why a server whose database can be read cannot sell.
fn obstacle(state: &AppState) -> Option<&'static str> {
    if state.shutdown.is_cancelled() {
        return Some("stopping");
    }
    // The read may have waited for the database since before the breaker opened.
    let breaker = state.shop.db().guard().breaker();
    if breaker.is_some_and(|breaker| breaker.state() != State::Closed) {
        return Some("waiting for the database");
    }
    let heartbeat = state.health.heartbeat_age();
    heartbeat
        .is_some_and(|age| age > HEARTBEAT_AGE_MAX)
        .then_some("cannot write")
}

fn not_ready(status: &str) -> Response {
    let body: Value = json!({ "status": status });
    let retry = [(header::RETRY_AFTER, RETRY_AFTER_S)];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(body)).into_response()
}
