//! `serializable`: read, compare, write, all under `SERIALIZABLE`; the database aborts what could not have happened one after the other.
//!
//! # Guarantees
//! Whatever commits looks as if buyers had come one by one, with no lock in the code at all: also rules over several rows hold,
//! which no single WHERE clause can express. Who is aborted too often falls back to the row lock.
//!
//! # Cost under contention
//! Readers take predicate locks, and a buyer who waited for the row learns after the wait that it was in vain: on a hot row most
//! attempts end in 40001 and are done again from the beginning.
//!
//! # Fails as
//! SQLSTATE 40001, in any statement or in COMMIT itself. A program has to be able to do the whole transaction again.
//!
//! # Choose it when
//! The rule spans rows or tables (at most two discounts a household), correctness matters more than speed, and contention is mild.

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            Seam,
            counters::Level,
            purchase::{self, PurchaseRequest, Sale},
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct Serializable;

#[async_trait]
impl PurchaseStrategy for Serializable {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(shop, StrategyKey::Serializable, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read(work).await?;
    sale.seam.pass(work).await?;
    // Of units that are on their way back the snapshot knows nothing: the lock waits for them, and then aborts with 40001.
    if !sale.fits(&read)? {
        return sale.take_under_lock(work, &Seam::Closed).await.map(Some);
    }
    sale.take_from(work, &read).await.map(Some)
}
