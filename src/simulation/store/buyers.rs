//! Recognizes the buyers of a run, who send the run's secret.

use sea_orm::ConnectionTrait;

use crate::{
    db::{Db, dialect, txn},
    model::ShopError,
};

/// Returns the lane that owns a private product, if `secret_hash` is the hash of its run's secret.
pub async fn lane_of_buyer(
    db: &Db,
    secret_hash: &str,
    product_id: i64,
) -> Result<Option<i64>, ShopError> {
    let sql = "SELECT l.id FROM product p JOIN simulation_lane l ON l.id = p.lane_id \
               JOIN simulation_run r ON r.id = l.run_id \
               WHERE p.id = $1 AND r.buyer_secret = $2";
    let values = [product_id.into(), secret_hash.into()];
    db.reader()
        .query_one_raw(dialect::statement(sql, values))
        .await
        .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose())
        .map_err(txn::read_error)
}
