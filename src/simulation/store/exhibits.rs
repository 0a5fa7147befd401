//! The wrong statements that the lessons demonstrate, and the statements that change the times of
//! their holds. Real shops have run each of these statements; this shop never does. They touch only
//! the private products of a lesson.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, sea_query::Expr,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::LessonProduct;
use crate::{
    db::{
        Db, dialect, engine,
        entity::{hold, product, stock},
        locks,
        txn::{self, Policy, TxnError, Work},
    },
    model::{Bill, Quantity, ShopError},
    shop::{
        catalog,
        inventory::counters,
        orders::{self, NewLine, NewOrder},
    },
};

/// Checks whether `units` can be bought. The mistake: it ignores the shopper's own reservation.
///
/// # Errors
/// [`ShopError::UnknownProduct`].
pub async fn is_available(db: &Db, product_id: i64, units: i64) -> Result<bool, ShopError> {
    let stock = stock::Entity::find_by_id(product_id)
        .one(db.reader())
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)?;
    Ok(stock.available >= units)
}

/// The result of taking a quantity without a check of its sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UncheckedChange {
    /// The units were taken, for this amount.
    Took { bill_cents: i64 },
    /// The database rejected the change by this constraint.
    RejectedBy(String),
}

/// Takes `units` from the stock without a check of their sign.
///
/// # Errors
/// [`TxnError`] for any error except the violation of a constraint.
pub async fn take_any_quantity(
    db: &Db,
    product_id: i64,
    units: i64,
) -> Result<UncheckedChange, TxnError> {
    let taken = txn::run_for_result(db, Policy::request("take any quantity"), move |work| {
        Box::pin(async move {
            let sql = "UPDATE stock SET available = available - $2, sold = sold + $2, version = version + 1 \
                       WHERE product_id = $1";
            let update = dialect::statement(sql, [product_id.into(), units.into()]);
            work.connection().execute_raw(update).await?;
            let product = product::Entity::find_by_id(product_id)
                .one(work.connection())
                .await?
                .ok_or(ShopError::UnknownProduct)?;
            Ok(units * product.price_cents)
        })
    })
    .await;
    match taken {
        Ok(bill_cents) => Ok(UncheckedChange::Took { bill_cents }),
        Err(TxnError::Database { name, source }) => match engine::broken_constraint(&source) {
            Some(constraint) => Ok(UncheckedChange::RejectedBy(constraint)),
            None => Err(TxnError::Database { name, source }),
        },
        Err(error) => Err(error),
    }
}

/// Sells one unit if the counter is at least zero *before* the subtraction, so zero passes too.
/// Returns whether it sold.
pub async fn count_then_sell(db: &Db, product: &LessonProduct) -> Result<bool, TxnError> {
    let product = product.clone();
    txn::run_for_result(db, Policy::request("count then sell"), move |work| {
        let product = product.clone();
        Box::pin(async move {
            let row = counters::read(work, product.product_id)
                .await?
                .ok_or(ShopError::UnknownProduct)?;
            if row.available >= 0 {
                counters::subtract_unchecked(work, product.product_id, Quantity::ONE).await?;
                write_order(work, &product).await?;
                return Ok(true);
            }
            Ok(false)
        })
    })
    .await
}

async fn write_order(work: &Work, product: &LessonProduct) -> Result<(), txn::Abort> {
    let offer = catalog::offer(work, product.product_id).await?;
    let lines = vec![NewLine::of(&offer, Quantity::ONE)?];
    let bill = Bill::without_delivery(orders::subtotal(&lines)?).ok_or_else(orders::too_large)?;
    let order = NewOrder {
        contact: None,
        lane_id: Some(product.lane_id),
        cart_id: None,
        code: None,
        bill,
        lines,
    };
    orders::write_placed(work, &order).await.map(drop)
}

/// Sets the holds of a cart to expire `seconds` from now, like a shop that resets its timer.
pub async fn renew_holds(db: &Db, cart_id: Uuid, seconds: u32) -> Result<(), TxnError> {
    let ttl = Duration::seconds(seconds.into());
    change_holds(db, cart_id, move |_, now| now + ttl).await
}

/// Ages the holds of a cart by `seconds`, so that a lesson does not have to wait.
pub async fn age_holds(db: &Db, cart_id: Uuid, seconds: u32) -> Result<(), TxnError> {
    let age = Duration::seconds(seconds.into());
    change_holds(db, cart_id, move |expires_at, _| expires_at - age).await
}

/// Sets when the holds of a cart expire. `change` gets the time at which one expires, and the time
/// now.
async fn change_holds(
    db: &Db,
    cart_id: Uuid,
    change: impl Fn(OffsetDateTime, OffsetDateTime) -> OffsetDateTime + Copy + Send + Sync + 'static,
) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("change holds of lesson"), move |work| {
        Box::pin(async move {
            let now = dialect::now(work.connection()).await?;
            for row in locks::holds_of_cart(work, cart_id).await? {
                let expires_at = change(row.expires_at, now);
                hold::Entity::update_many()
                    .col_expr(hold::Column::ExpiresAt, Expr::value(expires_at))
                    .filter(hold::Column::Id.eq(row.id))
                    .exec(work.connection())
                    .await?;
            }
            Ok(())
        })
    })
    .await
}

/// Reads when the hold of a cart on a product expires.
///
/// # Errors
/// [`ShopError::ReservationExpired`] if there is no active hold.
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
        .ok_or(ShopError::ReservationExpired)
}

/// How often a discount code was used: by its own counter, and by placed and paid orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct CodeUsage {
    pub uses: i32,
    pub orders: i64,
}

/// Reads a [`CodeUsage`] in one statement.
///
/// # Errors
/// [`ShopError::CodeUnknown`].
pub async fn read_code_usage(db: &Db, code: &str) -> Result<CodeUsage, ShopError> {
    let sql = "SELECT c.uses, \
                 (SELECT count(*) FROM customer_order o \
                  WHERE o.discount_code = c.code AND o.status IN ('placed', 'paid')) AS orders \
               FROM discount_code c WHERE c.code = $1";
    let row = db
        .reader()
        .query_one_raw(dialect::statement(sql, [code.into()]))
        .await
        .map_err(txn::read_error)?
        .ok_or_else(|| ShopError::CodeUnknown(code.to_owned()))?;
    CodeUsage::from_query_result(&row, "").map_err(txn::read_error)
}

/// Ends the validity of a discount code now.
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
