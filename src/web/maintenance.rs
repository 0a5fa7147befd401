//! Background maintenance of a server process: sweeps expired holds, resolves payments,
//! fails abandoned runs and deletes old data.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::AppState;
use crate::{shop::Shop, simulation::store};

/// Interval of sweeps, backorders and payments, which shoppers wait for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Interval of the check for abandoned runs.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(15);
/// Old data is deleted once per this many cleanup intervals: once an hour.
const CLEANUPS_PER_DELETION: u32 = 240;
/// A run is abandoned if its server sent no heartbeat for this long, in seconds.
const RUN_SILENT_MAX_S: u32 = 30;

/// Releases expired holds and fills backorders every second, until the server stops. The heartbeat
/// comes last: a recent heartbeat proves that the other steps were attempted before.
pub async fn maintain_stock(shop: Shop, shutdown: CancellationToken) {
    let server_id = Uuid::new_v4();
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = shop.reservations().sweep_expired().await {
            tracing::warn!(%error, "failed to release expired holds");
        }
        if let Err(error) = shop.backorders().fulfill().await {
            tracing::warn!(%error, "failed to fill backorders");
        }
        if let Err(error) = shop.operation().record_heartbeat(server_id).await {
            tracing::warn!(%error, "failed to write the server's heartbeat");
        }
    }
}

/// Queries the payment provider for the outcome of unresolved payments and refunds. This is a
/// separate task, so that a slow provider does not delay the rest.
pub async fn resolve_payments(shop: Shop, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = shop.payments().resolve_unknown_outcomes().await {
            tracing::warn!(%error, "failed to resolve payments");
        }
    }
}

/// Fails abandoned runs and deletes old data, until the server stops. Several servers may do this
/// at the same time: every step is one idempotent statement.
pub async fn clean_up(state: AppState, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(CLEANUP_INTERVAL);
    for round in 0_u32.. {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        fail_abandoned_runs(&state).await;
        if round % CLEANUPS_PER_DELETION == 0 {
            delete_old_data(&state).await;
        }
    }
}

async fn fail_abandoned_runs(state: &AppState) {
    match store::fail_abandoned(state.shop.db(), RUN_SILENT_MAX_S).await {
        Ok(0) => {}
        Ok(runs) => tracing::warn!(
            runs,
            "marked simulation runs as failed because their server stopped"
        ),
        Err(error) => tracing::warn!(%error, "failed to check for abandoned runs"),
    }
}

async fn delete_old_data(state: &AppState) {
    state.limits.remove_idle();
    if let Err(error) = state.sessions.delete_expired().await {
        tracing::warn!(%error, "failed to delete expired sessions");
    }
    if let Err(error) = state.shop.carts().delete_old().await {
        tracing::warn!(%error, "failed to delete old carts");
    }
    if let Err(error) = state.shop.reservations().remove_old_addresses().await {
        tracing::warn!(%error, "failed to remove the addresses of old holds");
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
