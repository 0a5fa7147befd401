//! `skip-locked-units`: one row for each unit; each buyer takes rows that no other buyer has
//! locked, with `FOR UPDATE SKIP LOCKED`.
//!
//! # Guarantees
//! A unit is a row, and only one buyer can lock a row. Buyers do not meet until the last units. A
//! buyer who finds too few looks again and waits for the locked rows, in unit order, so that a
//! rollback does not undersell and two buyers do not deadlock.
//!
//! # Cost under contention
//! Almost none, and no hot row: the flush of one buyer's commit delays no other buyer. The price is
//! rows: a stock of a million is a million rows, a quantity of ten is ten updates, and the
//! remaining units have to be counted.
//!
//! # Fails as
//! Rows are skipped although their transaction is about to roll back: a refusal based on skipped
//! rows undersells. The second look prevents this.
//!
//! # Choose it when
//! Units are individual anyway: seats, rooms, serial numbers, jobs of a queue.

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
            PurchaseRequest,
            counters::{self, Level},
            purchase_transaction,
            sale::Sale,
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
        let first = purchase_transaction::run(shop, strategy, request.clone(), |work, sale| {
            Box::pin(sell_unlocked_units(work, sale))
        });
        let first = first.await;
        if !matches!(
            first.result,
            Err(TxnError::Refused(ShopError::InsufficientStock { .. }))
        ) {
            return first;
        }
        // In its own transaction, which holds no lock when it begins to wait.
        let second = purchase_transaction::run(shop, strategy, request, |work, sale| {
            Box::pin(sell_after_waiting(work, sale))
        });
        second.await.with_cost_of(&first)
    }
}

async fn sell_unlocked_units(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.injection_point.run(work).await?;
    let requested = sale.quantity.get();
    let unlocked = locks::unlocked_units(work, sale.offer.id, requested.into()).await?;
    if unlocked.len() < requested as usize {
        return Err(insufficient(&sale.offer.name, 0, sale.quantity).into());
    }
    sell(work, sale, unlocked).await
}

async fn sell_after_waiting(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    check_layout(work, sale).await?;
    let mut unsold = locks::unsold_units(work, sale.offer.id).await?;
    let requested = sale.quantity.get() as usize;
    if unsold.len() < requested {
        let available = i64::try_from(unsold.len()).unwrap_or(i64::MAX);
        return Err(sale.refuse(available, NO_VERSION));
    }
    unsold.truncate(requested);
    sell(work, sale, unsold).await
}

/// Units have no common version.
const NO_VERSION: i64 = 0;

async fn check_layout(work: &Work, sale: &Sale) -> Result<(), Abort> {
    let row = counters::read(work, sale.offer.id).await?;
    match row {
        Some(row) if row.layout == StockLayout::Units.as_str() => Ok(()),
        _ => Err(ShopError::StrategyLaneOnly(sale.strategy.to_string()).into()),
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
