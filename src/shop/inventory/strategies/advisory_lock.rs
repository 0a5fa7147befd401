//! `advisory-lock`: queue for a lock that is named after the product, then update conditionally.
//!
//! # Guarantees
//! Those of `conditional-update`, which decides. The advisory lock only orders those who ask for it; whoever does not (a hold, a
//! refund, another strategy) is kept out by the condition.
//!
//! # Cost under contention
//! One round trip more than `conditional-update`, but the queue stands in front of the row instead of at it: no tuple is locked, no row
//! version is read again after each wait, and buyers of other products in the same transaction are not held up.
//!
//! # Fails as
//! A lock timeout (55P03), which is retried. As the only guard it fails silently, as soon as one place in the code forgets to ask for it.
//!
//! # Choose it when
//! What has to be serialized is no row: a call to another system, a computation over many rows, the first insert of its kind.

use async_trait::async_trait;

use crate::{
    db::{
        locks,
        txn::{Abort, Outcome, Work},
    },
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            Seam,
            counters::{self, Level},
            purchase::{self, PurchaseRequest, Sale},
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct AdvisoryLock;

#[async_trait]
impl PurchaseStrategy for AdvisoryLock {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(shop, StrategyKey::AdvisoryLock, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    locks::advisory_of_product(work, sale.offer.id).await?;
    sale.seam.pass(work).await?;
    if let Some(level) = counters::sell(work, sale.offer.id, sale.quantity).await? {
        return Ok(Some(level));
    }
    sale.take_under_lock(work, &Seam::Closed).await.map(Some)
}
