//! Helpers that force an interleaving: a gate at the injection point, and functions that wait until
//! the database reports blocked sessions.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doorbuster::shop::inventory::InjectionPoint;
use tokio::sync::watch;

use super::{
    PATIENCE, TestProduct, TestShop,
    database::ByHand,
    sessions::{self, Session},
    within,
};

/// Blocks every purchase at the injection point until the gate is opened.
#[derive(Clone)]
pub struct Gate {
    arrived: Arc<watch::Sender<usize>>,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    pub fn closed() -> Self {
        Self {
            arrived: Arc::new(watch::Sender::new(0)),
            open: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Returns an injection point that waits at this gate.
    pub fn injection_point(&self) -> InjectionPoint {
        let gate = self.clone();
        InjectionPoint::Hook(Arc::new(move || {
            let gate = gate.clone();
            Box::pin(async move {
                gate.arrived.send_modify(|count| *count += 1);
                let opened = gate.open.subscribe().wait_for(|open| *open).await.is_ok();
                assert!(opened, "the gate outlives its buyers");
            })
        }))
    }

    /// Waits until `count` buyers have reached the gate.
    #[track_caller]
    pub fn arrivals(&self, count: usize) -> impl Future<Output = ()> + use<> {
        let mut arrived = self.arrived.subscribe();
        within(PATIENCE, "buyers at the gate", async move {
            let come = arrived.wait_for(|arrived| *arrived >= count).await.is_ok();
            assert!(come, "the gate outlives its buyers");
        })
    }

    /// Returns the number of buyers that have reached the gate.
    pub fn count(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Opens the gate for all current and later buyers.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

/// Waits until `count` connections of this database are blocked by a lock.
pub async fn wait_until_blocked(by_hand: &ByHand, count: i64) {
    let is_blocked = |session: &Session| session.is_blocked;
    sessions::wait_until(by_hand, "are blocked", is_blocked, |now| {
        i64::try_from(now).is_ok_and(|now| now >= count)
    })
    .await;
}

/// Waits until `sql` selects true.
pub async fn wait_until_true(by_hand: &ByHand, sql: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !by_hand.value::<bool>(sql).await {
        assert!(Instant::now() < deadline, "{sql}: false after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A transaction that locks the stock of a product, in every stock layout.
pub struct StockLock(ByHand);

impl StockLock {
    pub async fn acquire(shop: &TestShop, product: &TestProduct) -> Self {
        let by_hand = shop.database.by_hand().await;
        by_hand.run("BEGIN").await;
        for table in ["stock", "stock_bucket", "stock_unit"] {
            let lock = format!(
                "SELECT 1 FROM {table} WHERE product_id = {} FOR UPDATE",
                product.id
            );
            by_hand.run(&lock).await;
        }
        Self(by_hand)
    }

    /// Releases the lock without a change.
    pub async fn release(self) {
        self.0.run("COMMIT").await;
    }
}
