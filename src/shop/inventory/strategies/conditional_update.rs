//! `conditional-update`: `UPDATE … WHERE available >= n`; the number of affected rows decides.
//!
//! # Guarantees
//! Check and write are one statement. When a buyer has waited for another commit, PostgreSQL
//! evaluates the condition again on the new row version, so the check never uses a stale value.
//! Never oversold; never undersold, because every refusal is checked again under a lock.
//!
//! # Cost under contention
//! One round trip less than `row-lock`, and the row is locked for a shorter time. It stays locked
//! until the flush of COMMIT ends.
//!
//! # Fails as
//! Zero affected rows, which is not an error by itself: a caller that does not check the number
//! sells nothing and reports success.
//!
//! # Choose it when
//! The rule fits into one WHERE clause. There is no gap between read and write: in the workbench,
//! the pause of the race window runs before the statement and only adds waiting time.

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
            InjectionPoint, PurchaseRequest,
            counters::{self, CounterDelta, Level},
            hold::{HoldRequest, HoldStrategy},
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct ConditionalUpdate;

#[async_trait]
impl PurchaseStrategy for ConditionalUpdate {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(
            shop,
            StrategyKey::ConditionalUpdate,
            request,
            |work, sale| Box::pin(take(work, sale)),
        )
        .await
    }

    fn holding(&self) -> Option<&dyn HoldStrategy> {
        Some(self)
    }
}

#[async_trait]
impl HoldStrategy for ConditionalUpdate {
    async fn hold(
        &self,
        _: &Shop,
        work: &Work,
        injection_point: &InjectionPoint,
        requests: &[HoldRequest],
    ) -> Result<Vec<Level>, Abort> {
        injection_point.run(work).await?;
        let mut levels = Vec::with_capacity(requests.len());
        for request in requests {
            levels.push(hold_one(work, request).await?);
        }
        Ok(levels)
    }
}

async fn hold_one(work: &Work, request: &HoldRequest) -> Result<Level, Abort> {
    let delta = CounterDelta::hold(request.more);
    if let Some(level) = counters::apply(work, request.product_id, delta).await? {
        return Ok(level);
    }
    // As in a purchase: a refusal is decided under a lock.
    let stock = locks::stock_row(work, request.product_id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    counters::apply(work, request.product_id, delta)
        .await?
        .ok_or_else(|| request.refusal(stock.available).into())
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.injection_point.run(work).await?;
    if let Some(level) = counters::sell(work, sale.offer.id, sale.quantity).await? {
        return Ok(Some(level));
    }
    // The message names the remaining units, and units may have been released since the update: one
    // lock decides both.
    sale.take_under_lock(work, &InjectionPoint::Disabled)
        .await
        .map(Some)
}
