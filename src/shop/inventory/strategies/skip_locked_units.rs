//! `skip-locked-units`: one row for each unit; each buyer takes rows that nobody else is taking, with `FOR UPDATE SKIP LOCKED`.
//!
//! # Guarantees
//! A unit is a row, and a row is locked by one buyer. Buyers do not meet until the last units; who then finds too few looks once
//! more, this time waiting for the rows that others hold, in the order of the units, so that neither a rollback undersells nor two buyers
//! wait for each other.
//!
//! # Cost under contention
//! Next to none, and no hot row: the flush of one buyer's commit holds nobody up. The price is paid in rows: a stock of a million is a
//! million rows, a quantity of ten is ten updates, and what is left has to be counted.
//!
//! # Fails as
//! Skipping what is only about to be rolled back: whoever refuses on what it skipped undersells. Hence the second look.
//!
//! # Choose it when
//! Units are individuals anyway: seats, rooms, serial numbers, jobs of a queue.

use async_trait::async_trait;
use sea_orm::ConnectionTrait;

use crate::{
    db::{
        dialect, locks,
        txn::{Abort, Outcome, TxnError, Work},
    },
    model::{Receipt, ShopError, StockLayout, StrategyKey, product::insufficient},
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
pub struct SkipLockedUnits;

#[async_trait]
impl PurchaseStrategy for SkipLockedUnits {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::SkipLockedUnits;
        let quick = purchase::in_one_transaction(shop, strategy, request.clone(), |work, sale| {
            Box::pin(take_free(work, sale))
        });
        let quick = quick.await;
        if !matches!(
            quick.result,
            Err(TxnError::Refused(ShopError::InsufficientStock { .. }))
        ) {
            return quick;
        }
        // A transaction of its own, which holds nothing when it begins to wait.
        let patient = purchase::in_one_transaction(shop, strategy, request, |work, sale| {
            Box::pin(take_left(work, sale))
        });
        patient.await.after(&quick)
    }
}

async fn take_free(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.seam.pass(work).await?;
    let wanted = sale.quantity.get();
    let free = locks::free_units(work, sale.offer.id, wanted.into()).await?;
    if free.len() < wanted as usize {
        return Err(insufficient(&sale.offer.name, 0, sale.quantity).into());
    }
    sell(work, sale, free).await
}

async fn take_left(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    check_layout(work, sale).await?;
    let mut left = locks::units_left(work, sale.offer.id).await?;
    let wanted = sale.quantity.get() as usize;
    if left.len() < wanted {
        let available = i64::try_from(left.len()).unwrap_or(i64::MAX);
        return Err(sale.refuse(available, NO_VERSION));
    }
    left.truncate(wanted);
    sell(work, sale, left).await
}

/// Units have no version in common.
const NO_VERSION: i64 = 0;

async fn check_layout(work: &Work, sale: &Sale) -> Result<(), Abort> {
    let row = counters::read(work, sale.offer.id).await?;
    match row {
        Some(row) if row.layout == StockLayout::Units.as_str() => Ok(()),
        _ => Err(ShopError::StrategyOfOtherLane(sale.strategy.to_string()).into()),
    }
}

async fn sell(work: &Work, sale: &Sale, units: Vec<i32>) -> Result<Option<Level>, Abort> {
    let sql = "UPDATE stock_unit SET sold = true WHERE product_id = $1 AND unit = ANY($2)";
    let values = [sale.offer.id.into(), units.into()];
    work.connection()
        .execute_raw(dialect::statement(sql, values))
        .await?;
    Ok(None)
}
