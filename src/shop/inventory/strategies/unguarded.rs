//! `unguarded`: reads, compares in the application, writes the new value. **Unsafe on purpose.**
//!
//! # Guarantees
//! None. Two buyers who read the same number both write that number minus their own quantity: the
//! counter loses one of the two sales, the orders keep both. It runs only on private lanes, whose
//! row has no stock constraints.
//!
//! # Cost under contention
//! The fastest of all, until the orders are counted. Every lost update is an order that stock does
//! not cover.
//!
//! # Fails as
//! Silence. No statement fails, and the counter even stays above zero. Only the order lines show
//! the oversell.
//!
//! # Choose it when
//! You want to show why the other strategies exist.

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
pub struct Unguarded;

#[async_trait]
impl PurchaseStrategy for Unguarded {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::Unguarded, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read_and_compare(work).await?;
    sale.injection_point.run(work).await?;
    let (available, sold) = (read.available - sale.units(), read.sold + sale.units());
    counters::overwrite(work, &read, available, sold)
        .await
        .map(Some)
        .map_err(Abort::from)
}
