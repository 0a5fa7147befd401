//! Reads the stock and the sales of a lane from the database, as the basis of its verdict.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
};
use uuid::Uuid;

use super::json::from_json;
use crate::{
    db::{
        Db, dialect,
        entity::{customer_order, idempotency_key},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{Receipt, ShopError},
    simulation::buyer::ATTEMPT_DEADLINE,
};

/// The number of keys that are closed in one transaction.
const KEYS_AT_ONCE: usize = 500;
/// The policy waits for transactions that still hold a key, up to the deadline of an attempt.
const CLOSE_KEYS: Policy = Policy {
    deadline: ATTEMPT_DEADLINE,
    ..Policy::request("close keys")
};
/// No request has this fingerprint, so the shop rejects every later request with a closed key.
const CLOSED_FINGERPRINT: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The response stored for a closed key, in place of a receipt.
const CLOSED_RESPONSE: &str = "null";

/// The stock and the sales of a product at one moment.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    sea_orm::FromQueryResult,
)]
pub struct StockSnapshot {
    /// Units that can be bought.
    pub available: i64,
    /// Reserved units.
    pub reserved: i64,
    /// Units received so far.
    pub total: i64,
    /// Units on order lines of the run.
    pub sold_by_run: i64,
    /// Units on all order lines.
    pub sold_by_all: i64,
}

/// Reads a [`StockSnapshot`] in one statement, so that all its numbers are of the same moment.
///
/// # Errors
/// [`ShopError::UnknownProduct`].
pub async fn read_stock_snapshot(
    db: &Db,
    product_id: i64,
    lane_id: i64,
) -> Result<StockSnapshot, ShopError> {
    read_on(db.reader(), product_id, lane_id)
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)
}

/// The same on any connection; `None` for an unknown product.
pub(super) async fn read_on<C: ConnectionTrait>(
    connection: &C,
    product_id: i64,
    lane_id: i64,
) -> Result<Option<StockSnapshot>, DbErr> {
    let sum = |condition: &str| {
        dialect::integer(&format!(
            "sum(CASE WHEN {condition} THEN l.quantity ELSE 0 END)"
        ))
    };
    let sql = format!(
        "SELECT s.available, s.reserved, s.total, {} AS sold_by_run, {} AS sold_by_all \
         FROM stock_level s \
         LEFT JOIN order_line l ON l.product_id = s.product_id \
         LEFT JOIN customer_order o ON o.id = l.order_id AND o.status IN ('placed', 'paid') \
         WHERE s.product_id = $1 GROUP BY s.available, s.reserved, s.total",
        sum("o.lane_id = $2"),
        sum("o.id IS NOT NULL")
    );
    let values = [product_id.into(), lane_id.into()];
    let row = connection
        .query_one_raw(dialect::statement(&sql, values))
        .await?;
    row.map(|row| sea_orm::FromQueryResult::from_query_result(&row, ""))
        .transpose()
}

/// Reads how many units can be bought now, for a chart.
///
/// # Errors
/// [`ShopError::UnknownProduct`].
pub async fn remaining(db: &Db, product_id: i64) -> Result<i64, ShopError> {
    // The view is used because some stock layouts have no counters in the stock row.
    let sql = "SELECT available FROM stock_level WHERE product_id = $1";
    db.reader()
        .query_one_raw(dialect::statement(sql, [product_id.into()]))
        .await
        .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose())
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)
}

/// Closes the idempotency keys of attempts with an unknown outcome. It waits for transactions that
/// still hold a key, and later requests with it are rejected, so that the counts that follow are
/// final. Returns the keys that have an order.
pub async fn close_keys(db: &Db, mut keys: Vec<String>) -> Result<HashSet<String>, TxnError> {
    // All transactions lock keys in sorted order, so that two of them cannot deadlock.
    keys.sort_unstable();
    let mut ordered = HashSet::new();
    for some in keys.chunks(KEYS_AT_ONCE) {
        let some = some.to_vec();
        let found = txn::run_for_result(db, CLOSE_KEYS, move |work| {
            let some = some.clone();
            Box::pin(async move { close_some(work, some).await })
        });
        ordered.extend(found.await?);
    }
    Ok(ordered)
}

async fn close_some(work: &Work, keys: Vec<String>) -> Result<Vec<String>, Abort> {
    let rows = keys.iter().map(|key| idempotency_key::ActiveModel {
        key: Set(key.clone()),
        fingerprint: Set(CLOSED_FINGERPRINT.to_owned()),
        response: Set(Some(CLOSED_RESPONSE.to_owned())),
        created_at: NotSet,
    });
    idempotency_key::Entity::insert_many(rows)
        .on_conflict_do_nothing()
        .exec_without_returning(work.connection())
        .await?;
    let answered = idempotency_key::Entity::find()
        .filter(idempotency_key::Column::Key.is_in(keys))
        .filter(idempotency_key::Column::Fingerprint.ne(CLOSED_FINGERPRINT))
        .all(work.connection())
        .await?;
    let mut orders = HashMap::new();
    for row in answered {
        let receipt: Receipt = from_json(row.response.as_deref().unwrap_or_default())?;
        let order_id = Uuid::try_parse(&receipt.order_id);
        orders.insert(
            order_id.map_err(|error| DbErr::Type(error.to_string()))?,
            row.key,
        );
    }
    let sold = customer_order::Entity::find()
        .filter(customer_order::Column::PublicId.is_in(orders.keys().copied()))
        .filter(customer_order::Column::Status.is_in(["placed", "paid"]))
        .all(work.connection())
        .await?;
    Ok(sold
        .iter()
        .filter_map(|order| orders.remove(&order.public_id))
        .collect())
}
