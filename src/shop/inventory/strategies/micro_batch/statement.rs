//! A batch in one statement, which is its own transaction: it sells all orders or none.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        txn::{self, Outcome},
    },
    model::{Receipt, StrategyKey, bill::TAX_BASIS_POINTS},
    shop::{
        Shop,
        inventory::{batch_queue::BatchOrder, committed::CommittedOrders, counters::Level},
    },
};

/// `$1` keys, `$2` fingerprints, `$3` public ids, `$4` products, `$5` units, `$6` lanes (0: none)
/// of the orders; `$7` their products, each once; `$8` tax rate.
///
/// `locked` waits for the rows in id order and returns them as they are then. The update reads the
/// rows of the statement's older snapshot first and checks its constraints against them, before it
/// follows them to their latest versions: so units that came while it waited (`seen` lacks them)
/// are left to the transaction. The tax is rounded as in [`crate::model::bill`].
const SALES: &str = r#"
WITH asked AS (
  SELECT a.*, sum(units) OVER (PARTITION BY product_id ORDER BY place) AS units_so_far
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::integer[], $6::bigint[]) WITH ORDINALITY
    AS a (key, fingerprint, public_id, product_id, units, lane_id, place)),
locked AS (
  SELECT product_id, available FROM stock
  WHERE product_id = ANY($7) AND layout = 'row' AND NOT unguarded ORDER BY product_id FOR UPDATE),
offer AS (
  SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, sum(a.units) AS units, count(*) AS orders
  FROM asked a JOIN locked l USING (product_id) JOIN product p ON p.id = l.product_id
    JOIN stock seen ON seen.product_id = p.id
  WHERE (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
  GROUP BY p.id, l.available, seen.available
  HAVING sum(a.units) <= least(l.available, seen.available)
    AND bool_and(p.lane_id IS NULL OR p.lane_id = a.lane_id)
    AND bool_and(p.per_customer_limit IS NULL OR (a.lane_id <> 0 AND p.per_customer_limit >= a.units))),
taken AS (
  UPDATE stock s SET available = s.available - offer.units, sold = s.sold + offer.units, version = s.version + 1
  FROM offer WHERE s.product_id = offer.id AND (SELECT count(*) FROM offer) = cardinality($7)
  RETURNING s.product_id, s.available, s.version, offer.orders, s.available + offer.units AS available_before),
sold AS MATERIALIZED (
  SELECT nextval('customer_order_id_seq') AS order_id, a.*, offer.name, offer.price_cents, offer.currency,
         offer.price_cents * a.units AS cents, coalesce(nullif(a.lane_id, 0), offer.lane_id) AS owner_lane_id,
         taken.available_before - a.units_so_far AS remaining
  FROM asked a JOIN offer ON offer.id = a.product_id JOIN taken USING (product_id)),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT key, fingerprint, format('{"order_id":"%s","remaining_stock":%s}', public_id, remaining) FROM sold WHERE key <> ''),
placed AS (
  INSERT INTO customer_order (id, public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT order_id, public_id, 'placed', 'on_account', currency, cents, cents, cents, $8,
         floor((2 * cents::numeric * $8 + 10000 + $8) / (2 * (10000 + $8))), owner_lane_id FROM sold),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT order_id, product_id, name, price_cents, units FROM sold),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT product_id, 'sell', units, order_id FROM sold)
SELECT product_id, available, version, orders FROM taken"#;

#[derive(Debug, FromQueryResult)]
struct TakenRow {
    product_id: i64,
    available: i64,
    version: i64,
    orders: i64,
}

/// Runs the statement. Returns a receipt for each order, in their order, or `None` if it sold
/// nothing because an order must be refused.
///
/// # Errors
/// An error with [`is_undone_by_key_or_amount`](txn::TxnError::is_undone_by_key_or_amount) if a key
/// is known already, or an amount does not fit.
pub(super) async fn run(shop: &Shop, orders: Arc<[BatchOrder]>) -> Outcome<Option<Vec<Receipt>>> {
    let policy = shop.policy(StrategyKey::MicroBatch.as_str());
    let (reporter, asked) = (shop.clone(), Arc::clone(&orders));
    let taken = txn::run_statement(shop.db(), policy, move |connection| {
        let (shop, values) = (reporter.clone(), values(&asked));
        Box::pin(async move {
            let taken = sell(connection, values).await?;
            // Here, and not after the task: a caller that has left drops everything after it.
            for row in &taken {
                row.report(&shop);
            }
            Ok(taken)
        })
    })
    .await;
    taken.map(|taken| (!taken.is_empty()).then(|| receipts(&orders, &taken)))
}

async fn sell(
    connection: &impl ConnectionTrait,
    values: [Value; 8],
) -> Result<Vec<TakenRow>, DbErr> {
    TakenRow::find_by_statement(dialect::statement(SALES, values))
        .all(connection)
        .await
}

impl TakenRow {
    fn report(&self, shop: &Shop) {
        let committed = CommittedOrders {
            product_id: self.product_id,
            orders: self.orders.unsigned_abs(),
            level: Some(Level {
                available: self.available,
                version: self.version,
            }),
        };
        committed.report(shop);
    }
}

/// The receipts of orders that were all sold. From the last order to the first, each leaves what
/// the one after it left and took.
fn receipts(orders: &[BatchOrder], taken: &[TakenRow]) -> Vec<Receipt> {
    let mut remaining: HashMap<i64, i64> = taken
        .iter()
        .map(|row| (row.product_id, row.available))
        .collect();
    let mut receipts: Vec<Receipt> = orders
        .iter()
        .rev()
        .map(|order| {
            let left = remaining.entry(order.request.product_id).or_default();
            let receipt = Receipt {
                order_id: order.public_id.to_string(),
                remaining_stock: Some(*left),
            };
            *left += i64::from(order.request.quantity.get());
            receipt
        })
        .collect();
    receipts.reverse();
    receipts
}

fn values(orders: &[BatchOrder]) -> [Value; 8] {
    let requests = || orders.iter().map(|order| &order.request);
    let keys: Vec<String> = orders
        .iter()
        .map(|order| order.key().unwrap_or_default().to_owned())
        .collect();
    let fingerprints: Vec<String> = requests()
        .map(|request| {
            request
                .claim
                .as_ref()
                .map_or("", |claim| claim.fingerprint())
        })
        .map(ToOwned::to_owned)
        .collect();
    let public_ids: Vec<Uuid> = orders.iter().map(|order| order.public_id).collect();
    let products: Vec<i64> = requests().map(|request| request.product_id).collect();
    let units: Vec<i32> = requests()
        .map(|request| request.quantity.get().cast_signed())
        .collect();
    let lanes: Vec<i64> = requests()
        .map(|request| request.lane_id.unwrap_or(0))
        .collect();
    let mut distinct = products.clone();
    distinct.sort_unstable();
    distinct.dedup();
    [
        keys.into(),
        fingerprints.into(),
        public_ids.into(),
        products.into(),
        units.into(),
        lanes.into(),
        distinct.into(),
        TAX_BASIS_POINTS.into(),
    ]
}
