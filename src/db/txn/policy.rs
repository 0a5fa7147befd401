//! The limits of a transaction: its attempts, its deadline and its isolation level.

use std::time::Duration;

use crate::model::Isolation;

/// A request is answered before its timeout of 5 s.
pub const REQUEST_DEADLINE: Duration = Duration::from_millis(4_500);

/// The limits for one kind of transaction.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The name in logs and measurements.
    pub name: &'static str,
    /// The most attempts, including the first one.
    pub attempts_max: u32,
    /// The time from the request to the answer, including all attempts and the wait for a
    /// connection.
    pub deadline: Duration,
    /// The isolation level.
    pub isolation: Isolation,
}

impl Policy {
    /// Limits for a write on behalf of a request.
    pub const fn request(name: &'static str) -> Self {
        Self {
            name,
            attempts_max: 10,
            deadline: REQUEST_DEADLINE,
            isolation: Isolation::ReadCommitted,
        }
    }

    /// Limits for a report: all of its statements use the same snapshot, and none may write.
    pub const fn snapshot(name: &'static str, deadline: Duration) -> Self {
        Self {
            name,
            attempts_max: 1,
            deadline,
            isolation: Isolation::Snapshot,
        }
    }
}
