//! `advisory-lock`: waits for a lock named after the product, then updates conditionally.
//!
//! # Guarantees
//! The same as `conditional-update`, whose condition decides. The advisory lock only orders the
//! transactions that ask for it. A transaction that does not ask (a hold, a refund, another
//! strategy) is still checked by the condition.
//!
//! # Cost under contention
//! One round trip more than `conditional-update`. Buyers queue for the advisory lock, not for the
//! row: no tuple is locked while they wait, no row version is read again after each wait, and
//! buyers of other products do not wait.
//!
//! # Fails as
//! A lock timeout (SQLSTATE 55P03), which is retried. As the only guard it fails silently as soon
//! as one code path does not take it.
//!
//! # Choose it when
//! The work to serialize has no row of its own: a call to another system, a computation over many
//! rows, the first insert of its kind.

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
            InjectionPoint, PurchaseRequest,
            counters::{self, Level},
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct AdvisoryLock;

#[async_trait]
impl PurchaseStrategy for AdvisoryLock {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::AdvisoryLock, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    locks::advisory_of_product(work, sale.offer.id).await?;
    sale.injection_point.run(work).await?;
    if let Some(level) = counters::sell(work, sale.offer.id, sale.quantity).await? {
        return Ok(Some(level));
    }
    sale.take_under_lock(work, &InjectionPoint::Disabled)
        .await
        .map(Some)
}
