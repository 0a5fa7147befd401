//! `process-mutex`: a lock in the server's memory, around read, compare and write. **Unsafe on more than one server: an exhibit.**
//!
//! # Guarantees
//! In one process, and as long as all who write this row ask for the same lock, none is sold twice. A second server has a lock of its
//! own, which knows nothing of the first. So it runs on private lanes only, whose constraints stand aside.
//!
//! # Cost under contention
//! The queue stands in memory, where waiting costs nothing; but it is held over the whole transaction, flush included, as the row lock is.
//!
//! # Fails as
//! Perfect in every test on a laptop, and oversold on the day on which the second server starts.
//!
//! # Choose it when
//! What it guards lives in this process too: a cache, a file, a connection. Never for what a database holds.

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            counters::{self, Level},
            purchase::{self, PurchaseRequest, Sale},
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct ProcessMutex;

#[async_trait]
impl PurchaseStrategy for ProcessMutex {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        // Before a connection is taken, or those who wait would keep from the pool what the holder needs.
        let _guard = shop.shared.process_locks.lock(request.product_id).await;
        purchase::in_one_transaction(shop, StrategyKey::ProcessMutex, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read_and_compare(work).await?;
    sale.seam.pass(work).await?;
    let (available, sold) = (read.available - sale.units(), read.sold + sale.units());
    counters::overwrite(work, &read, available, sold)
        .await
        .map(Some)
        .map_err(Abort::from)
}
