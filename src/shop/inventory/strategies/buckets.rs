//! `buckets`: the stock is split over several rows; each buyer goes to one that nobody else is at, and to the others only at the end.
//!
//! # Guarantees
//! Each bucket is guarded as the one row is elsewhere. Who finds no free bucket with enough locks all of them, in their order, and takes
//! the units wherever they are: so nothing is left over that would have fitted, and a refusal is decided by the sum, under lock.
//!
//! # Cost under contention
//! With k buckets k buyers are served at once, each through their own row lock and flush. Towards the end, when buckets run dry,
//! everybody has to lock them all, and the advantage is gone.
//!
//! # Fails as
//! "Sold out" with units on the shelf, where the spill-over is forgotten: the classic undersell of sharded counters.
//!
//! # Choose it when
//! One row is too hot, the database has processors to spare, and a total that needs a sum is good enough.

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
            counters::Level,
            layout::BUCKETS,
            purchase::{self, PurchaseRequest, Sale},
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct Buckets;

#[async_trait]
impl PurchaseStrategy for Buckets {
    /// Three ways, each in a transaction of its own. A statement that had to look at a changed row keeps it locked, also where the row no longer fits: whoever
    /// went on from there to wait for another bucket would wait in a circle with those who lock them all.
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::Buckets;
        let free = purchase::in_one_transaction(shop, strategy, request.clone(), |work, sale| {
            Box::pin(take_free(work, sale))
        })
        .await;
        if !is_short(&free) {
            return free;
        }
        let queued = purchase::in_one_transaction(shop, strategy, request.clone(), |work, sale| {
            Box::pin(queue_at_one(work, sale))
        })
        .await
        .after(&free);
        if !is_short(&queued) {
            return queued;
        }
        purchase::in_one_transaction(shop, strategy, request, |work, sale| {
            Box::pin(spill_over(work, sale))
        })
        .await
        .after(&queued)
    }
}

fn is_short(outcome: &Outcome<Receipt>) -> bool {
    matches!(
        outcome.result,
        Err(TxnError::Refused(ShopError::InsufficientStock { .. }))
    )
}

/// From a bucket where nobody stands.
async fn take_free(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    sale.seam.pass(work).await?;
    let from = rand::rng().random_range(0..BUCKETS);
    let free = locks::free_bucket(work, sale.offer.id, sale.units(), from).await?;
    sell_from(work, sale, free).await
}

/// Everywhere stands somebody: waits at one bucket, instead of locking all and so making everybody wait for oneself.
async fn queue_at_one(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let from = rand::rng().random_range(0..BUCKETS);
    let one = bucket_with(work, sale.offer.id, sale.units(), from).await?;
    sell_from(work, sale, one).await
}

async fn sell_from(
    work: &Work,
    sale: &Sale,
    bucket: Option<stock_bucket::Model>,
) -> Result<Option<Level>, Abort> {
    match bucket {
        Some(bucket) if sell(work, &bucket, sale.units()).await? => Ok(None),
        // To be decided by all buckets together.
        _ => Err(insufficient(&sale.offer.name, 0, sale.quantity).into()),
    }
}

/// A bucket that has `units` as it seems, looking at bucket `from` first.
async fn bucket_with(
    work: &Work,
    product_id: i64,
    units: i64,
    from: i32,
) -> Result<Option<stock_bucket::Model>, Abort> {
    let buckets = locks::buckets_with(product_id, units, from);
    Ok(buckets.one(work.connection()).await?)
}

/// Takes what is wanted from wherever it is.
async fn spill_over(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let buckets = locks::buckets(work, sale.offer.id).await?;
    if buckets.is_empty() {
        return Err(ShopError::StrategyOfOtherLane(sale.strategy.to_string()).into());
    }
    let left: i64 = buckets.iter().map(|bucket| bucket.available).sum();
    if left < sale.units() {
        return Err(sale.refuse(left, NO_VERSION));
    }
    let mut wanted = sale.units();
    for bucket in buckets.iter().filter(|bucket| bucket.available > 0) {
        let part = Ord::min(wanted, bucket.available);
        if !sell(work, bucket, part).await? {
            return Err(Abort::Conflict);
        }
        wanted -= part;
        if wanted == 0 {
            break;
        }
    }
    Ok(None)
}

/// Buckets have no version in common.
const NO_VERSION: i64 = 0;

/// Sells from a bucket if it has as many; false if not.
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
    let done = work
        .waiting_for_lock(update.exec(work.connection()))
        .await?;
    Ok(done.rows_affected == 1)
}
