//! Reconciles the gates in Redis with the stock rows.

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::shop::{
    Shop,
    gates::{GatesError, RECONCILE_EVERY},
};

/// Reconciles the gates every two seconds, until the server stops. Several servers may do this at
/// the same time: one of them reads the rows.
pub async fn reconcile(shop: Shop, shutdown: CancellationToken) {
    every(RECONCILE_EVERY, &shutdown, || reconcile_once(&shop)).await;
}

async fn reconcile_once(shop: &Shop) {
    match shop.gates().reconcile().await {
        Ok(Some(done)) => {
            for report in &done.taught {
                tracing::debug!(%report, "a gate differed from its row and was reconciled");
            }
        }
        Ok(None) | Err(GatesError::NoRedis) => {}
        // The connection logs when Redis goes and comes.
        Err(GatesError::Redis(error)) => tracing::debug!(%error, "the gates are reconciled later"),
        Err(GatesError::Shop(error)) => {
            tracing::warn!(%error, "failed to reconcile the gates in Redis");
        }
    }
}
