//! The trait that each strategy implements, and the registry of all strategies.

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

/// A way to sell stock, for the whole unit of work: a strategy decides where its transactions begin
/// and end.
#[async_trait]
pub trait PurchaseStrategy: Send + Sync {
    /// Takes the stock and writes the order, its line, its stock movement and its idempotency key,
    /// or writes nothing.
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt>;

    /// Returns the same strategy for holds, if it can reserve stock.
    fn holding(&self) -> Option<&dyn HoldStrategy> {
        None
    }
}

/// Returns the strategy of a key.
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

/// Returns the strategy of a key for holds. Only strategies that can reserve stock may be the
/// shop's; for any other key this is the row lock.
pub fn holding(key: StrategyKey) -> &'static dyn HoldStrategy {
    of(key).holding().unwrap_or(&RowLock)
}
