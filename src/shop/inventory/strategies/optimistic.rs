//! `optimistic`: read the row and its version without a lock, write only if the version is still the same, try again if not.
//!
//! # Guarantees
//! Every write to the row bumps its version, so a write that rests on an outdated reading changes nothing. Who loses too often
//! falls back to the row lock; who would be refused looks once more under it.
//!
//! # Cost under contention
//! Nobody waits to read, and everybody but one has read in vain: of n buyers at once, n − 1 do all their work again. Pauses double with each
//! attempt and are jittered, or the same crowd would collide again in step.
//!
//! # Fails as
//! Zero affected rows: a conflict, not an error. A program that forgets to look at the number has the lost update back.
//!
//! # Choose it when
//! Conflicts are rare, readings are long (a form that somebody edits for minutes), and no lock may be held that long.

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
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
pub struct Optimistic;

#[async_trait]
impl PurchaseStrategy for Optimistic {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(shop, StrategyKey::Optimistic, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read(work).await?;
    sale.seam.pass(work).await?;
    if !sale.fits(&read)? {
        return sale.take_under_lock(work, &Seam::Closed).await.map(Some);
    }
    let level = counters::sell_at_version(work, &read, sale.quantity).await?;
    // Rolled back and begun anew: what else was read in this transaction is as old.
    level.map(Some).ok_or(Abort::Conflict)
}
