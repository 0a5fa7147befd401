//! Locks in the server's memory, one a product: what the strategy `process-mutex` trusts in.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

type Locks = Arc<Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>>;

static OF_THIS_PROCESS: LazyLock<Locks> = LazyLock::new(Locks::default);

/// A handle; clones share their locks.
#[derive(Clone, Debug)]
pub struct ProcessLocks(Locks);

impl Default for ProcessLocks {
    /// Those that everything in this process shares.
    fn default() -> Self {
        Self(Arc::clone(&OF_THIS_PROCESS))
    }
}

impl ProcessLocks {
    /// Those of another process: it shares none with this one.
    pub fn of_another_process() -> Self {
        Self(Locks::default())
    }

    /// How many wait for the lock of a product.
    pub fn waiting(&self, product_id: i64) -> usize {
        let locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One reference is the map's, one is that of who holds the lock; each of the others waits.
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
