//! How far an attempt has come, for the moment at which its deadline passes.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Progress {
    beginning: Mutex<Option<Instant>>,
    committing: AtomicBool,
}

impl Progress {
    /// A new attempt begins, and waits for its permit.
    pub fn attempt_begins(&self) {
        self.set_beginning(false);
        self.committing.store(false, Ordering::Relaxed);
    }

    /// BEGIN is sent; it is answered when this is called with `false`.
    pub fn set_beginning(&self, is_beginning: bool) {
        let mut since = self
            .beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *since = is_beginning.then(Instant::now);
    }

    /// COMMIT is sent, or a statement that commits.
    pub fn commits(&self) {
        self.committing.store(true, Ordering::Relaxed);
    }

    /// How long the answer to BEGIN has been awaited; zero if it is not.
    pub fn beginning_for(&self) -> Duration {
        let since = self
            .beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// True once the attempt may have been committed.
    pub fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Relaxed)
    }
}
