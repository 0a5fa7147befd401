//! Row locks: this is the only module that takes them. The lock order is always: idempotency key,
//! cart, address, order, payment, hold, stock, discount code; within a table by id. Two
//! transactions that follow it cannot deadlock.

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, PrimaryKeyTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    dialect,
    entity::{
        cart, customer_order, discount_code, hold, payment, product, refund, stock, stock_bucket,
        stock_unit,
    },
    txn::Work,
};

/// The class of advisory locks whose key is a product.
pub(super) const ADVISORY_STOCK: i32 = 1;
/// The class of advisory locks whose key is an address.
const ADVISORY_ADDRESS: i32 = 2;
/// The class of the advisory lock of retention.
const ADVISORY_RETENTION: i32 = 3;
/// The class of advisory locks whose key is a network that sends passwords.
const ADVISORY_GUESSES: i32 = 4;

/// Locks one stock row with `SELECT … FOR UPDATE`; `None` if it does not exist.
pub async fn stock_row(work: &Work, product_id: i64) -> Result<Option<stock::Model>, DbErr> {
    by_id::<stock::Entity>(work, product_id).await
}

/// The same, but fails with 55P03 instead of waiting.
pub async fn stock_row_nowait(work: &Work, product_id: i64) -> Result<Option<stock::Model>, DbErr> {
    let row = stock::Entity::find_by_id(product_id)
        .lock_with_behavior(LockType::Update, LockBehavior::Nowait);
    work.time_lock_wait(row.one(work.connection())).await
}

/// Waits for the advisory lock of an address, under which its holds are counted and added. It comes
/// after the cart and before every other lock. Two transactions that each add a hold write no
/// common row, so on a cluster the lock is also a row.
pub async fn holds_of_address(work: &Work, address: &str) -> Result<(), DbErr> {
    work.time_lock_wait(dialect::cluster_lock_in_transaction(
        work.connection(),
        ADVISORY_ADDRESS,
        key_of(address),
    ))
    .await
}

/// Waits for the advisory lock of a network, under which its wrong guesses of one kind are counted.
/// Every count writes the row of the network, so on a cluster one of two counts fails at COMMIT and
/// is made again.
pub async fn wrong_guesses_of(work: &Work, kind_and_network: &str) -> Result<(), DbErr> {
    work.time_lock_wait(dialect::advisory_lock_in_transaction(
        work.connection(),
        ADVISORY_GUESSES,
        key_of(kind_and_network),
    ))
    .await
}

/// Returns the key of a text for an advisory lock.
fn key_of(text: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(text.as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(key)
}

/// Waits for the advisory lock of a product, which is released when the transaction ends. It only
/// orders the buyers of one node: the conditional write of the stock row decides.
pub async fn advisory_of_product(work: &Work, product_id: i64) -> Result<(), DbErr> {
    work.time_lock_wait(dialect::advisory_lock_in_transaction(
        work.connection(),
        ADVISORY_STOCK,
        product_id,
    ))
    .await
}

/// Waits for the advisory lock of retention: several servers delete old rows, one batch at a time.
/// Otherwise two of them could lock the same rows in a different order. On two nodes of a cluster,
/// one of the two fails at COMMIT, and its rows are gone when it is retried.
pub async fn retention(work: &Work) -> Result<(), DbErr> {
    dialect::advisory_lock_in_transaction(work.connection(), ADVISORY_RETENTION, 0).await
}

/// Locks one bucket of a product that has `units` and is not locked by another transaction. Starts
/// at bucket `first` and tries the ones before it last.
pub async fn unlocked_bucket(
    work: &Work,
    product_id: i64,
    units: i64,
    first: i32,
) -> Result<Option<stock_bucket::Model>, DbErr> {
    let unlocked = |buckets: Select<stock_bucket::Entity>| {
        let bucket = buckets.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        work.time_lock_wait(bucket.one(work.connection()))
    };
    if dialect::locks_only_the_result(work.connection()) {
        return unlocked(buckets_with(product_id, units, first)).await;
    }
    // Both are read in the order of the primary key, up to the first row that is not locked.
    let number = stock_bucket::Column::Bucket;
    let from_first = in_order(product_id, units).filter(number.gte(first));
    match unlocked(from_first).await? {
        Some(bucket) => Ok(Some(bucket)),
        None => unlocked(in_order(product_id, units).filter(number.lt(first))).await,
    }
}

fn in_order(product_id: i64, units: i64) -> Select<stock_bucket::Entity> {
    stock_bucket::Entity::find()
        .filter(stock_bucket::Column::ProductId.eq(product_id))
        .filter(stock_bucket::Column::Available.gte(units))
        .order_by_asc(stock_bucket::Column::Bucket)
        .limit(1)
}

/// Selects a bucket of a product that has `units`, without a lock. Starts at bucket `first` and
/// tries the ones before it last.
pub fn buckets_with(product_id: i64, units: i64, first: i32) -> Select<stock_bucket::Entity> {
    stock_bucket::Entity::find()
        .filter(stock_bucket::Column::ProductId.eq(product_id))
        .filter(stock_bucket::Column::Available.gte(units))
        .order_by_desc(Expr::col(stock_bucket::Column::Bucket).gte(first))
        .order_by_asc(stock_bucket::Column::Bucket)
        .limit(1)
}

/// Locks all buckets of a product, in id order.
pub async fn buckets(work: &Work, product_id: i64) -> Result<Vec<stock_bucket::Model>, DbErr> {
    let rows = stock_bucket::Entity::find()
        .filter(stock_bucket::Column::ProductId.eq(product_id))
        .order_by_asc(stock_bucket::Column::Bucket);
    all(work, rows).await
}

/// Locks up to `max` unsold units that no other transaction has locked.
pub async fn unlocked_units(work: &Work, product_id: i64, max: u64) -> Result<Vec<i32>, DbErr> {
    let units = units_for_sale(work, product_id)
        .limit(max)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let rows = work.time_lock_wait(units.all(work.connection())).await?;
    Ok(rows.into_iter().map(|row| row.unit).collect())
}

/// Locks every unsold unit, in id order, and waits for those that other transactions have locked.
pub async fn unsold_units(work: &Work, product_id: i64) -> Result<Vec<i32>, DbErr> {
    let rows = all(work, units_for_sale(work, product_id)).await?;
    Ok(rows.into_iter().map(|row| row.unit).collect())
}

fn units_for_sale(work: &Work, product_id: i64) -> Select<stock_unit::Entity> {
    stock_unit::Entity::find()
        .filter(stock_unit::Column::ProductId.eq(product_id))
        .filter(dialect::is_false(
            work.connection(),
            stock_unit::Column::Sold,
        ))
        .order_by_asc(stock_unit::Column::Unit)
}

/// Locks the stock rows of several products with one `SELECT … FOR UPDATE`, in id order.
pub async fn stock_rows(work: &Work, product_ids: &[i64]) -> Result<Vec<stock::Model>, DbErr> {
    let rows = stock::Entity::find()
        .filter(dialect::column_in(stock::Column::ProductId, product_ids))
        .order_by_asc(stock::Column::ProductId);
    all(work, rows).await
}

/// Locks the stock rows of products, which `query` selects and joins, in id order; the product rows
/// are not locked.
pub async fn stock_of_products<M>(
    work: &Work,
    product_ids: &[i64],
    query: Select<product::Entity>,
) -> Result<Vec<M>, DbErr>
where
    M: FromQueryResult + Send,
{
    let mut query = query.order_by_asc(stock::Column::ProductId);
    if !dialect::locks_only_the_result(work.connection()) {
        stock_rows(work, product_ids).await?;
        return query.into_model::<M>().all(work.connection()).await;
    }
    QuerySelect::query(&mut query).lock_with_tables(LockType::Update, [stock::Entity]);
    let rows = query.into_model::<M>().all(work.connection());
    work.time_lock_wait(rows).await
}

/// Locks a cart, so that its lines do not change while it is ordered.
pub async fn cart(work: &Work, cart_id: Uuid) -> Result<Option<cart::Model>, DbErr> {
    by_id::<cart::Entity>(work, cart_id).await
}

/// Locks a cart unless another transaction has locked it; `None` then, or if it does not exist. It
/// never waits, so it may come after locks that a cart's lock must precede.
pub async fn unlocked_cart(work: &Work, cart_id: Uuid) -> Result<Option<cart::Model>, DbErr> {
    let cart = cart::Entity::find_by_id(cart_id)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    work.time_lock_wait(cart.one(work.connection())).await
}

/// Locks an order.
pub async fn order(work: &Work, order_id: i64) -> Result<Option<customer_order::Model>, DbErr> {
    by_id::<customer_order::Entity>(work, order_id).await
}

/// Locks those of the orders `ids` that have `status`, in id order.
pub async fn orders_in_status(
    work: &Work,
    ids: &[i64],
    status: &str,
) -> Result<Vec<customer_order::Model>, DbErr> {
    let rows = customer_order::Entity::find()
        .filter(dialect::column_in(customer_order::Column::Id, ids))
        .filter(customer_order::Column::Status.eq(status))
        .order_by_asc(customer_order::Column::Id);
    all(work, rows).await
}

/// Locks the payments of an order, in id order.
pub async fn payments_of_order(work: &Work, order_id: i64) -> Result<Vec<payment::Model>, DbErr> {
    let rows = payment::Entity::find()
        .filter(payment::Column::OrderId.eq(order_id))
        .order_by_asc(payment::Column::Id);
    all(work, rows).await
}

/// Locks the holds of a cart that belong to no order, in id order.
pub async fn holds_of_cart(work: &Work, cart_id: Uuid) -> Result<Vec<hold::Model>, DbErr> {
    let rows = held()
        .filter(hold::Column::CartId.eq(cart_id))
        .filter(hold::Column::OrderId.is_null());
    all(work, rows).await
}

/// Locks the holds of a product, in id order: those of carts and those of orders that are being
/// paid.
pub async fn holds_of_product(work: &Work, product_id: i64) -> Result<Vec<hold::Model>, DbErr> {
    all(work, held().filter(hold::Column::ProductId.eq(product_id))).await
}

/// The same without those in `except`, and fails with 55P03 instead of waiting: the caller has
/// locked the stock row, which comes after the holds.
pub async fn other_holds_of_product(
    work: &Work,
    product_id: i64,
    except: &[i64],
) -> Result<Vec<hold::Model>, DbErr> {
    let rows = held()
        .filter(hold::Column::ProductId.eq(product_id))
        .filter(dialect::column_in(hold::Column::Id, except).not())
        .lock_with_behavior(LockType::Update, LockBehavior::Nowait);
    work.time_lock_wait(rows.all(work.connection())).await
}

/// Locks the holds of an order, in id order.
pub async fn holds_of_order(work: &Work, order_id: i64) -> Result<Vec<hold::Model>, DbErr> {
    all(work, held().filter(hold::Column::OrderId.eq(order_id))).await
}

/// Locks up to `max` expired holds, of one product or of all, by id. Skips holds that another
/// transaction has locked: any number of sweepers may run at once.
pub async fn expired_holds(
    work: &Work,
    of_product: Option<i64>,
    max: u64,
) -> Result<Vec<hold::Model>, DbErr> {
    held()
        .filter(Expr::col(hold::Column::ExpiresAt).lte(Expr::current_timestamp()))
        .apply_if(of_product, |query, id| {
            query.filter(hold::Column::ProductId.eq(id))
        })
        .limit(max)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(work.connection())
        .await
}

/// Locks up to `max` payments whose outcome is due to be queried, by id. Skips payments that
/// another server is querying.
pub async fn due_payments(work: &Work, max: u64) -> Result<Vec<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(payment::Column::State.eq("pending"))
        .filter(Expr::col(payment::Column::AskAt).lte(Expr::current_timestamp()))
        .order_by_asc(payment::Column::Id)
        .limit(max)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(work.connection())
        .await
}

/// The same for refunds.
pub async fn due_refunds(work: &Work, max: u64) -> Result<Vec<refund::Model>, DbErr> {
    refund::Entity::find()
        .filter(refund::Column::State.eq("pending"))
        .filter(Expr::col(refund::Column::AskAt).lte(Expr::current_timestamp()))
        .order_by_asc(refund::Column::Id)
        .limit(max)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(work.connection())
        .await
}

/// Locks a discount code.
pub async fn discount_code(work: &Work, code: &str) -> Result<Option<discount_code::Model>, DbErr> {
    by_id::<discount_code::Entity>(work, code.to_owned()).await
}

fn held() -> Select<hold::Entity> {
    hold::Entity::find()
        .filter(hold::Column::State.eq("held"))
        .order_by_asc(hold::Column::Id)
}

async fn by_id<E: EntityTrait>(
    work: &Work,
    id: <E::PrimaryKey as PrimaryKeyTrait>::ValueType,
) -> Result<Option<E::Model>, DbErr> {
    work.time_lock_wait(E::find_by_id(id).lock_exclusive().one(work.connection()))
        .await
}

async fn all<E: EntityTrait>(work: &Work, rows: Select<E>) -> Result<Vec<E::Model>, DbErr>
where
    E::Model: Send + Sync,
{
    work.time_lock_wait(rows.lock_exclusive().all(work.connection()))
        .await
}
