//! `micro-batch`: orders wait in a bounded line; one writer takes all that wait in one transaction, and answers each after the commit.
//!
//! # Guarantees
//! The row is locked once for all, keys that are known are dropped, orders are admitted in the order of their arrival (one that does not fit
//! does not block a smaller one behind it), and no answer is given before the commit is on disk. An order that the database refuses fails
//! alone: the others are tried without it. After a crash in the middle each order is done or not done, and its key tells which.
//!
//! # Cost under contention
//! One lock, one flush and four round trips for as many orders as came in the meantime: the more buyers, the cheaper each. The writer
//! never waits for a batch to fill, so a lone buyer pays no more than the line's two hand-overs.
//!
//! # Fails as
//! A full line: 429 with `Retry-After`, at once, instead of a timeout later. A writer that is stuck behind somebody else's lock holds up
//! everybody; hence its deadline.
//!
//! # Choose it when
//! One product is hot, and orders come faster than the disk can flush. A checkout's hold is one step of a transaction of its own and
//! cannot wait for a writer: there, the lines of a cart are what is taken together.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use crate::{
    db::{
        dialect, locks,
        txn::{self, Abort, Outcome, Policy, Work},
    },
    model::{
        Bill, Quantity, Receipt, ShopError, StockLayout, StrategyKey, bill::TAX_BASIS_POINTS,
        product::insufficient,
    },
    shop::{
        Shop,
        catalog::{self, LockedShelf, Offer},
        idempotency::{self, KeptAnswer},
        inventory::{
            Seam,
            batch_line::{self, BatchOrder},
            counters::Level,
            hold::{HoldStrategy, Wanted},
            purchase::{self, PurchaseRequest},
            strategy::PurchaseStrategy,
        },
        orders,
    },
};

/// See the module's documentation.
pub struct MicroBatch;

#[async_trait]
impl PurchaseStrategy for MicroBatch {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        shop.seam.pass_outside().await;
        batch_line::wait_for_turn(shop, request).await
    }

    fn holding(&self) -> Option<&dyn HoldStrategy> {
        Some(self)
    }
}

/// Runs `orders` as one transaction; an answer for each, in their order.
pub async fn in_one_batch(
    shop: &Shop,
    orders: Arc<[BatchOrder]>,
) -> Outcome<Vec<Result<Receipt, ShopError>>> {
    let policy = Policy {
        deadline: shop.deadline,
        ..Policy::request(StrategyKey::MicroBatch.as_str())
    };
    let shop = shop.clone();
    let look_keys_up = Arc::new(AtomicBool::new(false));
    txn::run(&shop.db.clone(), policy, move |work| {
        let (shop, orders) = (shop.clone(), Arc::clone(&orders));
        let look_keys_up = Arc::clone(&look_keys_up);
        Box::pin(async move { attempt(work, &shop, &orders, &look_keys_up).await })
    })
    .await
}

/// Most keys are new, so at first none is looked up. That is made up for when it matters: when one turns out to be known, in an attempt that begins
/// anew; and before anybody is refused, because whoever has bought before needs nothing of what is left.
async fn attempt(
    work: &Work,
    shop: &Shop,
    orders: &[BatchOrder],
    look_keys_up: &AtomicBool,
) -> Result<Vec<Result<Receipt, ShopError>>, Abort> {
    let mut ids: Vec<i64> = orders
        .iter()
        .map(|order| order.request.product_id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = catalog::lock_shelves(work, &ids).await?;
    let mut admission = admit_all(shop, &rows, orders, &HashMap::new())?;
    if look_keys_up.load(Ordering::Relaxed) || admission.refuses_somebody() {
        // After the lock: what was sold under one of these keys has been committed by now.
        let known = idempotency::answers(work, keys(orders)).await?;
        admission = admit_all(shop, &rows, orders, &known)?;
    }
    let written = write(work, shop, &admission.sales).await;
    if matches!(written, Err(Abort::Conflict)) {
        look_keys_up.store(true, Ordering::Relaxed);
    }
    written.map(|()| admission.answers)
}

fn keys(orders: &[BatchOrder]) -> Vec<String> {
    let keys = orders.iter().filter_map(|order| order.key());
    keys.map(ToOwned::to_owned).collect()
}
fn told_again(order: &BatchOrder, kept: &KeptAnswer) -> Result<Result<Receipt, ShopError>, Abort> {
    match order.request.claim.as_ref().map(|claim| kept.to(claim)) {
        Some(Ok(receipt)) => Ok(Ok(receipt)),
        Some(Err(Abort::Refused(reused))) => Ok(Err(reused)),
        Some(Err(other)) => Err(other),
        None => Ok(Err(ShopError::IdempotencyKeyInvalid)),
    }
}

/// Who gets what of a batch.
#[derive(Default)]
struct Admission {
    sales: Vec<BatchSale>,
    /// For each order, in their order.
    answers: Vec<Result<Receipt, ShopError>>,
}

impl Admission {
    fn refuses_somebody(&self) -> bool {
        self.answers.iter().any(Result::is_err)
    }
}

/// Admits in the order of arrival; whose key is `known` is told again what was answered.
fn admit_all(
    shop: &Shop,
    rows: &[LockedShelf],
    orders: &[BatchOrder],
    known: &HashMap<String, KeptAnswer>,
) -> Result<Admission, Abort> {
    let mut shelves: HashMap<i64, Shelf<'_>> = rows
        .iter()
        .map(|row| (row.offer.id, Shelf::of(row)))
        .collect();
    let mut admission = Admission::default();
    for order in orders {
        let kept = order.key().and_then(|key| known.get(key));
        let answer = match kept {
            Some(kept) => told_again(order, kept)?,
            None => admit(shop, &mut shelves, order).map(|sale| {
                let receipt = sale.receipt();
                admission.sales.push(sale);
                receipt
            }),
        };
        admission.answers.push(answer);
    }
    Ok(admission)
}

/// A product whose row is locked, as the orders that were admitted so far leave it.
struct Shelf<'a> {
    row: &'a LockedShelf,
    available: i64,
}

impl<'a> Shelf<'a> {
    fn of(row: &'a LockedShelf) -> Self {
        Self {
            row,
            available: row.available,
        }
    }

    fn refuse(&self, shop: &Shop, quantity: Quantity) -> ShopError {
        let (offer, available) = (&self.row.offer, self.available);
        if available == self.row.available {
            return purchase::refuse(shop, offer, quantity, available, self.row.version);
        }
        // What this batch has taken is not committed yet: nothing for others to rely on.
        insufficient(&offer.name, available, quantity)
    }
}

/// An order that is admitted.
#[derive(Debug)]
struct BatchSale {
    order: BatchOrder,
    offer: Offer,
    bill: Bill,
    remaining: i64,
}

impl BatchSale {
    fn receipt(&self) -> Receipt {
        Receipt {
            order_id: self.order.public_id.to_string(),
            remaining_stock: Some(self.remaining),
        }
    }
}

/// Admits an order if its shelf, less what was admitted before, has enough.
fn admit(
    shop: &Shop,
    shelves: &mut HashMap<i64, Shelf<'_>>,
    order: &BatchOrder,
) -> Result<BatchSale, ShopError> {
    let quantity = order.request.quantity;
    let shelf = shelves
        .get_mut(&order.request.product_id)
        .ok_or(ShopError::UnknownProduct)?;
    let offer = &shelf.row.offer;
    purchase::check_offer(offer, StrategyKey::MicroBatch, quantity)?;
    if shelf.row.layout != StockLayout::Row.as_str() {
        let key = StrategyKey::MicroBatch.to_string();
        return Err(ShopError::StrategyOfOtherLane(key));
    }
    let units = i64::from(quantity.get());
    if shelf.available < units {
        return Err(shelf.refuse(shop, quantity));
    }
    let amount = offer.price.times(quantity).ok_or_else(orders::too_large)?;
    let bill = Bill::handed_over(amount).ok_or_else(orders::too_large)?;
    shelf.available -= units;
    Ok(BatchSale {
        order: order.clone(),
        offer: offer.clone(),
        bill,
        remaining: shelf.available,
    })
}

/// `$1` keys, `$2` fingerprints, `$3` answers, `$4` public ids, `$5` products, `$6` names, `$7` prices, `$8` units, `$9` lanes, `$10`
/// currencies, `$11` totals, `$12` taxes, `$13` tax rate.
const SALES: &str = "
WITH asked AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::text[], $7::bigint[], $8::integer[],
                       $9::bigint[], $10::text[], $11::bigint[], $12::bigint[])
    AS a (key, fingerprint, response, public_id, product_id, product_name, price_cents, units, lane_id, currency, cents, tax_cents)),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT key, fingerprint, response FROM asked WHERE key <> ''
  ON CONFLICT DO NOTHING RETURNING key),
admitted AS MATERIALIZED (
  SELECT nextval('customer_order_id_seq') AS order_id, asked.*
  FROM asked LEFT JOIN claimed USING (key) WHERE asked.key = '' OR claimed.key IS NOT NULL),
placed AS (
  INSERT INTO customer_order (id, public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT order_id, public_id, 'placed', 'on_account', currency, cents, cents, cents, $13, tax_cents, nullif(lane_id, 0) FROM admitted),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT order_id, product_id, product_name, price_cents, units FROM admitted),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT product_id, 'sell', units, order_id FROM admitted),
wanted AS (
  SELECT product_id, sum(units)::bigint AS units, count(*) AS orders FROM admitted GROUP BY product_id),
taken AS (
  UPDATE stock s SET available = s.available - wanted.units, sold = s.sold + wanted.units, version = s.version + 1
  FROM wanted WHERE s.product_id = wanted.product_id AND s.available >= wanted.units
  RETURNING s.product_id, s.available, s.version, wanted.orders)
SELECT product_id, available, version, orders FROM taken";

#[derive(Debug, FromQueryResult)]
struct TakenRow {
    product_id: i64,
    available: i64,
    version: i64,
    orders: i64,
}

/// Writes all that was admitted, in one statement, and makes sure that it did.
async fn write(work: &Work, shop: &Shop, sales: &[BatchSale]) -> Result<(), Abort> {
    if sales.is_empty() {
        return Ok(());
    }
    let statement = dialect::statement(SALES, columns(sales)?);
    let taken = TakenRow::find_by_statement(statement)
        .all(work.connection())
        .await?;
    let written: i64 = taken.iter().map(|row| row.orders).sum();
    // A key that was claimed since it was looked for, by a purchase of something else: begun anew, it is known.
    if usize::try_from(written) != Ok(sales.len()) {
        return Err(Abort::Conflict);
    }
    for row in taken {
        let level = Level {
            available: row.available,
            version: row.version,
        };
        purchase::announce(work, shop, row.product_id, level);
    }
    Ok(())
}

fn columns(sales: &[BatchSale]) -> Result<Vec<Value>, DbErr> {
    let texts = |of: fn(&BatchSale) -> &str| -> Value {
        sales
            .iter()
            .map(|sale| of(sale).to_owned())
            .collect::<Vec<_>>()
            .into()
    };
    let numbers =
        |of: fn(&BatchSale) -> i64| -> Value { sales.iter().map(of).collect::<Vec<_>>().into() };
    let answers: Vec<String> = sales
        .iter()
        .map(|sale| serde_json::to_string(&sale.receipt()))
        .collect::<Result<_, _>>()
        .map_err(|error| DbErr::Json(error.to_string()))?;
    let public_ids: Vec<Uuid> = sales.iter().map(|sale| sale.order.public_id).collect();
    let units: Vec<i32> = sales
        .iter()
        .map(|sale| sale.order.request.quantity.get().cast_signed())
        .collect();
    Ok(vec![
        texts(|sale| sale.order.key().unwrap_or_default()),
        texts(|sale| {
            let claim = sale.order.request.claim.as_ref();
            claim.map_or("", |claim| claim.fingerprint())
        }),
        answers.into(),
        public_ids.into(),
        numbers(|sale| sale.offer.id),
        texts(|sale| &sale.offer.name),
        numbers(|sale| sale.offer.price.cents),
        units.into(),
        numbers(|sale| {
            sale.order
                .request
                .lane_id
                .or(sale.offer.lane_id)
                .unwrap_or(0)
        }),
        texts(|sale| sale.bill.total.currency.code()),
        numbers(|sale| sale.bill.total.cents),
        numbers(|sale| sale.bill.tax.cents),
        TAX_BASIS_POINTS.into(),
    ])
}

/// `$1` products, `$2` units of each.
const HOLDS: &str = "
UPDATE stock s SET available = s.available - w.more, reserved = s.reserved + w.more, version = s.version + 1
FROM unnest($1::bigint[], $2::bigint[]) AS w (product_id, more)
WHERE s.product_id = w.product_id AND s.available >= w.more
RETURNING s.product_id, s.available, s.version";

#[derive(Debug, FromQueryResult)]
struct HeldRow {
    product_id: i64,
    available: i64,
    version: i64,
}

#[async_trait]
impl HoldStrategy for MicroBatch {
    async fn hold(&self, work: &Work, seam: &Seam, wanted: &[Wanted]) -> Result<Vec<Level>, Abort> {
        let ids: Vec<i64> = wanted.iter().map(|wanted| wanted.product_id).collect();
        let rows = locks::stock_rows(work, &ids).await?;
        seam.pass(work).await?;
        for wanted in wanted {
            let row = rows.iter().find(|row| row.product_id == wanted.product_id);
            let row = row.ok_or(ShopError::UnknownProduct)?;
            if row.available < wanted.more {
                return Err(wanted.refusal(row.available).into());
            }
        }
        let more: Vec<i64> = wanted.iter().map(|wanted| wanted.more).collect();
        let statement = dialect::statement(HOLDS, [ids.into(), more.into()]);
        let held = HeldRow::find_by_statement(statement)
            .all(work.connection())
            .await?;
        wanted
            .iter()
            .map(|wanted| {
                let row = held.iter().find(|row| row.product_id == wanted.product_id);
                row.map(|row| Level {
                    available: row.available,
                    version: row.version,
                })
                .ok_or(Abort::Conflict)
            })
            .collect()
    }
}
