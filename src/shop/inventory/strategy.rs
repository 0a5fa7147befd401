//! The trait that each strategy implements, and the registry of all.

use async_trait::async_trait;

use super::{
    hold::HoldStrategy,
    purchase::PurchaseRequest,
    strategies::{
        AdvisoryLock, BlindDecrement, Buckets, CheckConstraint, ConditionalUpdate, EarlyRelease,
        MicroBatch, Optimistic, ProcessMutex, RowLock, RowLockNowait, Serializable,
        SingleStatement, SkipLockedUnits, Unguarded,
    },
};
use crate::{
    db::txn::Outcome,
    model::{Receipt, StrategyKey},
    shop::Shop,
};

/// A way of taking stock, at the level of the whole unit of work: a strategy owns its transaction boundaries.
#[async_trait]
pub trait PurchaseStrategy: Send + Sync {
    /// Takes the stock and writes the order, its line, its movement and its idempotency key, or does nothing at all.
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt>;

    /// The same strategy for holds, if it can set stock aside.
    fn holding(&self) -> Option<&dyn HoldStrategy> {
        None
    }
}

/// The strategy behind a key.
pub fn of(key: StrategyKey) -> &'static dyn PurchaseStrategy {
    match key {
        StrategyKey::RowLock => &RowLock,
        StrategyKey::RowLockNowait => &RowLockNowait,
        StrategyKey::ConditionalUpdate => &ConditionalUpdate,
        StrategyKey::CheckConstraint => &CheckConstraint,
        StrategyKey::Optimistic => &Optimistic,
        StrategyKey::Serializable => &Serializable,
        StrategyKey::AdvisoryLock => &AdvisoryLock,
        StrategyKey::SkipLockedUnits => &SkipLockedUnits,
        StrategyKey::Buckets => &Buckets,
        StrategyKey::SingleStatement => &SingleStatement,
        StrategyKey::EarlyRelease => &EarlyRelease,
        StrategyKey::MicroBatch => &MicroBatch,
        StrategyKey::ProcessMutex => &ProcessMutex,
        StrategyKey::BlindDecrement => &BlindDecrement,
        StrategyKey::Unguarded => &Unguarded,
    }
}

/// The strategy behind a key, for holds. Only those that can set stock aside may be a shop's; what is none is held by the row lock.
pub fn holding(key: StrategyKey) -> &'static dyn HoldStrategy {
    of(key).holding().unwrap_or(&RowLock)
}
