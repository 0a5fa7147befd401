//! `buckets`: splits the stock over several rows; each buyer takes a row that no other buyer has
//! locked, and all rows only at the end.
//!
//! # Guarantees
//! Each bucket is guarded like a single stock row. A buyer who finds no unlocked bucket with enough
//! units locks all buckets in id order and takes the units from any of them. So no sellable unit is
//! left over, and a refusal is decided by the sum, under the locks.
//!
//! # Cost under contention
//! With k buckets, k buyers are served at once, each with their own row lock and their own flush.
//! Near the end, when buckets are empty, every buyer locks all of them and the advantage is gone.
//!
//! # Fails as
//! "Sold out" while units remain in other buckets, if the code does not look there: the classic
//! undersell of sharded counters.
//!
//! # Choose it when
//! One row is too hot, the database has processors to spare, and it is acceptable that the total
//! needs a sum.

use async_trait::async_trait;
use rand::RngExt;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::{
        entity::stock_bucket,
        locks,
        txn::{Abort, Outcome, TxnError, Work},
    },
    model::{Receipt, ShopError, StrategyKey, product::insufficient},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest, counters::Level, layout::BUCKETS, purchase_transaction, sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct Buckets;

#[async_trait]
impl PurchaseStrategy for Buckets {
    /// Tries three ways, each in its own transaction. A statement that had to re-check a changed
    /// row keeps it locked, even if the row no longer fits. A transaction that then waited for
    /// another bucket could deadlock with buyers who lock all buckets.
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::Buckets;
        let unlocked = purchase_transaction::run(shop, strategy, request.clone(), |work, sale| {
            Box::pin(sell_from_unlocked_bucket(work, sale))
        })
        .await;
        if !is_insufficient(&unlocked) {
            return unlocked;
        }
        let waited = purchase_transaction::run(shop, strategy, request.clone(), |work, sale| {
            Box::pin(wait_for_one_bucket(work, sale))
        })
        .await
        .with_cost_of(&unlocked);
        if !is_insufficient(&waited) {
            return waited;
        }
        purchase_transaction::run(shop, strategy, request, |work, sale| {
            Box::pin(sell_across_buckets(work, sale))
        })
        .await
        .with_cost_of(&waited)
    }
}

fn is_insufficient(outcome: &Outcome<Receipt>) -> bool {
    matches!(
        outcome.result,
        Err(TxnError::Refused(ShopError::InsufficientStock { .. }))
    )
}

/// Sells from a bucket that no other transaction has locked.
async fn sell_from_unlocked_bucket(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.injection_point.run(work).await?;
    let first = rand::rng().random_range(0..BUCKETS);
    let unlocked = locks::unlocked_bucket(work, sale.offer.id, sale.units(), first).await?;
    sell_from(work, sale, unlocked).await
}

/// All buckets are locked: waits for one bucket instead of locking all, which would make every
/// other buyer wait.
async fn wait_for_one_bucket(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let first = rand::rng().random_range(0..BUCKETS);
    let bucket = bucket_with(work, sale.offer.id, sale.units(), first).await?;
    sell_from(work, sale, bucket).await
}

async fn sell_from(
    work: &Work,
    sale: &Sale,
    bucket: Option<stock_bucket::Model>,
) -> Result<Option<Level>, Abort> {
    match bucket {
        Some(bucket) if sell(work, &bucket, sale.units()).await? => Ok(None),
        // All buckets together decide.
        _ => Err(insufficient(&sale.offer.name, 0, sale.quantity).into()),
    }
}

/// Finds a bucket that seems to have `units`, starting at bucket `first`.
async fn bucket_with(
    work: &Work,
    product_id: i64,
    units: i64,
    first: i32,
) -> Result<Option<stock_bucket::Model>, Abort> {
    let buckets = locks::buckets_with(product_id, units, first);
    Ok(buckets.one(work.connection()).await?)
}

/// Locks all buckets and takes the units from any of them.
async fn sell_across_buckets(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let buckets = locks::buckets(work, sale.offer.id).await?;
    if buckets.is_empty() {
        return Err(ShopError::StrategyLaneOnly(sale.strategy.to_string()).into());
    }
    let available: i64 = buckets.iter().map(|bucket| bucket.available).sum();
    if available < sale.units() {
        return Err(sale.refuse(available, NO_VERSION));
    }
    let mut missing = sale.units();
    for bucket in buckets.iter().filter(|bucket| bucket.available > 0) {
        let part = Ord::min(missing, bucket.available);
        if !sell(work, bucket, part).await? {
            return Err(Abort::Conflict);
        }
        missing -= part;
        if missing == 0 {
            break;
        }
    }
    Ok(None)
}

/// Buckets have no common version.
const NO_VERSION: i64 = 0;

/// Sells from a bucket if it has as many units; otherwise returns false.
async fn sell(work: &Work, bucket: &stock_bucket::Model, units: i64) -> Result<bool, Abort> {
    let column = Expr::col::<stock_bucket::Column>;
    let update = stock_bucket::Entity::update_many()
        .col_expr(
            stock_bucket::Column::Available,
            column(stock_bucket::Column::Available).sub(units),
        )
        .col_expr(
            stock_bucket::Column::Sold,
            column(stock_bucket::Column::Sold).add(units),
        )
        .filter(stock_bucket::Column::ProductId.eq(bucket.product_id))
        .filter(stock_bucket::Column::Bucket.eq(bucket.bucket))
        .filter(stock_bucket::Column::Available.gte(units));
    let done = work.time_lock_wait(update.exec(work.connection())).await?;
    Ok(done.rows_affected == 1)
}
