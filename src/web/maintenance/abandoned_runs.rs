//! Marks the simulation runs of servers that stopped as failed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::{simulation::store, web::AppState};

/// Interval of the check.
const INTERVAL: Duration = Duration::from_secs(15);
/// A run is abandoned if its server sent no heartbeat for this long, in seconds.
const RUN_SILENT_MAX_S: u32 = 30;

/// Fails abandoned runs, until the server stops. Several servers may do this at the same time.
pub async fn fail(state: AppState, shutdown: CancellationToken) {
    every(INTERVAL, &shutdown, || fail_once(&state)).await;
}

async fn fail_once(state: &AppState) {
    match store::fail_abandoned(state.shop.db(), RUN_SILENT_MAX_S).await {
        Ok(0) => {}
        Ok(runs) => tracing::warn!(
            runs,
            "marked simulation runs as failed because their server stopped"
        ),
        Err(error) => tracing::warn!(%error, "failed to check for abandoned runs"),
    }
}
