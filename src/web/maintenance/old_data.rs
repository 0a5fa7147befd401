//! Deletes old data.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::{simulation::store, web::AppState};

/// Interval of deletions.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Deletes old data, until the server stops. Several servers may do this at the same time: every
/// step is one idempotent statement.
pub async fn delete(state: AppState, shutdown: CancellationToken) {
    every(INTERVAL, &shutdown, || delete_once(&state)).await;
}

async fn delete_once(state: &AppState) {
    state.limits.remove_idle();
    if let Err(error) = state.sessions.delete_expired().await {
        tracing::warn!(%error, "failed to delete expired sessions");
    }
    if let Err(error) = state.shop.carts().delete_old().await {
        tracing::warn!(%error, "failed to delete old carts");
    }
    if let Err(error) = state.shop.idempotency_keys().delete_old().await {
        tracing::warn!(%error, "failed to delete old idempotency keys");
    }
    if let Err(error) = state.shop.operation().delete_stale_heartbeats().await {
        tracing::warn!(%error, "failed to delete the rows of stopped servers");
    }
    if let Err(error) = store::prune(state.shop.db()).await {
        tracing::warn!(%error, "failed to delete old simulation runs");
    }
}
