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
    let stock = counters::read(work, sale.offer.id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    if !stock.unguarded {
        return Err(ShopError::StrategyUnsafeHere(StrategyKey::Unguarded.to_string()).into());
    }
    let wanted = sale.units();
    if stock.available < wanted {
        return Err(insufficient(&sale.offer.name, stock.available, sale.quantity).into());
    }
    sale.seam.pass(work).await?;
    counters::overwrite(work, &stock, stock.available - wanted, stock.sold + wanted).await?;
    Ok(Some(Level {
        available: stock.available - wanted,
        version: stock.version + 1,
    }))
}
