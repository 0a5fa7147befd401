//! How far an attempt has come, for the moment at which its deadline passes.

use std::sync::atomic::{AtomicBool, Ordering};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Progress {
    beginning: AtomicBool,
    committing: AtomicBool,
}

impl Progress {
    /// A new attempt begins, and waits for its permit.
    pub fn attempt_begins(&self) {
        self.beginning.store(false, Ordering::Relaxed);
        self.committing.store(false, Ordering::Relaxed);
    }

    /// BEGIN is sent; it is answered when this is called with `false`.
    pub fn set_beginning(&self, is_beginning: bool) {
        self.beginning.store(is_beginning, Ordering::Relaxed);
    }

    /// COMMIT is sent, or a statement that commits.
    pub fn commits(&self) {
        self.committing.store(true, Ordering::Relaxed);
    }

    /// True while the answer to BEGIN is awaited.
    pub fn is_beginning(&self) -> bool {
        self.beginning.load(Ordering::Relaxed)
    }

    /// True once the attempt may have been committed.
    pub fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Relaxed)
    }
}
