//! The strategies, one in each file, with the same four headings in each: *Guarantees*, *Cost under
//! contention*, *Fails as*, *Choose it when*.

mod advisory_lock;
mod blind_decrement;
mod buckets;
mod check_constraint;
mod conditional_update;
mod early_release;
pub mod micro_batch;
mod optimistic;
mod process_mutex;
mod row_lock;
mod row_lock_nowait;
mod serializable;
mod single_statement;
mod skip_locked_units;
mod unguarded;

pub use advisory_lock::AdvisoryLock;
pub use blind_decrement::BlindDecrement;
pub use buckets::Buckets;
pub use check_constraint::CheckConstraint;
pub use conditional_update::ConditionalUpdate;
pub use early_release::EarlyRelease;
pub use micro_batch::MicroBatch;
pub use optimistic::Optimistic;
pub use process_mutex::ProcessMutex;
pub use row_lock::RowLock;
pub use row_lock_nowait::RowLockNowait;
pub use serializable::Serializable;
pub use single_statement::SingleStatement;
pub use skip_locked_units::SkipLockedUnits;
pub use unguarded::Unguarded;
