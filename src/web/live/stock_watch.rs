//! Watches the products that open pages show, and publishes changes by other processes: their stock
//! and their sales.
//!
//! This process publishes its own sales from memory when they commit. To see the sales of other
//! servers, and changes of a plan by any server or command, one task queries the rows of all
//! watched products, only while a page is open. A purchase does no additional work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::latest_sales::LatestSales;
use crate::{
    feed::StockChange,
    model::LiveSale,
    shop::{
        Shop,
        sales::{SaleLevel, SaleLevels},
    },
    web::maintenance::rounds::every,
};

/// Interval of the query for the changes by other processes.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Counts open streams per product, and knows the sales; clones share both.
#[derive(Clone, Debug, Default)]
pub struct StockWatch {
    counts: Arc<Mutex<HashMap<i64, usize>>>,
    latest_sales: LatestSales,
}

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

    /// The sales and the clock that the latest reads showed.
    pub fn latest_sales(&self) -> &LatestSales {
        &self.latest_sales
    }

    /// Publishes a read that began at `asked_at`. Readers are woken only by a change.
    pub fn publish(&self, shop: &Shop, asked_at: Instant, read: &SaleLevels) {
        let stock: Vec<StockChange> = read.levels.iter().map(stock_of).collect();
        shop.feed().publish_changed(&stock);
        let lines = read
            .levels
            .iter()
            .map(|level| (level.product_id, sale_of(level).encode()))
            .collect();
        if self.latest_sales.store(asked_at, read.now_ms, lines) {
            shop.feed().wake_readers();
        }
    }

    /// Queries and publishes the watched products, until the server stops.
    pub async fn run(self, shop: Shop, shutdown: CancellationToken) {
        every(POLL_INTERVAL, &shutdown, || self.publish_once(&shop)).await;
    }

    async fn publish_once(&self, shop: &Shop) {
        let ids: Vec<i64> = self.lock().keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let asked_at = Instant::now();
        match shop.sales().current(&ids).await {
            Ok(read) => self.publish(shop, asked_at, &read),
            Err(error) => tracing::debug!(%error, "failed to read the watched products"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stock_of(level: &SaleLevel) -> StockChange {
    StockChange {
        product_id: level.product_id,
        available: level.counts.available,
        version: level.version,
    }
}

fn sale_of(level: &SaleLevel) -> LiveSale {
    LiveSale {
        product_id: level.product_id,
        plan: level.plan,
        available: level.counts.available,
        total: level.counts.total,
        is_sold_out: level.counts.available <= 0 && level.counts.reserved <= 0,
        sell_out: level.sell_out,
        limit: level.limit,
        price: level.price.to_string(),
        compare_at: level.compare_at.map(|price| price.to_string()),
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
