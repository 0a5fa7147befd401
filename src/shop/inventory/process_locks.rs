//! Locks in the memory of this process, one for each product. The strategy `process-mutex` relies
//! on them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

type Locks = Arc<Mutex<HashMap<i64, ProductLock>>>;

static PROCESS_WIDE: LazyLock<Locks> = LazyLock::new(Locks::default);

/// The lock of one product. It exists while a task holds it or waits for it.
#[derive(Debug, Default)]
struct ProductLock {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// The tasks that hold the lock or wait for it.
    users: usize,
}

/// A handle to a set of locks; its clones share the same locks.
#[derive(Clone, Debug)]
pub struct ProcessLocks(Locks);

/// The lock of a product, held until this guard is dropped.
#[derive(Debug)]
pub struct ProcessLockGuard {
    // Dropped first: the lock is free before its entry is removed.
    _held: OwnedMutexGuard<()>,
    _user: LockUser,
}

/// Counts one user of a lock. The entry of a lock is removed with its last user.
#[derive(Debug)]
struct LockUser {
    locks: ProcessLocks,
    product_id: i64,
}

impl Drop for LockUser {
    fn drop(&mut self) {
        let mut locks = self.locks.entries();
        if let Some(entry) = locks.get_mut(&self.product_id) {
            entry.users -= 1;
            if entry.users == 0 {
                locks.remove(&self.product_id);
            }
        }
    }
}

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
        let locks = self.entries();
        // One of the users holds the lock.
        locks
            .get(&product_id)
            .map_or(0, |entry| entry.users.saturating_sub(1))
    }

    /// Waits for the lock of a product.
    pub async fn lock(&self, product_id: i64) -> ProcessLockGuard {
        let (lock, user) = self.join(product_id);
        ProcessLockGuard {
            _held: lock.lock_owned().await,
            _user: user,
        }
    }

    fn join(&self, product_id: i64) -> (Arc<tokio::sync::Mutex<()>>, LockUser) {
        let mut locks = self.entries();
        let entry = locks.entry(product_id).or_default();
        entry.users += 1;
        let user = LockUser {
            locks: self.clone(),
            product_id,
        };
        (Arc::clone(&entry.lock), user)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<i64, ProductLock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_lock_is_forgotten_with_its_last_user() {
        let locks = ProcessLocks::separate();
        let held = locks.lock(1).await;
        let mut waiting = Box::pin(locks.lock(1));
        let mut leaving = Box::pin(locks.lock(1));
        assert!(waiting.as_mut().now_or_never().is_none(), "it is held");
        assert!(leaving.as_mut().now_or_never().is_none(), "it is held");
        assert_eq!(locks.waiting(1), 2);
        drop(leaving);
        assert_eq!(locks.waiting(1), 1);
        drop(held);
        let next = waiting.await;
        assert_eq!(locks.waiting(1), 0);
        drop(next);
        assert!(locks.entries().is_empty());
    }

    #[tokio::test]
    async fn a_waiter_who_leaves_last_leaves_nothing() {
        let locks = ProcessLocks::separate();
        let held = locks.lock(1).await;
        let mut waiting = Box::pin(locks.lock(1));
        assert!(waiting.as_mut().now_or_never().is_none(), "it is held");
        drop(held);
        assert_eq!(locks.entries().len(), 1);
        drop(waiting);
        assert!(locks.entries().is_empty());
    }
}
