//! Forcing an interleaving: a gate in the seam, and waiting until the database says that somebody waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doorbuster::shop::inventory::Seam;
use tokio::sync::watch;

use super::{PATIENCE, TestProduct, TestShop, database::ByHand, within};

/// Holds every buyer who comes to the seam until it is opened.
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

    /// The seam in which this gate stands.
    pub fn seam(&self) -> Seam {
        let gate = self.clone();
        Seam::Hook(Arc::new(move || {
            let gate = gate.clone();
            Box::pin(async move {
                gate.arrived.send_modify(|count| *count += 1);
                let opened = gate.open.subscribe().wait_for(|open| *open).await.is_ok();
                assert!(opened, "the gate outlives its buyers");
            })
        }))
    }

    /// Returns once `count` buyers have come to the gate.
    #[track_caller]
    pub fn arrivals(&self, count: usize) -> impl Future<Output = ()> + use<> {
        let mut arrived = self.arrived.subscribe();
        within(PATIENCE, "buyers at the gate", async move {
            let come = arrived.wait_for(|arrived| *arrived >= count).await.is_ok();
            assert!(come, "the gate outlives its buyers");
        })
    }

    /// Buyers who have come so far.
    pub fn count(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Lets all pass, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

/// Returns once `count` connections of this database wait for a lock that another holds.
pub async fn wait_until_blocked(by_hand: &ByHand, count: i64) {
    wait_until(
        by_hand,
        count,
        "are blocked",
        "cardinality(pg_blocking_pids(pid)) > 0",
    )
    .await;
}

/// Returns once at least `count` other connections of this database are as `condition`, on `pg_stat_activity`, says.
pub async fn wait_until(by_hand: &ByHand, count: i64, what: &str, condition: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    );
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now: i64 = by_hand.value(&sql).await;
        if now >= count {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{now} connections, not {count}, {what} after {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Somebody who stands at a product's stock, wherever that is stored, and keeps everybody else from it.
pub struct Rival(ByHand);

impl Rival {
    pub async fn at(shop: &TestShop, product: &TestProduct) -> Self {
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

    /// Goes away, having done nothing.
    pub async fn leave(self) {
        self.0.run("COMMIT").await;
    }
}
