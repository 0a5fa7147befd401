//! `row-lock`: `SELECT … FOR UPDATE`, check, update.
//!
//! # Guarantees
//! The row is read under the lock that its update needs, so no other transaction can change it
//! between read and write. Never oversold, never undersold: a refusal is decided under the lock
//! too.
//!
//! # Cost under contention
//! Buyers of one product pass one at a time, from the lock to the end of the flush of COMMIT. The
//! throughput is one divided by that time, however many buyers there are.
//!
//! # Fails as
//! A queue: latency grows with the number of buyers. After the lock timeout, buyers get "the shop
//! is busy".
//!
//! # Choose it when
//! The check needs more than one value, or several rows must be changed together: lock them in id
//! order, then decide.

use std::time::{Duration, Instant};

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
pub struct RowLock;

#[async_trait]
impl PurchaseStrategy for RowLock {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        purchase_transaction::run(shop, StrategyKey::RowLock, request, |work, sale| {
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
    async fn hold(
        &self,
        _: &Shop,
        work: &Work,
        injection_point: &InjectionPoint,
        requests: &[HoldRequest],
    ) -> Result<Vec<Level>, Abort> {
        let ids: Vec<i64> = requests.iter().map(|request| request.product_id).collect();
        let rows = locks::stock_rows(work, &ids).await?;
        injection_point.run(work).await?;
        let mut levels = Vec::with_capacity(requests.len());
        for request in requests {
            let row = rows
                .iter()
                .find(|row| row.product_id == request.product_id)
                .ok_or(ShopError::UnknownProduct)?;
            if row.available < request.more {
                return Err(request.refusal(row.available).into());
            }
            let level =
                counters::apply(work, request.product_id, CounterDelta::hold(request.more)).await?;
            levels.push(level.ok_or_else(|| request.refusal(row.available))?);
        }
        Ok(levels)
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.take_under_lock(work, &sale.injection_point)
        .await
        .map(Some)
}

/// Runs the purchase with the row lock after an attempt that sold nothing, and adds up the cost of
/// both. A strategy also uses this to find out why it sold nothing: here the rules are checked one
/// by one, and stock is refused under a waiting lock.
pub async fn fall_back<T>(
    shop: &Shop,
    request: PurchaseRequest,
    earlier: &Outcome<T>,
    start: Instant,
) -> Outcome<Receipt> {
    let shop = for_fallback(shop, start).with_injection_point(InjectionPoint::Disabled);
    RowLock.purchase(&shop, request).await.with_cost_of(earlier)
}

/// Returns the shop with the time that a first attempt, which began at `start`, has left.
pub(super) fn for_fallback(shop: &Shop, start: Instant) -> Shop {
    let remaining = shop.deadline.saturating_sub(start.elapsed());
    shop.clone().with_deadline(remaining.max(FALLBACK_TIME_MIN))
}

/// The least time that the fallback gets, however long the first attempt took.
const FALLBACK_TIME_MIN: Duration = Duration::from_millis(250);
