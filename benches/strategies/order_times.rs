//! Where the time of an order goes.

use std::time::Duration;

use doorbuster::db::txn::TimeSplit;
use serde::Serialize;

/// The times of several orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderTimes {
    orders: u32,
    total: TimeSplit,
}

/// The mean times of an order, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MeanTimes {
    /// Waiting in this process: for a connection, for a batch, or before a retry.
    pub queue: f64,
    /// In statements that do nothing but take a lock.
    pub locks: f64,
    /// In all other statements, which may also wait for a row.
    pub statements: f64,
    /// In COMMIT.
    pub commit: f64,
}

impl OrderTimes {
    /// Adds an order.
    pub fn add(&mut self, split: TimeSplit) {
        self.orders += 1;
        self.total.add(split);
    }

    /// Adds the orders of another buyer.
    pub fn merge(&mut self, other: Self) {
        self.orders += other.orders;
        self.total.add(other.total);
    }

    /// Returns the means; `None` without an order.
    pub fn mean(&self) -> Option<MeanTimes> {
        let ms = |total: Duration| Some(total.checked_div(self.orders)?.as_secs_f64() * 1_000.0);
        let TimeSplit {
            pool_wait,
            queue_wait,
            redis,
            lock_wait,
            execute,
            commit,
            backoff,
            ..
        } = self.total;
        Some(MeanTimes {
            queue: ms(pool_wait + queue_wait + redis + backoff)?,
            locks: ms(lock_wait)?,
            statements: ms(execute)?,
            commit: ms(commit)?,
        })
    }
}
