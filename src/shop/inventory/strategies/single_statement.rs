//! `single-statement`: one statement with CTEs takes the stock and writes order, line, movement and
//! idempotency key, in one round trip.
//!
//! # Guarantees
//! A statement is a transaction: it takes effect as a whole or not at all. A conditional update
//! takes the stock, and every other part selects from the row that it returns. If it returns no
//! row, the purchase runs again with the row lock, which finds the reason.
//!
//! # Cost under contention
//! The row is locked from the update to the end of the flush, and no round trip happens in between:
//! nothing waits for the client. The slower the network, the larger the advantage over a
//! transaction of nine statements.
//!
//! # Fails as
//! Zero rows, for any of six reasons, which have to be queried afterwards. If another transaction
//! has claimed the key in the meantime, the statement fails with a unique violation (23505) and is
//! undone. It takes the stock before the key, against the usual lock order: two purchases with the
//! same key by different strategies may deadlock, and one of them is retried.
//!
//! # Choose it when
//! The database is a millisecond away, and the rules fit into SQL that you want to maintain.

use std::time::Instant;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::row_lock;
use crate::{
    db::{
        dialect,
        txn::{self, Outcome},
    },
    model::{Receipt, StrategyKey, bill::TAX_BASIS_POINTS},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest, committed::CommittedOrders, counters::Level,
            strategy::PurchaseStrategy,
        },
        orders::public_id,
    },
};

/// `$1` product, `$2` units, `$3` public id, `$4` lane, `$5` key, `$6` fingerprint, `$7` tax rate.
/// The tax is rounded as in [`crate::model::bill`].
const SALE: &str = r#"
WITH offer AS (
  SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, p.price_cents * $2 AS cents
  FROM product p JOIN stock s ON s.product_id = p.id
  WHERE p.id = $1 AND s.layout = 'row' AND NOT s.unguarded AND s.available >= $2
    AND (p.lane_id IS NULL OR p.lane_id = $4)
    AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
    AND (p.per_customer_limit IS NULL OR ($4 IS NOT NULL AND p.per_customer_limit >= $2))
    AND NOT EXISTS (SELECT 1 FROM idempotency_key k WHERE k.key = $5)),
taken AS (
  UPDATE stock s SET available = s.available - $2, sold = s.sold + $2, version = s.version + 1
  FROM offer WHERE s.product_id = offer.id AND s.available >= $2
  RETURNING s.available, s.version),
placed AS (
  INSERT INTO customer_order (public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT $3, 'placed', 'on_account', offer.currency, offer.cents, offer.cents, offer.cents, $7,
         floor((2 * offer.cents::numeric * $7 + 10000 + $7) / (2 * (10000 + $7))),
         coalesce($4, offer.lane_id)
  FROM offer, taken RETURNING id),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT placed.id, offer.id, offer.name, offer.price_cents, $2 FROM offer, placed),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT $1, 'sell', $2, placed.id FROM placed),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT $5, $6, format('{"order_id":"%s","remaining_stock":%s}', $3, taken.available)
  FROM taken WHERE $5 IS NOT NULL)
SELECT taken.available AS remaining, taken.version AS new_version FROM taken"#;

/// The same as a procedure of the schema, for an engine whose statements cannot write several
/// tables. It takes the parameters of [`SALE`], and returns the same columns.
const CALL: &str = "CALL purchase_single_statement($1, $2, $3, $4, $5, $6, $7)";

/// See the module's documentation.
pub struct SingleStatement;

#[async_trait]
impl PurchaseStrategy for SingleStatement {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let sql = match dialect::writes_in_expressions(shop.db().reader()) {
            true => SALE,
            false => CALL,
        };
        run_in_statement(shop, StrategyKey::SingleStatement, sql, request).await
    }
}

/// Runs `sql`, which takes the parameters of [`SALE`] and returns the same columns. A purchase that
/// it does not sell runs again with the row lock.
pub(super) async fn run_in_statement(
    shop: &Shop,
    strategy: StrategyKey,
    sql: &'static str,
    request: PurchaseRequest,
) -> Outcome<Receipt> {
    let start = Instant::now();
    let pause = shop.injection_point.run_outside_transaction().await;
    let (public_id, asked) = (public_id::new(), request.clone());
    let policy = shop.policy(strategy.as_str());
    let reporter = shop.clone();
    let outcome = txn::run_statement(shop.db(), policy, move |connection| {
        let values = values(&asked, public_id);
        let (shop, product_id) = (reporter.clone(), asked.product_id);
        Box::pin(async move {
            let level = sell(connection, sql, values).await?;
            // Here, and not after the task: a caller that has left drops everything after it.
            if level.is_some() {
                let committed = CommittedOrders {
                    product_id,
                    orders: 1,
                    level,
                };
                committed.report(&shop);
            }
            Ok(level)
        })
    })
    .await;
    let (result, mut cost) = outcome.into_parts();
    cost.split.pause += pause;
    match result {
        Ok(Some(level)) => cost.with_result(Ok(Receipt {
            order_id: public_id.to_string(),
            remaining_stock: Some(level.available),
        })),
        Ok(None) => row_lock::fall_back(shop, request, &cost, start).await,
        Err(error) if error.is_undone_by_key_or_amount() => {
            row_lock::fall_back(shop, request, &cost, start).await
        }
        Err(error) => cost.with_result(Err(error)),
    }
}

fn values(request: &PurchaseRequest, public_id: Uuid) -> [Value; 7] {
    let claim = request.claim.as_ref();
    [
        request.product_id.into(),
        request.quantity.get().cast_signed().into(),
        public_id.into(),
        request.lane_id.into(),
        claim.map(|claim| claim.key().to_owned()).into(),
        claim.map(|claim| claim.fingerprint().to_owned()).into(),
        TAX_BASIS_POINTS.into(),
    ]
}

async fn sell(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: [Value; 7],
) -> Result<Option<Level>, DbErr> {
    let row = connection
        .query_one_raw(dialect::statement(sql, values))
        .await?;
    // A CALL always returns one row, with NULLs if nothing was sold.
    let Some(row) = row else { return Ok(None) };
    let (available, version): (Option<i64>, Option<i64>) = (
        row.try_get("", "remaining")?,
        row.try_get("", "new_version")?,
    );
    Ok(available
        .zip(version)
        .map(|(available, version)| Level { available, version }))
}
