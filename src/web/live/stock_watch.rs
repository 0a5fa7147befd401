//! Watches the products that open pages show, and publishes changes by other processes: their stock
//! and their sales.
//!
//! This process publishes its own sales from memory when they commit. To see the sales of other
//! servers, and changes of a plan by any server or command, one task queries the rows of watched
//! products: those that a notice names, at once but at most four times a second, and all of them
//! every three seconds. While no notices arrive, it queries all of them four times a second. It
//! queries nothing while no page is open.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::latest_sales::LatestSales;
use crate::{
    feed::{ChangeSet, StockChange},
    model::LiveSale,
    shop::{
        Shop,
        sales::{SaleLevel, SaleLevels},
    },
};

/// Interval of the query for the changes by other processes while their notices do not arrive, and
/// the shortest time between two queries.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Counts open streams per product, and knows the sales; clones share both.
#[derive(Clone, Debug, Default)]
pub struct StockWatch {
    counts: Arc<Mutex<HashMap<i64, usize>>>,
    latest_sales: LatestSales,
    noticed: Arc<NoticedProducts>,
}

/// The watched products that notices have named since the last query.
#[derive(Debug, Default)]
struct NoticedProducts {
    ids: Mutex<HashSet<i64>>,
    is_added: Notify,
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

    /// Notes the watched products that a notice names, to query them.
    pub fn notice(&self, changes: &ChangeSet) {
        let counts = self.lock();
        let watched = counts.keys().copied();
        let named: Vec<i64> = watched.filter(|id| changes.has_product(*id)).collect();
        drop(counts);
        if !named.is_empty() {
            self.noticed.lock().extend(named);
            self.noticed.is_added.notify_one();
        }
    }

    /// Queries and publishes the watched products, until the server stops.
    pub async fn run(self, shop: Shop, shutdown: CancellationToken) {
        let mut pace = shop.feed().pace(POLL_INTERVAL);
        loop {
            let ids = tokio::select! {
                () = shutdown.cancelled() => return,
                () = pace.next_round() => self.watched(),
                () = self.noticed.is_added.notified() => self.take_noticed(),
            };
            self.publish_once(&shop, &ids).await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(POLL_INTERVAL) => {}
            }
        }
    }

    fn watched(&self) -> Vec<i64> {
        self.lock().keys().copied().collect()
    }

    fn take_noticed(&self) -> Vec<i64> {
        self.noticed.lock().drain().collect()
    }

    async fn publish_once(&self, shop: &Shop, ids: &[i64]) {
        if ids.is_empty() {
            return;
        }
        let asked_at = Instant::now();
        match shop.sales().current(ids).await {
            Ok(read) => self.publish(shop, asked_at, &read),
            Err(error) => tracing::debug!(%error, "could not read the watched products"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoticedProducts {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_products_that_are_watched_or_none() {
        let watch = StockWatch::default();
        let products = |ids: &[i64]| {
            let mut changes = ChangeSet::default();
            ids.iter().for_each(|id| changes.add_product(*id));
            changes
        };
        let noticed = || {
            let mut ids = watch.take_noticed();
            ids.sort_unstable();
            ids
        };
        let both = watch.watch(&[1, 2]);
        let one = watch.watch(&[1]);
        watch.notice(&products(&[2, 3]));
        watch.notice(&products(&[2]));
        assert_eq!(noticed(), [2]);
        watch.notice(&ChangeSet::everything());
        assert_eq!(noticed(), [1, 2]);
        drop(both);
        watch.notice(&ChangeSet::everything());
        assert_eq!(noticed(), [1]);
        drop(one);
        watch.notice(&ChangeSet::everything());
        assert!(noticed().is_empty());
    }
}
