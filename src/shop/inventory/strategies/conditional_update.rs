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
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        inventory::{
            Seam,
            counters::{self, Level, Shift},
            hold::{HoldStrategy, Wanted},
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

    fn holding(&self) -> Option<&dyn HoldStrategy> {
        Some(self)
    }
}

#[async_trait]
impl HoldStrategy for ConditionalUpdate {
    async fn hold(&self, work: &Work, seam: &Seam, wanted: &[Wanted]) -> Result<Vec<Level>, Abort> {
        seam.pass(work).await?;
        let mut levels = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            levels.push(hold_one(work, wanted).await?);
        }
        Ok(levels)
    }
}

async fn hold_one(work: &Work, wanted: &Wanted) -> Result<Level, Abort> {
    let shift = Shift::hold(wanted.more);
    if let Some(level) = counters::apply(work, wanted.product_id, shift).await? {
        return Ok(level);
    }
    // As in a purchase: what is refused is decided under a lock.
    let stock = locks::stock_row(work, wanted.product_id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    counters::apply(work, wanted.product_id, shift)
        .await?
        .ok_or_else(|| wanted.refusal(stock.available).into())
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.seam.pass(work).await?;
    if let Some(level) = counters::sell(work, sale.offer.id, sale.quantity).await? {
        return Ok(Some(level));
    }
    // The sentence names what is left, and units may have come back since the update: decide both under one lock.
    sale.take_under_lock(work, &Seam::Closed).await.map(Some)
}
