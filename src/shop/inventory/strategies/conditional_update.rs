//! `conditional-update`: `UPDATE … WHERE available >= n`; the number of affected rows decides.
//!
//! # Guarantees
//! Check and write are one statement. A buyer who waited for another's commit has the condition evaluated again on the new row, so
//! what was read can never be stale. Never oversold; never undersold, because a refusal is looked at once more under a lock.
//!
//! # Cost under contention
//! One round trip less than `row-lock`, and the row is locked for that much shorter; it is still locked across COMMIT's flush.
//!
//! # Fails as
//! Zero affected rows, which is no error by itself: a caller who does not look at the number sells nothing and believes it did.
//!
//! # Choose it when
//! The rule fits into one WHERE clause. There is no gap between read and write here: in the workbench the race window's pause
//! stands before the statement and changes nothing but the wait.

use async_trait::async_trait;

use crate::{
    db::{
        locks,
        txn::{Abort, Outcome, Work},
    },
    model::{Receipt, ShopError, StrategyKey, product::insufficient},
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
pub struct ConditionalUpdate;

#[async_trait]
impl PurchaseStrategy for ConditionalUpdate {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(
            shop,
            StrategyKey::ConditionalUpdate,
            request,
            |work, sale| Box::pin(take(work, sale)),
        )
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Level, Abort> {
    sale.seam.pass().await;
    if let Some(level) = counters::sell(work, sale.offer.id, sale.quantity).await? {
        return Ok(level);
    }
    // The sentence names what is left, and units may have come back since the update: decide both under one lock.
    let stock = locks::stock_row(work, sale.offer.id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    counters::sell(work, sale.offer.id, sale.quantity)
        .await?
        .ok_or_else(|| insufficient(&sale.offer.name, stock.available, sale.quantity).into())
}
