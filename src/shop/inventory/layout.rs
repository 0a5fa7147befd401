//! Creates the stock of a new product: in one row, or in the layout that a lane's strategy needs.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DbErr, EntityTrait,
};

use crate::{
    db::{
        dialect,
        entity::{stock, stock_bucket, stock_unit},
        txn::{Abort, Work},
    },
    model::{StockLayout, StrategyKey},
    shop::ledger::{self, Movement, MovementKind},
};

/// The number of rows over which `buckets` splits a stock.
pub const BUCKETS: i32 = 8;

/// Copies the units 1 to `$3` of the product `$1`, with numbers that are greater by `$2`. The
/// primary key finds them.
const COPY_UNITS: &str = "INSERT INTO stock_unit (product_id, unit) \
    SELECT product_id, unit + $2 FROM stock_unit WHERE product_id = $1 AND unit <= $3";

/// Inserts the stock of a lane's new product and the movement that receives its `units`. The row of
/// an unsafe strategy is unguarded.
pub async fn lay_out(
    work: &Work,
    product_id: i64,
    units: i64,
    strategy: StrategyKey,
) -> Result<(), Abort> {
    let layout = strategy.row().layout;
    let in_row = if layout == StockLayout::Row { units } else { 0 };
    let row = stock::ActiveModel {
        available: Set(in_row),
        unguarded: Set(!strategy.is_safe()),
        layout: Set(layout.as_str().to_owned()),
        ..stock_row(product_id, units)
    };
    stock::Entity::insert(row)
        .exec_without_returning(work.connection())
        .await?;
    match layout {
        StockLayout::Row => {}
        StockLayout::Buckets => insert_bucket_rows(work, product_id, units).await?,
        StockLayout::Units => insert_unit_rows(work, product_id, units).await?,
    }
    Ok(append_received(work, &[(product_id, units)]).await?)
}

/// Inserts the stock rows of new products of the shop, given by their ids and units, and the
/// movements that receive the units.
pub async fn insert_rows(work: &Work, stocks: &[(i64, i64)]) -> Result<(), DbErr> {
    let rows = stocks.iter().map(|(id, units)| stock_row(*id, *units));
    stock::Entity::insert_many(rows)
        .exec_without_returning(work.connection())
        .await?;
    append_received(work, stocks).await
}

/// Returns the stock row of a product before its first sale.
fn stock_row(product_id: i64, units: i64) -> stock::ActiveModel {
    stock::ActiveModel {
        product_id: Set(product_id),
        total: Set(units),
        available: Set(units),
        reserved: Set(0),
        sold: Set(0),
        version: Set(0),
        unguarded: Set(false),
        layout: NotSet,
        fence: NotSet,
    }
}

/// Appends a movement for each product that has received units.
async fn append_received(work: &Work, stocks: &[(i64, i64)]) -> Result<(), DbErr> {
    let received = stocks.iter().filter(|(_, units)| *units > 0);
    let received = received.map(|(id, units)| Movement::of(*id, MovementKind::Receive, *units));
    ledger::append(work, &received.collect::<Vec<_>>()).await
}

/// Splits the units as evenly as possible: the first buckets hold one more.
async fn insert_bucket_rows(work: &Work, product_id: i64, units: i64) -> Result<(), Abort> {
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

/// Inserts the first unit, and then as many units as there are already, until there are all: a
/// million rows take twenty statements.
async fn insert_unit_rows(work: &Work, product_id: i64, units: i64) -> Result<(), Abort> {
    if units < 1 {
        return Ok(());
    }
    let first = stock_unit::ActiveModel {
        product_id: Set(product_id),
        unit: Set(1),
        sold: NotSet,
    };
    stock_unit::Entity::insert(first)
        .exec_without_returning(work.connection())
        .await?;
    let mut inserted: i64 = 1;
    while inserted < units {
        let more = inserted.min(units - inserted);
        let values = [product_id.into(), inserted.into(), more.into()];
        work.connection()
            .execute_raw(dialect::statement(COPY_UNITS, values))
            .await?;
        inserted += more;
    }
    Ok(())
}
