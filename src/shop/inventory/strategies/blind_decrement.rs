//! `blind-decrement`: read, compare in the application, then `available = available - n` unchecked. **Unsafe: an exhibit.**
//!
//! # Guarantees
//! No update is lost: the subtraction is relative. Nothing else: the comparison was made with a number of some time ago, so two buyers of
//! the last unit both pass it. It runs on private lanes only, whose constraints stand aside.
//!
//! # Cost under contention
//! That of `conditional-update`, which differs from it by one WHERE clause.
//!
//! # Fails as
//! A negative number in the stock column, on the morning after the sale.
//!
//! # Choose it when
//! You want to show what one missing condition costs.

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
pub struct BlindDecrement;

#[async_trait]
impl PurchaseStrategy for BlindDecrement {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(shop, StrategyKey::BlindDecrement, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.read_and_compare(work).await?;
    sale.seam.pass(work).await?;
    counters::subtract_unchecked(work, sale.offer.id, sale.quantity)
        .await
        .map_err(Abort::from)
}
