//! Resolves payments and refunds whose outcome is unknown.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::shop::Shop;

/// Shoppers wait for the outcome of their payments.
const INTERVAL: Duration = Duration::from_secs(1);

/// Queries the payment provider for the outcome of unresolved payments and refunds. This is a
/// separate task, so that a slow provider does not delay the rest.
pub async fn resolve_payments(shop: Shop, shutdown: CancellationToken) {
    every(INTERVAL, &shutdown, || resolve_once(&shop)).await;
}

async fn resolve_once(shop: &Shop) {
    if let Err(error) = shop.payments().resolve_unknown_outcomes().await {
        tracing::warn!(%error, "could not resolve payments");
    }
}
