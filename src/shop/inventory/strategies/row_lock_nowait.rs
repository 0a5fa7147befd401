//! `row-lock-nowait`: `SELECT … FOR UPDATE NOWAIT`; a buyer who would have to wait fails at once
//! and retries after a random backoff.
//!
//! # Guarantees
//! The same as `row-lock`: the values read under the lock are still valid when they are written. A
//! buyer whose attempts all fail falls back to the waiting lock, so contention does not undersell;
//! a refusal is decided under the lock as well.
//!
//! # Cost under contention
//! There is no queue in the database, and so no order of arrival: each miss costs a whole
//! transaction with BEGIN and ROLLBACK. With 64 buyers most of the work is misses, and lucky buyers
//! overtake earlier ones.
//!
//! # Fails as
//! SQLSTATE 55P03 at once, where other strategies wait. It is retried with jittered backoff; NOWAIT
//! without retries sells nothing to most of a crowd while stock is available.
//!
//! # Choose it when
//! The caller has a better option than waiting: another warehouse, another seat, a page that says
//! "busy, one moment".

use async_trait::async_trait;

use crate::{
    db::{
        locks,
        txn::{Abort, Outcome, Work},
    },
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest, counters::Level, purchase_transaction, sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct RowLockNowait;

#[async_trait]
impl PurchaseStrategy for RowLockNowait {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::RowLockNowait, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let row = locks::stock_row_nowait(work, sale.offer.id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    sale.injection_point.run(work).await?;
    sale.take_from(work, &row).await.map(Some)
}
