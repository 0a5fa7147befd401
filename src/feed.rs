//! Changes after commits: the latest stock of each product, a notification when one changes, and
//! what this process has changed since its last notice to the others.
//!
//! Readers set their own pace and read the latest values, so 10,000 sales per second do not slow
//! down a reader, and no queue can overflow. The same holds for notices: they name what has
//! changed, once however often it did.

mod change_set;
mod pace;

pub use change_set::{ChangeSet, TEXT_BYTES_MAX};
pub use pace::{Pace, RESYNC_INTERVAL};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// A product's stock at one version of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockChange {
    pub product_id: i64,
    /// Available units.
    pub available: i64,
    /// The row's version, so that a change published late does not overwrite a newer one.
    pub version: i64,
}

/// A feed of changes; clones share it.
#[derive(Clone, Debug)]
pub struct Feed {
    latest: Arc<Mutex<HashMap<i64, StockChange>>>,
    revision: watch::Sender<u64>,
    exchange: Arc<Exchange>,
    announces: bool,
}

/// What this process exchanges with the others of its database.
#[derive(Debug)]
struct Exchange {
    announced: Mutex<ChangeSet>,
    has_announced: Notify,
    /// Whether the notices of all processes arrive here.
    receives: watch::Sender<bool>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            latest: Arc::default(),
            revision: watch::Sender::new(0),
            exchange: Arc::new(Exchange {
                announced: Mutex::default(),
                has_announced: Notify::new(),
                receives: watch::Sender::new(false),
            }),
            announces: true,
        }
    }
}

impl Feed {
    /// Returns the same feed for private products, whose stock and orders no page of another
    /// process follows: they are announced to no other process.
    #[must_use]
    pub fn for_private_products(&self) -> Self {
        Self {
            announces: false,
            ..self.clone()
        }
    }

    /// Publishes a change that this process has committed, and announces it to the others. A change
    /// older than the latest one is dropped.
    pub fn publish(&self, change: StockChange) {
        self.store(change);
        if self.announces {
            self.announce_product(change.product_id);
        }
    }

    fn store(&self, change: StockChange) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let current = latest.entry(change.product_id).or_insert(change);
        if change.version >= current.version {
            *current = change;
        }
        drop(latest);
        self.wake_readers();
    }

    /// Publishes the levels of a read that differ from the latest ones.
    pub fn publish_changed(&self, levels: &[StockChange]) {
        let ids: Vec<i64> = levels.iter().map(|level| level.product_id).collect();
        let latest = self.latest(&ids);
        for level in levels {
            if !latest.contains(level) {
                self.store(*level);
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

/// What this process announces to all processes of its database, itself included, and whether their
/// notices arrive.
impl Feed {
    /// Announces that the stock or the plan of a product has changed.
    pub fn announce_product(&self, id: i64) {
        self.announce(|changes| changes.add_product(id));
    }

    /// Announces that a page shows this order differently now.
    pub fn announce_order(&self, id: Uuid) {
        if self.announces {
            self.announce(|changes| changes.add_order(id));
        }
    }

    /// Announces new points of a simulation run, or its end.
    pub fn announce_run(&self, id: Uuid) {
        self.announce(|changes| changes.add_run(id));
    }

    /// Announces that a command for a simulation run was stored.
    pub fn announce_run_command(&self, id: Uuid) {
        self.announce(|changes| changes.add_run_command(id));
    }

    /// Announces changes again whose notice could not be sent.
    pub fn announce_again(&self, unsent: ChangeSet) {
        self.announce(|changes| changes.merge(unsent));
    }

    /// Waits until something is announced. It may have been taken since.
    pub async fn announced(&self) {
        self.exchange.has_announced.notified().await;
    }

    /// Takes what was announced since the last call; `None` if that is nothing.
    pub fn take_announced(&self) -> Option<ChangeSet> {
        let mut announced = self.lock_announced();
        (!announced.is_empty()).then(|| std::mem::take(&mut *announced))
    }

    fn announce(&self, add: impl FnOnce(&mut ChangeSet)) {
        let announced: &mut ChangeSet = &mut self.lock_announced();
        add(announced);
        self.exchange.has_announced.notify_one();
    }

    fn lock_announced(&self) -> MutexGuard<'_, ChangeSet> {
        let announced = self.exchange.announced.lock();
        announced.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true while the notices of all processes arrive.
    pub fn receives_notices(&self) -> bool {
        *self.exchange.receives.borrow()
    }

    /// Records whether notices arrive. Returns true if that has changed.
    pub fn set_receives_notices(&self, receives: bool) -> bool {
        self.exchange.receives.send_if_modified(|known| {
            let has_changed = *known != receives;
            *known = receives;
            has_changed
        })
    }

    /// Returns the pace of a reader, which reads at `without_notices` while no notices arrive.
    pub fn pace(&self, without_notices: Duration) -> Pace {
        Pace::new(self.exchange.receives.subscribe(), without_notices)
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

    #[test]
    fn only_what_this_process_committed_is_announced_and_only_once() {
        let feed = Feed::default();
        let change = |product_id, version| StockChange {
            product_id,
            available: 3,
            version,
        };
        feed.publish_changed(&[change(1, 1)]);
        feed.for_private_products().publish(change(2, 1));
        feed.for_private_products().announce_order(Uuid::nil());
        assert_eq!(feed.take_announced(), None);
        assert_eq!(feed.product_ids().len(), 2, "both are shown here");
        (1..100).for_each(|version| feed.publish(change(3, version)));
        let announced = feed.take_announced().unwrap_or_default();
        assert_eq!(announced.encode(), "p3");
        assert_eq!(feed.take_announced(), None);
        feed.announce_again(announced);
        feed.announce_product(4);
        let again = feed.take_announced().unwrap_or_default();
        assert_eq!(again.encode(), "p3,p4");
    }
}
