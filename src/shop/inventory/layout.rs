//! Laying out the stock of a new lane, as its strategy wants it.

use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};

use crate::{
    db::{
        dialect,
        entity::{stock, stock_bucket},
        txn::{Abort, Work},
    },
    model::{StockLayout, StrategyKey},
    shop::{
        ledger::{self, Movement, MovementKind},
        seed,
    },
};

/// Rows over which `buckets` splits a stock.
pub const BUCKETS: i32 = 8;

/// Writes the stock of a lane's new product, and that its `units` came in. A lane of an unsafe strategy is unguarded.
///
/// # Errors
/// What the database says.
pub async fn lay_out(
    work: &Work,
    product_id: i64,
    units: i64,
    strategy: StrategyKey,
) -> Result<(), Abort> {
    let layout = strategy.layout();
    let in_row = if layout == StockLayout::Row { units } else { 0 };
    let row = stock::ActiveModel {
        available: Set(in_row),
        unguarded: Set(!strategy.is_safe()),
        layout: Set(layout.as_str().to_owned()),
        ..seed::stock_row(product_id, units)
    };
    stock::Entity::insert(row)
        .exec_without_returning(work.connection())
        .await?;
    match layout {
        StockLayout::Row => {}
        StockLayout::Buckets => split_over_buckets(work, product_id, units).await?,
        StockLayout::Units => one_row_a_unit(work, product_id, units).await?,
    }
    if units > 0 {
        let received = Movement::of(product_id, MovementKind::Receive, units);
        ledger::append(work, &[received]).await?;
    }
    Ok(())
}

/// As evenly as it goes: the first buckets have one more.
async fn split_over_buckets(work: &Work, product_id: i64, units: i64) -> Result<(), Abort> {
    let buckets = (0..BUCKETS).map(|bucket| {
        let more = i64::from(i64::from(bucket) < units % i64::from(BUCKETS));
        let part = units / i64::from(BUCKETS) + more;
        stock_bucket::ActiveModel {
            product_id: Set(product_id),
            bucket: Set(bucket),
            total: Set(part),
            available: Set(part),
            sold: Set(0),
        }
    });
    stock_bucket::Entity::insert_many(buckets)
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
}

async fn one_row_a_unit(work: &Work, product_id: i64, units: i64) -> Result<(), Abort> {
    let sql =
        "INSERT INTO stock_unit (product_id, unit) SELECT $1, n FROM generate_series(1, $2) AS n";
    work.connection()
        .execute_raw(dialect::statement(sql, [product_id.into(), units.into()]))
        .await?;
    Ok(())
}
