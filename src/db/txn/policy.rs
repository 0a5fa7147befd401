//! The rules for a transaction: how often it may be tried, how long it may take, and what it sees of others.

use std::time::Duration;

/// The answer comes before the 5 s after which a request is given up.
pub const REQUEST_DEADLINE: Duration = Duration::from_millis(4_500);

/// The rules for one kind of transaction.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// For logs and measurements.
    pub name: &'static str,
    /// The first attempt included.
    pub attempts_max: u32,
    /// From the request to the answer, over all attempts and the wait for a connection.
    pub deadline: Duration,
    /// What it sees of others.
    pub isolation: Isolation,
}

impl Policy {
    /// A write on behalf of a request.
    pub const fn request(name: &'static str) -> Self {
        Self {
            name,
            attempts_max: 10,
            deadline: REQUEST_DEADLINE,
            isolation: Isolation::ReadCommitted,
        }
    }

    /// A report: all of its statements see the same moment, and none may write.
    pub const fn snapshot(name: &'static str, deadline: Duration) -> Self {
        Self {
            name,
            attempts_max: 1,
            deadline,
            isolation: Isolation::Snapshot,
        }
    }
}

/// What a transaction sees of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed when it began.
    ReadCommitted,
    /// All statements see the moment of the first; a row that was changed since cannot be written.
    RepeatableRead,
    /// As if it ran alone: the database aborts what would not look so.
    Serializable,
    /// All statements see the same moment, and none may write.
    Snapshot,
}
