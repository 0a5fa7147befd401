//! `optimistic`: reads the row and its version without a lock, writes only if the version is
//! unchanged, and retries otherwise.
//!
//! # Guarantees
//! Every write to the row increments its version, so a write that is based on an outdated read
//! changes nothing. After too many conflicts a buyer falls back to the row lock; a refusal is
//! checked again under it.
//!
//! # Cost under contention
//! No buyer waits to read, but all except one have read in vain: of n concurrent buyers, n − 1
//! repeat all their work. The backoff doubles with each attempt and is jittered, because otherwise
//! the same buyers would collide again.
//!
//! # Fails as
//! Zero affected rows: a conflict, not an error. A program that does not check the number has the
//! lost update again.
//!
//! # Choose it when
//! Conflicts are rare, reads are long (a form that a person edits for minutes), and no lock may be
//! held that long.

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
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
pub struct Optimistic;

#[async_trait]
impl PurchaseStrategy for Optimistic {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::Optimistic, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read(work).await?;
    sale.injection_point.run(work).await?;
    if !sale.has_enough(&read)? {
        return sale
            .take_under_lock(work, &InjectionPoint::Disabled)
            .await
            .map(Some);
    }
    let level = counters::sell_at_version(work, &read, sale.quantity).await?;
    // The transaction is rolled back and retried, because its other reads are just as old.
    level.map(Some).ok_or(Abort::Conflict)
}
