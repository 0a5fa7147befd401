//! The lock that [`super::waiting_line`] stands on, apart, so that a test may put a model checker's in its place.

pub use std::sync::{Mutex, MutexGuard, PoisonError};
