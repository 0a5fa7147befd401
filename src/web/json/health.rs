//! Health checks: `/healthz` and `/api/health` report that the process responds, `/readyz` that it
//! can sell.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoResponses, ToSchema};

use super::{
    problem::Problem,
    responses::{Responses, problems},
};
use crate::web::AppState;

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

/// `GET /readyz`: 503 while the database is unavailable.
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    state.shop.catalog().categories().await?;
    Ok(Json(json!({ "status": "ready" })))
}
