//! The isolation levels of transactions.

/// The isolation level of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees the rows committed before it began.
    ReadCommitted,
    /// All statements use the snapshot of the first one; on PostgreSQL, a row changed since then
    /// cannot be written. On MySQL, writes and locking reads use the newest row.
    RepeatableRead,
    /// As if the transactions ran one after the other: the database aborts a transaction where this
    /// would not hold. On MySQL, every query locks what it reads.
    Serializable,
    /// All statements use the same snapshot, and none may write.
    Snapshot,
}
