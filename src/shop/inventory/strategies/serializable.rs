//! `serializable`: read, compare and write under `SERIALIZABLE`; PostgreSQL aborts a transaction
//! whose result no serial order could produce.
//!
//! # Guarantees
//! The committed transactions have the same effect as buyers served one after the other, without
//! any lock in the code. Rules over several rows hold too, which no single WHERE clause can
//! express. After too many aborts a buyer falls back to the row lock.
//!
//! # Cost under contention
//! Readers take predicate locks, and a buyer who waited for the row finds only afterwards that the
//! wait was in vain: on a hot row most attempts end with 40001 and start again.
//!
//! # Fails as
//! SQLSTATE 40001, in any statement or in COMMIT itself. The program must be able to run the whole
//! transaction again.
//!
//! # Choose it when
//! The rule spans rows or tables (at most two discounts for each household), correctness matters
//! more than speed, and contention is low.

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            InjectionPoint, PurchaseRequest, counters::Level, purchase_transaction, sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct Serializable;

#[async_trait]
impl PurchaseStrategy for Serializable {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::Serializable, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read(work).await?;
    sale.injection_point.run(work).await?;
    // The snapshot does not see units that another transaction is releasing: the lock waits for
    // them, then aborts with 40001.
    if !sale.has_enough(&read)? {
        return sale
            .take_under_lock(work, &InjectionPoint::Disabled)
            .await
            .map(Some);
    }
    sale.take_from(work, &read).await.map(Some)
}
