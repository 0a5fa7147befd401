//! What the regression cards say to the database by the wrong rule, and how they turn its clock. Each statement here is what some shop
//! once ran, and what this one never does: they touch the private products of a lesson only.

use sea_orm::{ConnectionTrait, FromQueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Shelf;
use crate::{
    db::{
        Db, dialect,
        txn::{self, Policy, TxnError, Work},
    },
    model::{Bill, Quantity, ShopError},
    shop::{
        catalog,
        inventory::counters,
        orders::{self, NewLine, NewOrder},
    },
};

/// Whether `units` can be bought, as somebody asks who forgets that they may be set aside for the very shopper.
///
/// # Errors
/// [`ShopError::UnknownProduct`]; what a database failure means.
pub async fn is_available(db: &Db, product_id: i64, units: i64) -> Result<bool, ShopError> {
    let sql = "SELECT available >= $2 FROM stock WHERE product_id = $1";
    db.reader()
        .query_one_raw(dialect::statement(sql, [product_id.into(), units.into()]))
        .await
        .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose())
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)
}

/// What came of taking a quantity that nobody checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchecked {
    /// It was taken, for so many cents.
    Took { bill_cents: i64 },
    /// The database rejected it, by the constraint of this name.
    RejectedBy(String),
}

/// Takes `units` from the shelf, whatever their sign.
///
/// # Errors
/// What the database says, other than that a constraint broke.
pub async fn take_any_quantity(
    db: &Db,
    product_id: i64,
    units: i64,
) -> Result<Unchecked, TxnError> {
    let taken = txn::run_for_result(db, Policy::request("take any quantity"), move |work| {
        Box::pin(async move {
            let sql = "UPDATE stock SET available = available - $2, sold = sold + $2, version = version + 1 \
                       WHERE product_id = $1 \
                       RETURNING $2 * (SELECT price_cents FROM product WHERE id = $1) AS bill_cents";
            let row = work
                .connection()
                .query_one_raw(dialect::statement(sql, [product_id.into(), units.into()]))
                .await?
                .ok_or(ShopError::UnknownProduct)?;
            Ok(row.try_get::<i64>("", "bill_cents")?)
        })
    })
    .await;
    match taken {
        Ok(bill_cents) => Ok(Unchecked::Took { bill_cents }),
        Err(TxnError::Database { name, source }) => match dialect::broken_constraint(&source) {
            Some(constraint) => Ok(Unchecked::RejectedBy(constraint)),
            None => Err(TxnError::Database { name, source }),
        },
        Err(error) => Err(error),
    }
}

/// Sells one unit if the counter is not below zero *before* it is lowered: zero passes too. Returns whether it sold.
///
/// # Errors
/// What the database says.
pub async fn count_then_sell(db: &Db, shelf: &Shelf) -> Result<bool, TxnError> {
    let shelf = shelf.clone();
    txn::run_for_result(db, Policy::request("count then sell"), move |work| {
        let shelf = shelf.clone();
        Box::pin(async move {
            let row = counters::read(work, shelf.product_id)
                .await?
                .ok_or(ShopError::UnknownProduct)?;
            if row.available >= 0 {
                counters::subtract_unchecked(work, shelf.product_id, Quantity::ONE).await?;
                write_order(work, &shelf).await?;
                return Ok(true);
            }
            Ok(false)
        })
    })
    .await
}

async fn write_order(work: &Work, shelf: &Shelf) -> Result<(), txn::Abort> {
    let offer = catalog::offer(work, shelf.product_id).await?;
    let lines = vec![NewLine::of(&offer, Quantity::ONE)?];
    let bill = Bill::handed_over(orders::subtotal(&lines)?).ok_or_else(orders::too_large)?;
    let order = NewOrder {
        contact: None,
        lane_id: Some(shelf.lane_id),
        cart_id: None,
        code: None,
        bill,
        lines,
    };
    orders::write_placed(work, &order).await.map(drop)
}

/// Lets all that is held for a cart run out `seconds` from now: what a shop does that resets its timer.
///
/// # Errors
/// What the database says.
pub async fn renew_holds(db: &Db, cart_id: Uuid, seconds: u32) -> Result<(), TxnError> {
    let sql = "UPDATE hold SET expires_at = CURRENT_TIMESTAMP + $2 * INTERVAL '1 second' \
               WHERE cart_id = $1 AND state = 'held'";
    change_holds(db, sql, cart_id, seconds).await
}

/// Lets `seconds` go by for what is held for a cart, without anybody waiting.
///
/// # Errors
/// What the database says.
pub async fn age_holds(db: &Db, cart_id: Uuid, seconds: u32) -> Result<(), TxnError> {
    let sql = "UPDATE hold SET expires_at = expires_at - $2 * INTERVAL '1 second' \
               WHERE cart_id = $1 AND state = 'held'";
    change_holds(db, sql, cart_id, seconds).await
}

async fn change_holds(
    db: &Db,
    sql: &'static str,
    cart_id: Uuid,
    seconds: u32,
) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("change holds of lesson"), move |work| {
        Box::pin(async move {
            let values = [cart_id.into(), f64::from(seconds).into()];
            work.connection()
                .execute_raw(dialect::statement(sql, values))
                .await?;
            Ok(())
        })
    })
    .await
}

/// When what is held of a product for a cart runs out.
///
/// # Errors
/// [`ShopError::ReservationGone`] if nothing is held; what a database failure means.
pub async fn end_of_holds(
    db: &Db,
    cart_id: Uuid,
    product_id: i64,
) -> Result<OffsetDateTime, ShopError> {
    let sql =
        "SELECT expires_at FROM hold WHERE cart_id = $1 AND product_id = $2 AND state = 'held'";
    let values = [cart_id.into(), product_id.into()];
    db.reader()
        .query_one_raw(dialect::statement(sql, values))
        .await
        .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose())
        .map_err(txn::read_error)?
        .ok_or(ShopError::ReservationGone)
}

/// How often a discount code was used: as its own counter has it, and by orders that stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct CodeStanding {
    pub uses: i64,
    pub orders: i64,
}

/// Reads [`CodeStanding`] in one statement.
///
/// # Errors
/// [`ShopError::CodeUnknown`]; what a database failure means.
pub async fn code_standing(db: &Db, code: &str) -> Result<CodeStanding, ShopError> {
    let sql = "SELECT c.uses::bigint AS uses, \
                 (SELECT count(*) FROM customer_order o \
                  WHERE o.discount_code = c.code AND o.status IN ('placed', 'paid')) AS orders \
               FROM discount_code c WHERE c.code = $1";
    let row = db
        .reader()
        .query_one_raw(dialect::statement(sql, [code.into()]))
        .await
        .map_err(txn::read_error)?
        .ok_or_else(|| ShopError::CodeUnknown(code.to_owned()))?;
    CodeStanding::from_query_result(&row, "").map_err(txn::read_error)
}

/// Ends a code, so that nobody can use it from now on.
///
/// # Errors
/// What the database says.
pub async fn end_code(db: &Db, code: &str) -> Result<(), TxnError> {
    let code = code.to_owned();
    txn::run_for_result(db, Policy::request("end code of lesson"), move |work| {
        let code = code.clone();
        Box::pin(async move {
            let sql = "UPDATE discount_code SET ends_at = CURRENT_TIMESTAMP WHERE code = $1";
            work.connection()
                .execute_raw(dialect::statement(sql, [code.into()]))
                .await?;
            Ok(())
        })
    })
    .await
}
