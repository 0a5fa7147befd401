//! What changed after a commit: the latest stock of each product, and a bell that rings when one moved.
//!
//! Readers are paced by themselves and read the latest values, so that ten thousand sales a second cost a slow reader nothing
//! and no queue can overflow.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// Stock of one product at one version of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockChange {
    pub product_id: i64,
    /// Units that can be bought.
    pub available: i64,
    /// The row's version: a change that is announced late does not undo a newer one.
    pub version: i64,
}

/// A handle; clones share one feed.
#[derive(Clone, Debug)]
pub struct Feed {
    latest: Arc<Mutex<HashMap<i64, StockChange>>>,
    bell: watch::Sender<u64>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            latest: Arc::default(),
            bell: watch::Sender::new(0),
        }
    }
}

impl Feed {
    /// Announces a committed change. Older news than what is known is dropped.
    pub fn publish(&self, change: StockChange) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = latest.entry(change.product_id).or_insert(change);
        if change.version >= known.version {
            *known = change;
        }
        drop(latest);
        self.bell
            .send_modify(|rings| *rings = rings.wrapping_add(1));
    }

    /// Announces what was read, and rings only if some of it is news.
    pub fn publish_news(&self, levels: &[StockChange]) {
        let ids: Vec<i64> = levels.iter().map(|level| level.product_id).collect();
        let known = self.latest(&ids);
        for level in levels {
            if !known.contains(level) {
                self.publish(*level);
            }
        }
    }

    /// The bell: it changes after each publication.
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// What is known about `product_ids`, in their order; unknown ones are left out.
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
    fn late_news_does_not_undo_newer() {
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
}
