//! The lock of a product in Redis: a lease with a fencing token. A lease can run out while its
//! holder is paused, so the lock alone protects nothing: the stock row checks the token.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::RngExt;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    StockGate,
    scripts::{LOCK, UNLOCK},
};
use crate::{
    db::txn::TimeSplit, redis::Unavailable, shop::inventory::process_locks::ProcessLockGuard,
};

/// How long a holder has the lock, at most. A purchase takes a few milliseconds of it.
pub const LOCK_LEASE: Duration = Duration::from_secs(1);
/// How long the last token is kept after its last use. Losing one is safe, because the row stores
/// the token of its last sale; and strangers ask for the locks of products that do not exist.
const TOKEN_KEPT: Duration = Duration::from_secs(60);
/// The longest pause between two attempts to take it; the actual pause is a random part.
const POLL_MAX: Duration = Duration::from_millis(4);

/// The lock of a product, held until [`ProductLock::unlock`], until it is dropped, or until its
/// lease runs out.
#[derive(Debug)]
pub struct ProductLock {
    gate: StockGate,
    product_id: i64,
    holder: String,
    token: i64,
    /// The greatest token that was found in the row.
    found: Mutex<i64>,
    is_unlocked: AtomicBool,
    // The next buyer of this process asks Redis when this is dropped.
    _first_in_process: ProcessLockGuard,
}

impl StockGate {
    /// Waits for the lock of a product; `None` if it is not free within `wait_max`. Adds the time
    /// in which it waited for other buyers of this process, and for Redis, to `split`.
    pub async fn lock(
        &self,
        product_id: i64,
        wait_max: Duration,
        split: &mut TimeSplit,
    ) -> Result<Option<ProductLock>, Unavailable> {
        let start = Instant::now();
        let first = timeout(wait_max, self.0.waiting.lock(product_id)).await;
        let waited = start.elapsed();
        split.queue_wait += waited;
        let Ok(first) = first else {
            return Ok(None);
        };
        let taken = self.take_lock(product_id, first, start, wait_max).await;
        split.redis += start.elapsed().saturating_sub(waited);
        taken
    }

    async fn take_lock(
        &self,
        product_id: i64,
        first: ProcessLockGuard,
        start: Instant,
        wait_max: Duration,
    ) -> Result<Option<ProductLock>, Unavailable> {
        let keys = self.0.keys.of_lock(product_id);
        let holder = Uuid::new_v4().to_string();
        let arguments = [
            holder.clone(),
            LOCK_LEASE.as_millis().to_string(),
            TOKEN_KEPT.as_millis().to_string(),
        ];
        loop {
            let (is_taken, token): (i64, i64) = self.0.redis.run(&LOCK, &keys, &arguments).await?;
            if is_taken == 1 {
                return Ok(Some(ProductLock {
                    gate: self.clone(),
                    product_id,
                    holder,
                    token,
                    found: Mutex::new(0),
                    is_unlocked: AtomicBool::new(false),
                    _first_in_process: first,
                }));
            }
            if start.elapsed() >= wait_max {
                return Ok(None);
            }
            let pause = rand::rng().random_range(Duration::ZERO..=POLL_MAX);
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns how many buyers of this process wait for the lock of a product.
    pub fn waiting_for_lock(&self, product_id: i64) -> u64 {
        self.0.waiting.waiting(product_id) as u64
    }
}

impl ProductLock {
    /// The fencing token: greater than that of every earlier holder.
    pub fn token(&self) -> i64 {
        self.token
    }

    /// Notes the token of the row. If it is not smaller than this one, Redis has lost tokens, or a
    /// later holder was here; [`ProductLock::unlock`] makes the next token greater than both.
    pub fn found(&self, token: i64) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found = token.max(*found);
    }

    /// Releases the lock, unless its lease has run out.
    pub async fn unlock(&self) {
        if !self.is_unlocked.swap(true, Ordering::Relaxed) {
            self.release().run().await;
        }
    }

    fn release(&self) -> Release {
        Release {
            gate: self.gate.clone(),
            product_id: self.product_id,
            holder: self.holder.clone(),
            found: *self.found.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The buyer may have left, and their purchase may have ended only now.
impl Drop for ProductLock {
    fn drop(&mut self) {
        if !*self.is_unlocked.get_mut()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.release().run());
        }
    }
}

struct Release {
    gate: StockGate,
    product_id: i64,
    holder: String,
    found: i64,
}

impl Release {
    async fn run(self) {
        let parts = &self.gate.0;
        let arguments = [
            self.holder,
            self.found.to_string(),
            TOKEN_KEPT.as_millis().to_string(),
        ];
        let keys = parts.keys.of_lock(self.product_id);
        let released: Result<i64, Unavailable> = parts.redis.run(&UNLOCK, &keys, &arguments).await;
        if let Err(error) = released {
            tracing::debug!(%error, "could not release the lock of a product; it ends with its lease");
        }
    }
}
