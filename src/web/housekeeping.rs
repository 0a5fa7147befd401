//! What is done now and then beside the serving: giving back what expired, asking about payments, forgetting what is old, noticing what
//! stopped.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::AppState;
use crate::{
    shop::{Shop, audit},
    simulation::store,
};

/// Between two rounds of what shoppers wait for.
const TRADE_EVERY: Duration = Duration::from_secs(1);
/// Between two audits.
const AUDIT_EVERY: Duration = Duration::from_secs(30);

const EVERY: Duration = Duration::from_secs(15);
/// Rounds of the above between two rounds of forgetting: an hour.
const ROUNDS_BETWEEN_FORGETTING: u32 = 240;
/// A run whose server was silent for this long is over, in seconds.
const RUN_SILENT_MAX_S: u32 = 30;

/// What shoppers wait for: stock that comes back, and backorders that can be served. The sign of life comes last, so that whoever reads it
/// knows that the rest was tried before.
pub async fn trade(shop: Shop, shutdown: CancellationToken) {
    let server_id = Uuid::new_v4();
    let mut ticks = tokio::time::interval(TRADE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = shop.sweep_expired_holds().await {
            tracing::warn!(%error, "sweeping expired holds");
        }
        if let Err(error) = shop.serve_backorders().await {
            tracing::warn!(%error, "serving backorders");
        }
        if let Err(error) = shop.beat(server_id).await {
            tracing::warn!(%error, "the server's sign of life was not written");
        }
    }
}

/// Asks the provider about payments and refunds whose outcome is due to be known. Apart from the rest, which must not wait for a provider that
/// is slow to answer.
pub async fn payments(shop: Shop, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(TRADE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = shop.resolve_unknown().await {
            tracing::warn!(%error, "asking about payments");
        }
    }
}

/// Audits the books, and keeps the result for the admin page.
pub async fn audit(shop: Shop, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(AUDIT_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = audit::run_and_keep(shop.db()).await {
            tracing::warn!(%error, "auditing");
        }
    }
}

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
    if let Err(error) = state.shop.forget_silent_servers().await {
        tracing::warn!(%error, "forgetting silent servers");
    }
    if let Err(error) = store::prune(state.shop.db()).await {
        tracing::warn!(%error, "forgetting old simulation runs");
    }
}
