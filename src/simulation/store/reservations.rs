//! Ends what the buyers of an aborted lane leave behind: open payments, and reservations.

use sea_orm::ConnectionTrait;

use crate::db::{
    Db, dialect,
    txn::{self, Policy, TxnError},
};

/// Makes the open payments of a lane's orders due now, so that the shop asks the provider about
/// them. Returns their number.
pub async fn make_payments_due(db: &Db, lane_id: i64) -> Result<u64, TxnError> {
    let sql = "UPDATE payment SET ask_at = CURRENT_TIMESTAMP WHERE state = 'pending' \
               AND order_id IN (SELECT id FROM customer_order WHERE lane_id = $1)";
    run(db, "make payments due", sql, lane_id).await
}

/// Lets the reservations of a private product expire now, except those of orders that wait for
/// their payment. The sweep of the shop then releases them.
pub async fn expire_reservations(db: &Db, product_id: i64) -> Result<u64, TxnError> {
    let sql = "UPDATE hold SET expires_at = CURRENT_TIMESTAMP \
               WHERE product_id = $1 AND state = 'held' AND order_id IS NULL";
    run(db, "expire reservations", sql, product_id).await
}

/// Runs a statement with one id, and returns the number of affected rows.
async fn run(db: &Db, name: &'static str, sql: &'static str, id: i64) -> Result<u64, TxnError> {
    txn::run_for_result(db, Policy::request(name), move |work| {
        Box::pin(async move {
            let statement = dialect::statement(sql, [id.into()]);
            let done = work.connection().execute_raw(statement).await?;
            Ok(done.rows_affected())
        })
    })
    .await
}
