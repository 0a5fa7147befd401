//! `process-mutex`: a lock in the server's memory around read, compare and write. **Unsafe with
//! more than one server, on purpose.**
//!
//! # Guarantees
//! Within one process, and as long as every writer of this row takes the same lock, no unit is sold
//! twice: a purchase holds the lock until its transaction has ended, also if its buyer leaves
//! before. A second server process has its own lock, which is independent of the first. So it runs
//! only on private lanes, whose row has no stock constraints.
//!
//! # Cost under contention
//! The queue is in memory, where waiting costs nothing; but the lock is held for the whole
//! transaction, including its flush, like the row lock.
//!
//! # Fails as
//! Correct in every test on a laptop, and oversold on the day the second server starts.
//!
//! # Choose it when
//! The data that it guards lives in the same process: a cache, a file, a connection. Never for data
//! in a database.

use std::time::Instant;

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest,
            counters::{self, Level},
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct ProcessMutex;

#[async_trait]
impl PurchaseStrategy for ProcessMutex {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        // Taken before a connection: otherwise the waiting buyers would occupy the connections that
        // the holder of the lock needs.
        let queued = Instant::now();
        let guard = shop.shared.process_locks.lock(request.product_id).await;
        let queue_wait = queued.elapsed();
        let strategy = StrategyKey::ProcessMutex;
        let sold =
            purchase_transaction::run_holding(shop, strategy, request, guard, |work, sale| {
                Box::pin(take(work, sale))
            });
        let mut outcome = sold.await;
        outcome.split.queue_wait += queue_wait;
        outcome
    }

    fn queue_length(&self, shop: &Shop, product_id: i64) -> Option<u64> {
        Some(shop.shared.process_locks.waiting(product_id) as u64)
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read_and_compare(work).await?;
    sale.injection_point.run(work).await?;
    let (available, sold) = (read.available - sale.units(), read.sold + sale.units());
    counters::overwrite(work, &read, available, sold)
        .await
        .map(Some)
        .map_err(Abort::from)
}
