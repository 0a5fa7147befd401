//! Taking stock: the strategies, and what they share.

pub mod batch_line;
pub mod counters;
pub mod hold;
pub mod known_keys;
pub mod layout;
pub mod process_locks;
pub mod purchase;
pub mod seam;
pub mod sold_out;
pub mod strategies;
pub mod strategy;
pub mod sync;
pub mod waiting_line;

use std::sync::Arc;

use crate::{model::StrategyKey, shop::Shop};

pub use purchase::PurchaseRequest;
pub use seam::Seam;

/// What the purchases of one shop share in memory, beside the pool: none of it decides whether a unit may be sold.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub sold_out: Arc<sold_out::SoldOut>,
    pub known_keys: Arc<known_keys::KnownKeys>,
    pub batch_line: Arc<batch_line::BatchLine>,
    pub process_locks: process_locks::ProcessLocks,
}

impl Shop {
    /// How many wait for a product in this process's memory, where the strategy lets them wait there.
    pub fn in_line(&self, strategy: StrategyKey, product_id: i64) -> Option<u64> {
        let waiting = match strategy {
            StrategyKey::MicroBatch => self.shared.batch_line.waiting(),
            StrategyKey::ProcessMutex => self.shared.process_locks.waiting(product_id),
            _ => return None,
        };
        Some(waiting as u64)
    }
}
