//! The way of a purchase through the lock of its product in Redis, with the time that it costs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{ProductLock, StockGate};
use crate::db::txn::{Outcome, TimeSplit};

/// A purchase that has waited for the lock of its product.
pub struct LockedPurchase {
    lock: Option<Arc<ProductLock>>,
    split: TimeSplit,
}

impl LockedPurchase {
    /// Waits for the lock, for at most `wait_max`.
    pub async fn begin(gate: &StockGate, product_id: i64, wait_max: Duration) -> Self {
        let mut split = TimeSplit::default();
        let taken = gate.lock(product_id, wait_max, &mut split).await;
        Self {
            lock: taken.ok().flatten().map(Arc::new),
            split,
        }
    }

    /// The lock; `None` if it was not free in time, or Redis does not answer.
    pub fn lock(&self) -> Option<Arc<ProductLock>> {
        self.lock.clone()
    }

    /// Releases the lock, and adds the time for it and for the wait to `outcome`.
    pub async fn end<T>(mut self, mut outcome: Outcome<T>) -> Outcome<T> {
        if let Some(lock) = &self.lock {
            let start = Instant::now();
            lock.unlock().await;
            self.split.redis += start.elapsed();
        }
        outcome.split.add(self.split);
        outcome
    }
}
