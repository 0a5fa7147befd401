//! Which products are being watched, and what other processes do to their stock.
//!
//! What this process sells is announced from memory at its commit. What another server or a command sells is seen by asking the database
//! for the watched rows, for all readers together, and only while there are any: nothing is added to a purchase.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::shop::Shop;

/// How soon another process's sales are seen.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Counts readers by product; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct StockWatch(Arc<Mutex<HashMap<i64, usize>>>);

/// Holds a reader's products watched until it is dropped.
#[derive(Debug)]
pub struct Watching {
    watch: StockWatch,
    product_ids: Vec<i64>,
}

impl StockWatch {
    /// Watches `product_ids` for one reader.
    pub fn watch(&self, product_ids: &[i64]) -> Watching {
        let mut counts = self.lock();
        for id in product_ids {
            *counts.entry(*id).or_default() += 1;
        }
        drop(counts);
        Watching {
            watch: self.clone(),
            product_ids: product_ids.to_vec(),
        }
    }

    /// Asks for the watched rows and announces them, until the server stops.
    pub async fn run(self, shop: Shop, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let ids: Vec<i64> = self.lock().keys().copied().collect();
            if ids.is_empty() {
                continue;
            }
            match shop.stock_now(&ids).await {
                Ok(levels) => shop.feed().publish_news(&levels),
                Err(error) => tracing::debug!(%error, "the watched stock could not be read"),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    /// What is watched.
    pub fn product_ids(&self) -> &[i64] {
        &self.product_ids
    }
}

impl Drop for Watching {
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
