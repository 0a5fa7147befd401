//! Forgets what a server process keeps in memory about products and clients that are gone.

use std::{collections::HashSet, time::Duration};

use tokio_util::sync::CancellationToken;

use super::rounds::every;
use crate::{shop::Shop, simulation::store, web::AppState};

/// Interval of the rounds.
const INTERVAL: Duration = Duration::from_secs(15);

/// Forgets in rounds, until the server stops.
pub async fn forget(state: AppState, shutdown: CancellationToken) {
    every(INTERVAL, &shutdown, || forget_once(&state)).await;
}

async fn forget_once(state: &AppState) {
    state.limits.remove_idle();
    state.shop.purchases().forget_idle();
    forget_products(&state.shop).await;
}

/// Forgets the stock of products that were deleted, and of private products whose run has ended, on
/// this server or on another one.
pub async fn forget_products(shop: &Shop) {
    let known = shop.feed().product_ids();
    if known.is_empty() {
        return;
    }
    match store::products_for_sale(shop.db(), &known).await {
        Ok(for_sale) => {
            let for_sale: HashSet<i64> = for_sale.into_iter().collect();
            let gone: Vec<i64> = known
                .into_iter()
                .filter(|id| !for_sale.contains(id))
                .collect();
            shop.feed().forget(&gone);
        }
        Err(error) => tracing::debug!(%error, "could not look for products that no longer exist"),
    }
}
