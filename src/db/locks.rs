//! The one place where rows are locked. Lock order, everywhere: idempotency key, cart, order, payment, hold, stock, discount
//! code; within a table by id. Two transactions that follow it cannot deadlock.

use sea_orm::{DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    dialect,
    entity::{cart, stock},
    txn::Work,
};

/// Locks one stock row with `SELECT … FOR UPDATE`; `None` if there is none.
///
/// # Errors
/// What the database says.
pub async fn stock_row(work: &Work, product_id: i64) -> Result<Option<stock::Model>, DbErr> {
    work.waiting_for_lock(
        stock::Entity::find_by_id(product_id)
            .lock_exclusive()
            .one(work.connection()),
    )
    .await
}

/// Locks the stock rows of several products with one `SELECT … FOR UPDATE`, in id order.
///
/// # Errors
/// What the database says.
pub async fn stock_rows(work: &Work, product_ids: &[i64]) -> Result<Vec<stock::Model>, DbErr> {
    work.waiting_for_lock(
        stock::Entity::find()
            .filter(dialect::column_in(stock::Column::ProductId, product_ids))
            .order_by_asc(stock::Column::ProductId)
            .lock_exclusive()
            .all(work.connection()),
    )
    .await
}

/// Locks a cart, so that what is ordered is what is in it.
///
/// # Errors
/// What the database says.
pub async fn cart(work: &Work, cart_id: Uuid) -> Result<Option<cart::Model>, DbErr> {
    work.waiting_for_lock(
        cart::Entity::find_by_id(cart_id)
            .lock_exclusive()
            .one(work.connection()),
    )
    .await
}
