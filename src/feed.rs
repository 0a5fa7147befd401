//! Stock changes after commits: the latest stock of each product, and a notification when one
//! changes.
//!
//! Readers set their own pace and read the latest values, so 10,000 sales per second do not slow
//! down a reader, and no queue can overflow.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// A product's stock at one version of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockChange {
    pub product_id: i64,
    /// Available units.
    pub available: i64,
    /// The row's version, so that a change published late does not overwrite a newer one.
    pub version: i64,
}

/// A feed of stock changes; clones share it.
#[derive(Clone, Debug)]
pub struct Feed {
    latest: Arc<Mutex<HashMap<i64, StockChange>>>,
    revision: watch::Sender<u64>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            latest: Arc::default(),
            revision: watch::Sender::new(0),
        }
    }
}

impl Feed {
    /// Publishes a committed change. A change older than the latest one is dropped.
    pub fn publish(&self, change: StockChange) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let current = latest.entry(change.product_id).or_insert(change);
        if change.version >= current.version {
            *current = change;
        }
        drop(latest);
        self.wake_readers();
    }

    /// Publishes the levels that differ from the latest ones.
    pub fn publish_changed(&self, levels: &[StockChange]) {
        let ids: Vec<i64> = levels.iter().map(|level| level.product_id).collect();
        let latest = self.latest(&ids);
        for level in levels {
            if !latest.contains(level) {
                self.publish(*level);
            }
        }
    }

    /// Wakes the readers: something that they show beside the stock has changed.
    pub fn wake_readers(&self) {
        self.revision
            .send_modify(|revision| *revision = revision.wrapping_add(1));
    }

    /// Returns the products with a published change.
    pub fn product_ids(&self) -> Vec<i64> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.keys().copied().collect()
    }

    /// Forgets the changes of `product_ids`, which are no longer for sale.
    pub fn forget(&self, product_ids: &[i64]) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        for id in product_ids {
            latest.remove(id);
        }
    }

    /// Returns a receiver that is notified after each publication.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// The latest changes of `product_ids`, in their order, without unknown products.
    pub fn latest(&self, product_ids: &[i64]) -> Vec<StockChange> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        product_ids
            .iter()
            .filter_map(|id| latest.get(id).copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_change_does_not_overwrite_a_newer_one() {
        let feed = Feed::default();
        let change = |available, version| StockChange {
            product_id: 1,
            available,
            version,
        };
        feed.publish(change(4, 6));
        feed.publish(change(5, 5));
        assert_eq!(feed.latest(&[1, 2]), [change(4, 6)]);
    }

    #[test]
    fn a_forgotten_product_leaves_nothing() {
        let feed = Feed::default();
        for product_id in [1, 2] {
            feed.publish(StockChange {
                product_id,
                available: 3,
                version: 7,
            });
        }
        feed.forget(&[1, 3]);
        assert_eq!(feed.product_ids(), [2]);
    }
}
