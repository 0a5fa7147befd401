//! The one place that knows that new express purchases were committed.
//!
//! Every strategy reports here, also those whose stock has no single row. A replayed answer is not
//! a new purchase, and is not reported. Counting and announcing hang on this.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{announcement, counters::Level};
use crate::{db::txn::Work, shop::Shop};

/// New orders of one product that one transaction has committed.
#[derive(Clone, Copy, Debug)]
pub struct CommittedOrders {
    pub product_id: i64,
    pub orders: u64,
    /// The stock row as the transaction left it, if the stock has a single row.
    pub level: Option<Level>,
}

impl CommittedOrders {
    /// Reports the orders once the transaction has committed.
    pub fn report_after_commit(self, work: &Work, shop: &Shop) {
        let shop = shop.clone();
        work.after_commit(move || self.report(&shop));
    }

    /// Reports orders that are committed.
    pub fn report(self, shop: &Shop) {
        let counter = &shop.shared.committed_orders;
        counter.0.fetch_add(self.orders, Ordering::Relaxed);
        if let Some(level) = self.level {
            announcement::announce(shop, self.product_id, level);
        }
    }
}

/// Counts the orders of express purchases that this process has committed.
#[derive(Debug, Default)]
pub struct CommittedOrdersCounter(AtomicU64);

impl CommittedOrdersCounter {
    /// Returns the number of orders so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
