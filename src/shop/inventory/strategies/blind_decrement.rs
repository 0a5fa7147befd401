//! `blind-decrement`: reads, compares in the application, then runs `available = available - n`
//! without a condition. **Unsafe on purpose.**
//!
//! # Guarantees
//! No update is lost, because the subtraction is relative. Nothing else: the comparison used an
//! older value, so two buyers of the last unit both pass it. It runs only on private lanes, whose
//! row has no stock constraints.
//!
//! # Cost under contention
//! The same as `conditional-update`, from which it differs by one WHERE clause.
//!
//! # Fails as
//! A negative number in the stock column, found the morning after the sale.
//!
//! # Choose it when
//! You want to show the cost of one missing condition.

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
pub struct BlindDecrement;

#[async_trait]
impl PurchaseStrategy for BlindDecrement {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::BlindDecrement, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.read_and_compare(work).await?;
    sale.injection_point.run(work).await?;
    counters::subtract_unchecked(work, sale.offer.id, sale.quantity)
        .await
        .map_err(Abort::from)
}
