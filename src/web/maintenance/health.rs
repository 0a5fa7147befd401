//! Reads the figures that need a query, and records the history of all figures.

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::web::{
    AppState,
    health::{INTERVAL, observed::Observed, queried},
};

/// Observes the figures in rounds, until the server stops.
pub async fn observe(state: AppState, shutdown: CancellationToken) {
    every(INTERVAL, &shutdown, || observe_once(&state)).await;
}

/// Runs one round. While the database cannot be asked, the figures in memory are recorded alone.
pub async fn observe_once(state: &AppState) {
    match queried::read(&state.shop).await {
        Ok(queried) => state.health.set_queried(queried),
        Err(error) => tracing::warn!(%error, "could not read the figures of the shop"),
    }
    state.health.record(Observed::now(state));
}
