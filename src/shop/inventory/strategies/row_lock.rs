//! `row-lock`: `SELECT … FOR UPDATE`, check, update.
//!
//! # Guarantees
//! The row is read under the lock that its update needs, so nobody can change what was read before it is written. Never oversold,
//! never undersold: a refusal is decided under the lock too.
//!
//! # Cost under contention
//! Buyers of one product pass one at a time, from the lock to the end of COMMIT's flush to disk. Throughput is one over that time,
//! however many buyers there are.
//!
//! # Fails as
//! A queue: latency grows with the number of buyers; past the lock timeout they are told that the shop is busy.
//!
//! # Choose it when
//! The check needs more than one number, or several rows must be taken together: lock them in id order and decide in peace.

use async_trait::async_trait;

use crate::{
    db::{
        locks,
        txn::{Abort, Outcome, Work},
    },
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        inventory::{
            Seam,
            counters::{self, Level, Shift},
            hold::{HoldStrategy, Wanted},
            purchase::{self, PurchaseRequest, Sale},
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct RowLock;

#[async_trait]
impl PurchaseStrategy for RowLock {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase::in_one_transaction(shop, StrategyKey::RowLock, request, |work, sale| {
            Box::pin(take(work, sale))
        })
        .await
    }

    fn holding(&self) -> Option<&dyn HoldStrategy> {
        Some(self)
    }
}

#[async_trait]
impl HoldStrategy for RowLock {
    async fn hold(&self, work: &Work, seam: &Seam, wanted: &[Wanted]) -> Result<Vec<Level>, Abort> {
        let ids: Vec<i64> = wanted.iter().map(|wanted| wanted.product_id).collect();
        let rows = locks::stock_rows(work, &ids).await?;
        seam.pass(work).await?;
        let mut levels = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let row = rows
                .iter()
                .find(|row| row.product_id == wanted.product_id)
                .ok_or(ShopError::UnknownProduct)?;
            if row.available < wanted.more {
                return Err(wanted.refusal(row.available).into());
            }
            let level = counters::apply(work, wanted.product_id, Shift::hold(wanted.more)).await?;
            levels.push(level.ok_or_else(|| wanted.refusal(row.available))?);
        }
        Ok(levels)
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.take_under_lock(work, &sale.seam).await.map(Some)
}
