//! The lock that [`super::admission_queue`] uses, in a module of its own, so that a test can
//! replace it with a model checker's lock.

pub use std::sync::{Mutex, MutexGuard, PoisonError};
