//! What the database says about a lane: the ground on which its verdict stands.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
};
use uuid::Uuid;

use super::from_json;
use crate::{
    db::{
        Db, dialect,
        entity::{customer_order, idempotency_key},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{Receipt, ShopError},
    simulation::buyer::ATTEMPT_DEADLINE,
};

/// Keys that are closed in one transaction.
const KEYS_AT_ONCE: usize = 500;
/// It waits for those who still work under a key, as long as they may.
const CLOSE_KEYS: Policy = Policy {
    deadline: ATTEMPT_DEADLINE,
    ..Policy::request("close keys")
};
/// No request has this fingerprint, so that whoever comes with a closed key is refused.
const CLOSED_FINGERPRINT: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What stands under a closed key instead of an answer.
const CLOSED_RESPONSE: &str = "null";

/// What the database says about a product at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sea_orm::FromQueryResult)]
pub struct Ground {
    /// Units that can be bought.
    pub available: i64,
    /// Units that are set aside.
    pub reserved: i64,
    /// Units that came in so far.
    pub total: i64,
    /// Units on order lines of the run.
    pub sold_by_run: i64,
    /// Units on all order lines.
    pub sold_by_all: i64,
}

/// Reads [`Ground`] in one statement, so that its numbers are of one moment.
///
/// # Errors
/// [`ShopError::UnknownProduct`]; what a database failure means.
pub async fn ground(db: &Db, product_id: i64, lane_id: i64) -> Result<Ground, ShopError> {
    let sql = "SELECT s.available, s.reserved, s.total, \
                 coalesce(sum(l.quantity) FILTER (WHERE o.lane_id = $2), 0)::bigint AS sold_by_run, \
                 coalesce(sum(l.quantity) FILTER (WHERE o.id IS NOT NULL), 0)::bigint AS sold_by_all \
               FROM stock_level s \
               LEFT JOIN order_line l ON l.product_id = s.product_id \
               LEFT JOIN customer_order o ON o.id = l.order_id AND o.status IN ('placed', 'paid') \
               WHERE s.product_id = $1 GROUP BY s.available, s.reserved, s.total";
    let row = db
        .reader()
        .query_one_raw(dialect::statement(sql, [product_id.into(), lane_id.into()]))
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)?;
    sea_orm::FromQueryResult::from_query_result(&row, "").map_err(txn::read_error)
}

/// Units that can be bought now: what a chart shows.
///
/// # Errors
/// [`ShopError::UnknownProduct`]; what a database failure means.
pub async fn remaining(db: &Db, product_id: i64) -> Result<i64, ShopError> {
    // The view, because some layouts of stock have their counters only there.
    let sql = "SELECT available FROM stock_level WHERE product_id = $1";
    db.reader()
        .query_one_raw(dialect::statement(sql, [product_id.into()]))
        .await
        .and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose())
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)
}

/// Closes the keys of attempts whose buyers were told neither yes nor no: whoever still works under one is waited for, and whoever comes
/// later is refused, so that what is counted next is final. Returns the keys under which there is an order.
///
/// # Errors
/// What the database says.
pub async fn close_keys(db: &Db, mut keys: Vec<String>) -> Result<HashSet<String>, TxnError> {
    // In one order, here as everywhere: two who close keys cannot wait for each other.
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
