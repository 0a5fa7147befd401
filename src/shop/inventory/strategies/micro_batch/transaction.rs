//! A batch as one transaction of four round trips, which can tell each order why it is refused.

mod decided;
mod rows;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use self::decided::Known;
pub(in crate::shop::inventory::strategies) use self::decided::RowLevel;
use crate::{
    db::{
        dialect,
        txn::{self, Abort, Outcome, Work},
    },
    model::{
        Bill, Quantity, Receipt, ShopError, StockLayout, StrategyKey, bill::TAX_BASIS_POINTS,
        product::insufficient,
    },
    shop::{
        Shop,
        catalog::{self, LockedOffer, Offer},
        idempotency::{self, StoredResponse},
        inventory::{
            batch_queue::{BatchOrder, BatchOutcome},
            committed::CommittedOrders,
            counters::Level,
            queue_outcome::{self, QueueOutcome},
            sale,
        },
        orders,
    },
};

/// Whose orders a batch writes.
#[derive(Clone, Copy, Debug)]
pub(in crate::shop::inventory::strategies) struct Mode {
    pub strategy: StrategyKey,
    pub outcomes: StoredOutcomes,
}

/// The outcomes that a batch stores, for orders that may come again after they were decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shop::inventory::strategies) enum StoredOutcomes {
    /// None: no order comes again.
    None,
    /// All of them.
    All,
    /// All but refusals: the same order may wait elsewhere, and be sold later.
    AllButRefusals,
}

/// What a batch has done.
#[derive(Debug)]
pub(in crate::shop::inventory::strategies) struct Written {
    /// An answer for each order, in their order.
    pub answers: Vec<Result<Receipt, ShopError>>,
    /// The stock rows as the batch left them.
    pub row_levels: Vec<RowLevel>,
}

/// Runs `orders` as one transaction. Returns an answer for each, in their order.
pub(super) async fn run(shop: &Shop, orders: Arc<[BatchOrder]>) -> BatchOutcome {
    let mode = Mode {
        strategy: StrategyKey::MicroBatch,
        outcomes: StoredOutcomes::None,
    };
    let written = run_as(shop, mode, orders).await;
    written.map(|written| written.answers)
}

/// The same for the orders of another strategy.
pub(in crate::shop::inventory::strategies) async fn run_as(
    shop: &Shop,
    mode: Mode,
    orders: Arc<[BatchOrder]>,
) -> Outcome<Written> {
    let strategy = mode.strategy;
    let policy = shop.policy(strategy.as_str());
    let shop = shop.clone();
    let check_keys = Arc::new(AtomicBool::new(false));
    txn::run(&shop.db.clone(), policy, move |work| {
        let (shop, orders) = (shop.clone(), Arc::clone(&orders));
        let check_keys = Arc::clone(&check_keys);
        Box::pin(async move { attempt(work, &shop, mode, &orders, &check_keys).await })
    })
    .await
}

/// Most keys are new, so the first attempt does not look them up. It looks them up when a key turns
/// out to be known, in a retry; and before an order is refused, because a buyer who has already
/// bought needs none of the remaining units.
async fn attempt(
    work: &Work,
    shop: &Shop,
    mode: Mode,
    orders: &[BatchOrder],
    check_keys: &AtomicBool,
) -> Result<Written, Abort> {
    let mut ids: Vec<i64> = orders
        .iter()
        .map(|order| order.request.product_id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = catalog::lock_offers(work, &ids).await?;
    // After the lock: what another transaction has decided about these orders is committed by now.
    let mut known = Known::default();
    if mode.outcomes != StoredOutcomes::None {
        let ids = orders.iter().map(|order| order.public_id).collect();
        known.outcomes = queue_outcome::stored(work.connection(), ids).await?;
    }
    let mut admission = admit_all(shop, mode.strategy, &rows, orders, &known)?;
    if check_keys.load(Ordering::Relaxed) || admission.has_refusals() {
        known.responses = idempotency::stored_responses(work, keys(orders)).await?;
        admission = admit_all(shop, mode.strategy, &rows, orders, &known)?;
    }
    let written = write(work, shop, &admission.sales).await;
    if matches!(written, Err(Abort::Conflict)) {
        check_keys.store(true, Ordering::Relaxed);
    }
    let taken = written?;
    if mode.outcomes == StoredOutcomes::None {
        return Ok(Written {
            answers: admission.answers,
            row_levels: Vec::new(),
        });
    }
    let mut outcomes = decided::new_outcomes(orders, &admission.answers, &known);
    if mode.outcomes == StoredOutcomes::AllButRefusals {
        outcomes.retain(|(_, outcome)| !matches!(outcome, QueueOutcome::Refused(_)));
    }
    queue_outcome::store(work, outcomes).await?;
    Ok(Written {
        row_levels: decided::row_levels(&rows, &taken, orders, &admission.answers),
        answers: admission.answers,
    })
}

fn keys(orders: &[BatchOrder]) -> Vec<String> {
    let keys = orders.iter().filter_map(|order| order.key());
    keys.map(ToOwned::to_owned).collect()
}

fn replay_answer(
    order: &BatchOrder,
    stored: &StoredResponse,
) -> Result<Result<Receipt, ShopError>, Abort> {
    match order.request.claim.as_ref().map(|claim| stored.to(claim)) {
        Some(Ok(receipt)) => Ok(Ok(receipt)),
        Some(Err(Abort::Refused(reused))) => Ok(Err(reused)),
        Some(Err(other)) => Err(other),
        None => Ok(Err(ShopError::IdempotencyKeyInvalid)),
    }
}

/// Which orders of a batch are sold, and the answer to each order.
#[derive(Default)]
struct Admission {
    sales: Vec<BatchSale>,
    /// One answer for each order, in their order.
    answers: Vec<Result<Receipt, ShopError>>,
}

impl Admission {
    fn has_refusals(&self) -> bool {
        self.answers.iter().any(Result::is_err)
    }
}

/// Admits in order of arrival; an order that is `known` gets its earlier answer.
fn admit_all(
    shop: &Shop,
    strategy: StrategyKey,
    rows: &[LockedOffer],
    orders: &[BatchOrder],
    known: &Known,
) -> Result<Admission, Abort> {
    let mut stocks: HashMap<i64, BatchStock<'_>> = rows
        .iter()
        .map(|row| (row.offer.id, BatchStock::of(row)))
        .collect();
    let mut admission = Admission::default();
    for order in orders {
        let outcome = known.outcomes.get(&order.public_id);
        let stored = order.key().and_then(|key| known.responses.get(key));
        let answer = match (outcome, stored) {
            (Some(outcome), _) => outcome.clone().into_answer(),
            (None, Some(stored)) => replay_answer(order, stored)?,
            (None, None) => admit(shop, strategy, &mut stocks, order).map(|sale| {
                let receipt = sale.receipt();
                admission.sales.push(sale);
                receipt
            }),
        };
        admission.answers.push(answer);
    }
    Ok(admission)
}

/// A product whose row is locked, minus the units of the orders admitted so far.
struct BatchStock<'a> {
    row: &'a LockedOffer,
    available: i64,
}

impl<'a> BatchStock<'a> {
    fn of(row: &'a LockedOffer) -> Self {
        Self {
            row,
            available: row.available,
        }
    }

    fn refuse(&self, shop: &Shop, quantity: Quantity) -> ShopError {
        let (offer, available) = (&self.row.offer, self.available);
        if available == self.row.available {
            return sale::refuse(shop, offer, quantity, available, self.row.version);
        }
        // The units that this batch takes are not committed yet, so this refusal is not cached.
        insufficient(&offer.name, available, quantity)
    }
}

/// An admitted order.
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

/// Admits an order if enough units remain after the orders admitted before it.
fn admit(
    shop: &Shop,
    strategy: StrategyKey,
    stocks: &mut HashMap<i64, BatchStock<'_>>,
    order: &BatchOrder,
) -> Result<BatchSale, ShopError> {
    let quantity = order.request.quantity;
    let stock = stocks
        .get_mut(&order.request.product_id)
        .ok_or(ShopError::UnknownProduct)?;
    let offer = &stock.row.offer;
    sale::check_offer(offer, strategy, &order.request)?;
    if stock.row.layout != StockLayout::Row.as_str() {
        return Err(ShopError::StrategyLaneOnly(strategy.to_string()));
    }
    let units = i64::from(quantity.get());
    if stock.available < units {
        return Err(stock.refuse(shop, quantity));
    }
    let amount = offer.price.times(quantity).ok_or_else(orders::too_large)?;
    let bill = Bill::without_delivery(amount).ok_or_else(orders::too_large)?;
    stock.available -= units;
    Ok(BatchSale {
        order: order.clone(),
        offer: offer.clone(),
        bill,
        remaining: stock.available,
    })
}

/// `$1` keys, `$2` fingerprints, `$3` answers, `$4` public ids, `$5` products, `$6` names, `$7`
/// prices, `$8` units, `$9` lanes, `$10` currencies, `$11` totals, `$12` taxes, `$13` tax rate.
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

/// Writes all admitted orders, in one statement if the engine can, and checks that all were
/// written. Returns the stock rows that it changed.
async fn write(work: &Work, shop: &Shop, sales: &[BatchSale]) -> Result<Vec<TakenRow>, Abort> {
    if sales.is_empty() {
        return Ok(Vec::new());
    }
    let taken = if dialect::writes_in_expressions(work.connection()) {
        let statement = dialect::statement(SALES, columns(sales)?);
        let taken = TakenRow::find_by_statement(statement);
        taken.all(work.connection()).await?
    } else {
        rows::write(work, sales).await?
    };
    let written: i64 = taken.iter().map(|row| row.orders).sum();
    // Another purchase has claimed one of the keys since the look-up: the retry looks the keys up.
    if usize::try_from(written) != Ok(sales.len()) {
        return Err(Abort::Conflict);
    }
    for row in &taken {
        let level = Level {
            available: row.available,
            version: row.version,
        };
        let committed = CommittedOrders {
            product_id: row.product_id,
            orders: row.orders.unsigned_abs(),
            level: Some(level),
        };
        committed.report_after_commit(work, shop);
    }
    Ok(taken)
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
