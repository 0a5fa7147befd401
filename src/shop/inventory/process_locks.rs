//! Locks in the memory of this process, one for each product. The strategy `process-mutex` relies
//! on them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

type Locks = Arc<Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>>;

static PROCESS_WIDE: LazyLock<Locks> = LazyLock::new(Locks::default);

/// A handle to a set of locks; its clones share the same locks.
#[derive(Clone, Debug)]
pub struct ProcessLocks(Locks);

impl Default for ProcessLocks {
    /// The locks that the whole process shares.
    fn default() -> Self {
        Self(Arc::clone(&PROCESS_WIDE))
    }
}

impl ProcessLocks {
    /// Returns new locks, shared with no other handle, as a second server process has them.
    pub fn separate() -> Self {
        Self(Locks::default())
    }

    /// Returns how many tasks wait for the lock of a product.
    pub fn waiting(&self, product_id: i64) -> usize {
        let locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One reference belongs to the map and one to the holder of the lock; each of the others
        // waits.
        locks
            .get(&product_id)
            .map_or(0, |lock| Arc::strong_count(lock).saturating_sub(2))
    }

    /// Waits for the lock of a product.
    pub async fn lock(&self, product_id: i64) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(product_id)
                .or_default(),
        );
        lock.lock_owned().await
    }
}
