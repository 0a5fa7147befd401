//! Health checks: `/healthz` reports that the process responds, `/readyz` that it can sell.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::web::AppState;

/// `GET /healthz`
pub async fn healthz() -> &'static str {
    "ok"
}

/// `GET /readyz`: 503 while the database is unavailable.
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    state.shop.catalog().categories().await?;
    Ok(Json(json!({ "status": "ready" })))
}
