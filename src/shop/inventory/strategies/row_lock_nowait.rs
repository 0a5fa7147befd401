//! `row-lock-nowait`: `SELECT … FOR UPDATE NOWAIT`; who would have to wait leaves, and comes back after a random pause.
//!
//! # Guarantees
//! Those of `row-lock`: what was read under the lock is still so when it is written. A buyer who never got a turn falls back to
//! the waiting lock, so contention does not undersell; a refusal is decided under the lock as well.
//!
//! # Cost under contention
//! No queue in the database, and so no order of arrival: each miss costs a whole transaction, begun and rolled back. With 64
//! buyers most of the work is misses, and the lucky overtake those who came first.
//!
//! # Fails as
//! SQLSTATE 55P03 at once, where others wait. It is retried with jittered backoff; a bare NOWAIT without retries sells nothing to most
//! of a crowd while the shelf is full.
//!
//! # Choose it when
//! The caller has something better to do than to wait: another warehouse, another seat, a page that says "busy, one moment".

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
            counters::Level,
            purchase::{self, PurchaseRequest, Sale},
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct RowLockNowait;

#[async_trait]
impl PurchaseStrategy for RowLockNowait {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(shop, StrategyKey::RowLockNowait, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let row = locks::stock_row_nowait(work, sale.offer.id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    sale.seam.pass(work).await?;
    sale.take_from(work, &row).await.map(Some)
}
