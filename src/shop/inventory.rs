//! Selling stock: the strategies, and the parts that they share.

pub mod admission_queue;
pub mod announcement;
pub mod batch_queue;
pub mod committed;
pub mod counters;
pub mod gate;
pub mod hold;
pub mod injection_point;
pub mod key_lookup;
pub mod layout;
pub mod order_queue;
pub mod process_locks;
pub mod purchase;
pub mod purchase_transaction;
pub mod queue_followers;
pub mod queue_outcome;
pub mod queued_order;
pub mod request;
pub mod sale;
pub mod sold_out;
pub mod strategies;
pub mod strategy;
pub mod sync;

use std::sync::Arc;

use crate::{metrics::SellingMetrics, model::StrategyKey, shop::Shop};

pub use injection_point::InjectionPoint;
pub use request::PurchaseRequest;
pub use strategy::Accepted;

/// State that the purchases of one shop share in memory, beside the pool. None of it decides
/// whether a unit may be sold.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub sold_out: Arc<sold_out::SoldOutCache>,
    pub key_lookup: Arc<key_lookup::KeyLookup>,
    pub batch_queue: Arc<batch_queue::BatchQueue>,
    pub queue_offers: Arc<order_queue::RecentOffers>,
    pub process_locks: process_locks::ProcessLocks,
    pub committed_orders: Arc<committed::CommittedOrdersCounter>,
    pub metrics: Arc<SellingMetrics>,
}

/// Counts the express purchases of this process, and forgets what they kept in memory; see
/// [`Shop::purchases`].
#[derive(Clone, Copy, Debug)]
pub struct Purchases<'a> {
    pub(super) shop: &'a Shop,
}

impl Purchases<'_> {
    /// Returns how many purchases of a product wait in this process's memory; `None` if the
    /// strategy has no queue in memory.
    pub fn queue_length(self, strategy: StrategyKey, product_id: i64) -> Option<u64> {
        strategies::of(strategy).queue_length(self.shop, product_id)
    }

    /// Returns how many purchases wait for the batch writer of this process.
    pub fn queued(self) -> usize {
        self.shop.shared.batch_queue.waiting()
    }

    /// Forgets the products that have had no buyer for a moment.
    pub fn forget_idle(self) {
        self.shop.shared.sold_out.remove_idle();
    }

    /// Returns how many orders of express purchases this process has committed.
    pub fn committed(self) -> u64 {
        self.shop.shared.committed_orders.get()
    }
}
