//! The connection to Redis or Valkey, which is fast and may be gone at any time.
//!
//! Every call has a short deadline. After a failure a [breaker](crate::resilience::breaker) refuses
//! all calls for a moment, so that a server without Redis is slow for one call of each moment, and
//! not for every one. Nothing in Redis decides whether a unit is sold, so a caller that is refused
//! goes on without it. See docs/decisions/0045-redis-in-front-of-the-row.md.

mod connection;

/// A type that an answer can be read as.
pub use ::redis::FromRedisValue as Answer;
pub use connection::{COMMAND_MAX, Redis, Script, Unavailable};
