//! `unguarded`: read, compare in the application, write the new value. **Unsafe: an exhibit.**
//!
//! # Guarantees
//! None. Two buyers who read the same number both write that number less their own: one of the two sales vanishes from the counter and
//! not from the orders. It runs on private lanes only, whose constraints stand aside.
//!
//! # Cost under contention
//! The fastest of all until somebody counts. Every lost update is an order that stock does not cover.
//!
//! # Fails as
//! Silence. No statement fails; the counter even stays above zero. Only the order lines tell.
//!
//! # Choose it when
//! You want to show somebody why the others exist.

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
pub struct Unguarded;

#[async_trait]
impl PurchaseStrategy for Unguarded {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(shop, StrategyKey::Unguarded, request, |work, sale| {
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
