//! Watches the stock of products that open pages show, and publishes changes by other processes.
//!
//! This process publishes its own sales from memory when they commit. To see the sales of other
//! servers and commands, one task queries the stock rows of all watched products, only while a page
//! is open. A purchase does no additional work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{shop::Shop, web::maintenance::rounds::every};

/// Interval of the query for the sales of other processes.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Counts open streams per product; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct StockWatch(Arc<Mutex<HashMap<i64, usize>>>);

/// The products of one stream, watched until this guard is dropped.
#[derive(Debug)]
pub struct WatchedProducts {
    watch: StockWatch,
    product_ids: Vec<i64>,
}

impl StockWatch {
    /// Watches `product_ids` for one stream.
    pub fn watch(&self, product_ids: &[i64]) -> WatchedProducts {
        let mut counts = self.lock();
        for id in product_ids {
            *counts.entry(*id).or_default() += 1;
        }
        drop(counts);
        WatchedProducts {
            watch: self.clone(),
            product_ids: product_ids.to_vec(),
        }
    }

    /// Queries and publishes the stock of watched products, until the server stops.
    pub async fn run(self, shop: Shop, shutdown: CancellationToken) {
        every(POLL_INTERVAL, &shutdown, || self.publish_once(&shop)).await;
    }

    async fn publish_once(&self, shop: &Shop) {
        let ids: Vec<i64> = self.lock().keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        match shop.stock().current(&ids).await {
            Ok(levels) => shop.feed().publish_changed(&levels),
            Err(error) => tracing::debug!(%error, "failed to read the watched stock"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchedProducts {
    /// Returns the watched products.
    pub fn product_ids(&self) -> &[i64] {
        &self.product_ids
    }
}

impl Drop for WatchedProducts {
    fn drop(&mut self) {
        let mut counts = self.watch.lock();
        for id in &self.product_ids {
            if let Some(count) = counts.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(id);
                }
            }
        }
    }
}
