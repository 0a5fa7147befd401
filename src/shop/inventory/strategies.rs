//! One file a strategy, each under the same four headings: *Guarantees*, *Cost under contention*, *Fails as*, *Choose it when*.

mod conditional_update;
mod row_lock;
mod unguarded;

pub use conditional_update::ConditionalUpdate;
pub use row_lock::RowLock;
pub use unguarded::Unguarded;
