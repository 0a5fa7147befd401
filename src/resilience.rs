//! What keeps a fault or a crowd from stopping the whole shop: circuit breakers around the services
//! that the shop calls, a limit of requests at once, and a budget of retries.
//!
//! All of them are plain atomic numbers, and their clock is an argument: what passes through them
//! costs a few loads, and their tests do not wait. Only the requests of each client network are
//! counted under a lock. See docs/decisions/0051-refuse-early.md.

pub mod breaker;
pub mod limiter;
mod network_places;
mod retry_budget;

pub use breaker::{Breaker, Change, Thresholds};
pub use limiter::{AdmissionRefusal, Admitted, Class, ConcurrencyLimiter, LimiterSettings};
pub use retry_budget::RetryBudget;

use std::time::Duration;

/// Microseconds, for an atomic number.
fn microseconds(duration: Duration) -> u64 {
    // A process does not run for 500,000 years.
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
