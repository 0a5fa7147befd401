//! Releases expired holds and fulfills backorders.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rounds::every;
use crate::web::AppState;

/// Shoppers wait for expired holds and for backorders.
const INTERVAL: Duration = Duration::from_secs(1);
/// Further backorders wait for the next round: the other steps must not be delayed.
const FULFILL_MAX: Duration = Duration::from_millis(500);

/// Releases expired holds and fills backorders every second, until the server stops. The heartbeat
/// comes last: a recent heartbeat proves that the other steps were attempted before.
pub async fn maintain_stock(state: AppState, shutdown: CancellationToken) {
    let server_id = Uuid::new_v4();
    every(INTERVAL, &shutdown, || maintain_once(&state, server_id)).await;
}

async fn maintain_once(state: &AppState, server_id: Uuid) {
    let shop = &state.shop;
    if let Err(error) = shop.reservations().sweep_expired().await {
        tracing::warn!(%error, "could not release expired holds");
    }
    if let Err(error) = shop.backorders().fulfill(FULFILL_MAX).await {
        tracing::warn!(%error, "could not fulfil backorders");
    }
    match shop.operation().record_heartbeat(server_id).await {
        Ok(()) => state.health.heartbeat_written(Instant::now()),
        Err(error) => tracing::warn!(%error, "could not write the server's heartbeat"),
    }
}
