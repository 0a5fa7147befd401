//! One file for each strategy, all with the same four headings: *Guarantees*, *Cost under
//! contention*, *Fails as*, *Choose it when*. Their rows of the registry are in
//! [`crate::model::strategy`].

mod advisory_lock;
mod blind_decrement;
mod buckets;
mod check_constraint;
mod conditional_update;
mod early_release;
pub mod micro_batch;
mod optimistic;
mod process_mutex;
mod redis_counter;
mod redis_dual_write;
mod redis_hold;
mod redis_lock;
mod redis_lock_unfenced;
pub mod redis_stream;
mod row_lock;
mod row_lock_nowait;
mod serializable;
mod single_statement;
mod skip_locked_units;
mod unguarded;

pub use row_lock::fall_back;

use super::{hold::HoldStrategy, strategy::PurchaseStrategy};
use crate::model::StrategyKey;

/// The strategy that sells if contention exhausts another one: every buyer gets a turn at the row.
pub const FALLBACK: StrategyKey = StrategyKey::RowLock;

/// Returns the implementation of a strategy.
pub fn of(key: StrategyKey) -> &'static dyn PurchaseStrategy {
    match key {
        StrategyKey::RowLock => &row_lock::RowLock,
        StrategyKey::RowLockNowait => &row_lock_nowait::RowLockNowait,
        StrategyKey::ConditionalUpdate => &conditional_update::ConditionalUpdate,
        StrategyKey::CheckConstraint => &check_constraint::CheckConstraint,
        StrategyKey::Optimistic => &optimistic::Optimistic,
        StrategyKey::Serializable => &serializable::Serializable,
        StrategyKey::AdvisoryLock => &advisory_lock::AdvisoryLock,
        StrategyKey::SkipLockedUnits => &skip_locked_units::SkipLockedUnits,
        StrategyKey::Buckets => &buckets::Buckets,
        StrategyKey::SingleStatement => &single_statement::SingleStatement,
        StrategyKey::EarlyRelease => &early_release::EarlyRelease,
        StrategyKey::MicroBatch => &micro_batch::MicroBatch,
        StrategyKey::RedisCounter => &redis_counter::RedisCounter,
        StrategyKey::RedisLock => &redis_lock::RedisLock,
        StrategyKey::RedisHold => &redis_hold::RedisHold,
        StrategyKey::RedisStream => &redis_stream::RedisStream,
        StrategyKey::ProcessMutex => &process_mutex::ProcessMutex,
        StrategyKey::RedisLockUnfenced => &redis_lock_unfenced::RedisLockUnfenced,
        StrategyKey::RedisDualWrite => &redis_dual_write::RedisDualWrite,
        StrategyKey::BlindDecrement => &blind_decrement::BlindDecrement,
        StrategyKey::Unguarded => &unguarded::Unguarded,
    }
}

/// Returns the implementation that reserves stock. Only a strategy that can reserve may be the
/// shop's; for any other, the row lock reserves.
pub fn holding(key: StrategyKey) -> &'static dyn HoldStrategy {
    of(key).holding().unwrap_or(&row_lock::RowLock)
}
