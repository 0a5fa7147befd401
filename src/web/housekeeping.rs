//! What is done now and then beside the serving: forgetting what is old, and noticing what stopped.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::AppState;
use crate::simulation::store;

const EVERY: Duration = Duration::from_secs(15);
/// Rounds of the above between two rounds of forgetting: an hour.
const ROUNDS_BETWEEN_FORGETTING: u32 = 240;
/// A run whose server was silent for this long is over, in seconds.
const RUN_SILENT_MAX_S: u32 = 30;

/// Runs until the server stops. Any number of servers may do it at once: every step is one idempotent statement.
pub async fn run(state: AppState, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    for round in 0_u32.. {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        notice_stopped_runs(&state).await;
        if round % ROUNDS_BETWEEN_FORGETTING == 0 {
            forget(&state).await;
        }
    }
}

async fn notice_stopped_runs(state: &AppState) {
    match store::fail_abandoned(state.shop.db(), RUN_SILENT_MAX_S).await {
        Ok(0) => {}
        Ok(runs) => tracing::warn!(
            runs,
            "simulation runs whose server stopped were marked as failed"
        ),
        Err(error) => tracing::warn!(%error, "looking for stopped runs"),
    }
}

async fn forget(state: &AppState) {
    state.limits.shrink();
    if let Err(error) = state.sessions.delete_expired().await {
        tracing::warn!(%error, "forgetting expired sessions");
    }
    if let Err(error) = state.shop.forget_old_carts().await {
        tracing::warn!(%error, "forgetting old carts");
    }
    if let Err(error) = state.shop.forget_old_keys().await {
        tracing::warn!(%error, "forgetting old idempotency keys");
    }
    if let Err(error) = store::prune(state.shop.db()).await {
        tracing::warn!(%error, "forgetting old simulation runs");
    }
}
