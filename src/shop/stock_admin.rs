//! Stock administration: receiving units, stock-takes, and fulfilling backorders.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    idempotency::{self, Claim},
    inventory::{
        announcement,
        counters::{self, CounterDelta},
    },
    ledger::{self, Movement, MovementKind},
    orders::{self, NewStatus},
    settlement,
};
use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line},
        locks,
        txn::{self, Abort, TxnError, Work},
    },
    model::{OrderStatus, Quantity, ShopError},
    shop::{Shop, catalog},
};

/// Maximum length of a stock-take's reason, in characters.
const REASON_LEN_MAX: usize = 200;
/// Maximum number of backorders that one transaction of [`Shop::fulfill_backorders`] locks.
const BACKORDER_BATCH_SIZE: u64 = 100;
/// Maximum number of units that a stock-take can count.
pub const COUNT_MAX: i64 = 1_000_000;

/// Backorders that the available stock covers, each considered on its own, oldest first. An order
/// that stock does not cover does not block later ones.
const FULFILLABLE_BACKORDERS: &str = "
    SELECT o.id FROM customer_order o
    WHERE o.status = 'backordered'
      AND NOT EXISTS (SELECT 1 FROM order_line l JOIN stock s ON s.product_id = l.product_id
                      WHERE l.order_id = o.id AND s.available < l.quantity)
    ORDER BY o.id LIMIT $1";

impl Shop {
    /// Receives `quantity` new units, and first sells them to the backorders that exist at the
    /// start of the transaction. The server processes fulfill later backorders in their next round.
    /// Applied once per key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; [`ShopError::IdempotencyKeyReused`].
    pub async fn receive_stock(
        &self,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        self.change_stock("receive stock", claim, move |work, shop| {
            Box::pin(receive(work, shop, product_id, quantity))
        })
        .await
    }

    /// Adjusts the recorded stock to a physical count. The count includes units in holds. Applied
    /// once per key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; [`ShopError::FieldsInvalid`] without a reason or for a count
    /// out of range; [`ShopError::InvalidState`] for a count below the reserved units;
    /// [`ShopError::IdempotencyKeyReused`].
    pub async fn record_stock_count(
        &self,
        product_id: i64,
        counted: i64,
        reason: &str,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        let reason = reason.trim().to_owned();
        if reason.is_empty()
            || reason.chars().count() > REASON_LEN_MAX
            || reason.chars().any(char::is_control)
        {
            return Err(ShopError::field_invalid(
                "reason",
                "Enter a reason of at most 200 characters.",
            ));
        }
        if !(0..=COUNT_MAX).contains(&counted) {
            return Err(ShopError::field_invalid(
                "counted",
                "Enter a whole number from 0 to 1,000,000.",
            ));
        }
        self.change_stock("stock-take", claim, move |work, shop| {
            let reason = reason.clone();
            Box::pin(async move { adjust(work, shop, product_id, counted, reason).await })
        })
        .await
    }

    /// Fulfills backorders from available stock, oldest first, and returns their number.
    pub async fn fulfill_backorders(&self) -> Result<u64, TxnError> {
        let mut fulfilled = 0;
        loop {
            // Query without locks first: most of the time no backorder can be fulfilled.
            let ids = self.fulfillable_backorders().await?;
            if ids.is_empty() {
                return Ok(fulfilled);
            }
            let shop = self.clone();
            let batch =
                txn::run_for_result(&self.db, self.policy("fulfill backorders"), move |work| {
                    let (shop, ids) = (shop.clone(), ids.clone());
                    Box::pin(async move {
                        let backorders = lock_backorders(work, &ids).await?;
                        lock_stock(work, &backorders, None).await?;
                        fulfill(work, &shop, &backorders).await
                    })
                })
                .await?;
            if batch == 0 {
                // Another server process fulfilled them first.
                return Ok(fulfilled);
            }
            fulfilled += batch;
        }
    }

    async fn fulfillable_backorders(&self) -> Result<Vec<i64>, TxnError> {
        let at_most = i64::try_from(BACKORDER_BATCH_SIZE).unwrap_or(i64::MAX);
        let statement = dialect::statement(FULFILLABLE_BACKORDERS, [at_most.into()]);
        let rows = self.db.reader().query_all_raw(statement).await;
        let ids = rows.and_then(|rows| rows.iter().map(|row| row.try_get_by_index(0)).collect());
        ids.map_err(|source| TxnError::Database {
            name: "fulfill backorders",
            source,
        })
    }

    async fn change_stock<F>(
        &self,
        name: &'static str,
        claim: Option<Claim>,
        body: F,
    ) -> Result<(), ShopError>
    where
        F: for<'w> Fn(&'w Work, &'w Shop) -> futures::future::BoxFuture<'w, Result<(), Abort>>
            + Send
            + Sync
            + 'static,
    {
        let shop = self.clone();
        let body = std::sync::Arc::new(body);
        txn::run_for_result(&self.db, self.policy(name), move |work| {
            let (shop, claim, body) = (shop.clone(), claim.clone(), std::sync::Arc::clone(&body));
            Box::pin(async move {
                if idempotency::claim::<()>(work, claim.as_ref())
                    .await?
                    .is_some()
                {
                    return Ok(());
                }
                body(work, &shop).await?;
                idempotency::record(work, claim.as_ref(), &()).await
            })
        })
        .await
        .map_err(ShopError::from)
    }
}

async fn receive(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    check_shop_product(work, product_id).await?;
    let units = i64::from(quantity.get());
    let ids = backorders_of(work, product_id, units).await?;
    let backorders = lock_backorders(work, &ids).await?;
    lock_stock(work, &backorders, Some(product_id)).await?;
    change_total(work, shop, product_id, units, MovementKind::Receive, None).await?;
    fulfill(work, shop, &backorders).await.map(drop)
}

async fn adjust(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    counted: i64,
    reason: String,
) -> Result<(), Abort> {
    check_shop_product(work, product_id).await?;
    let row = locks::stock_row(work, product_id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    if counted < row.reserved {
        return Err(ShopError::InvalidState(format!(
            "{} units are reserved for customers at checkout. Count again after their reservations expire, or cancel their orders.",
            row.reserved
        ))
        .into());
    }
    let difference = counted - (row.available + row.reserved);
    if difference == 0 {
        return Ok(());
    }
    change_total(
        work,
        shop,
        product_id,
        difference,
        MovementKind::Adjust,
        Some(reason),
    )
    .await
}

async fn check_shop_product(work: &Work, product_id: i64) -> Result<(), Abort> {
    let offer = catalog::offer(work, product_id).await?;
    match offer.lane_id {
        None => Ok(()),
        Some(_) => Err(ShopError::UnknownProduct.into()),
    }
}

async fn change_total(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    units: i64,
    kind: MovementKind,
    reason: Option<String>,
) -> Result<(), Abort> {
    let level = counters::apply(work, product_id, CounterDelta::receive(units))
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    announcement::announce_after_commit(work, shop, product_id, level);
    let movement = Movement {
        reason,
        ..Movement::of(product_id, kind, units)
    };
    Ok(ledger::append(work, &[movement]).await?)
}

/// A locked backorder with its lines.
struct Backorder {
    order: customer_order::Model,
    lines: Vec<order_line::Model>,
}

/// Returns the backorders of a product, oldest first: as many as there are units, plus one batch,
/// because other server processes may fulfill some of them at the same time.
async fn backorders_of(work: &Work, product_id: i64, units: i64) -> Result<Vec<i64>, Abort> {
    let of_product = sea_orm::QueryTrait::into_query(
        order_line::Entity::find()
            .select_only()
            .column(order_line::Column::OrderId)
            .filter(order_line::Column::ProductId.eq(product_id)),
    );
    Ok(customer_order::Entity::find()
        .select_only()
        .column(customer_order::Column::Id)
        .filter(customer_order::Column::Status.eq(OrderStatus::Backordered.as_str()))
        .filter(customer_order::Column::Id.in_subquery(of_product))
        .order_by_asc(customer_order::Column::Id)
        .limit(units.unsigned_abs() + BACKORDER_BATCH_SIZE)
        .into_tuple()
        .all(work.connection())
        .await?)
}

/// Locks the orders among `ids` that are still backordered, oldest first.
async fn lock_backorders(work: &Work, ids: &[i64]) -> Result<Vec<Backorder>, Abort> {
    let status = OrderStatus::Backordered.as_str();
    let mut backorders = Vec::with_capacity(ids.len());
    for order in locks::orders_in_status(work, ids, status).await? {
        let lines = orders::lines_of(work, order.id).await?;
        backorders.push(Backorder { order, lines });
    }
    Ok(backorders)
}

/// Locks the stock rows of all products of the backorders, and of one more product, in id order.
async fn lock_stock(
    work: &Work,
    backorders: &[Backorder],
    product_id: Option<i64>,
) -> Result<(), Abort> {
    let lines = backorders.iter().flat_map(|backorder| &backorder.lines);
    let ids: Vec<i64> = lines
        .map(|line| line.product_id)
        .chain(product_id)
        .collect();
    locks::stock_rows(work, &ids).await?;
    Ok(())
}

/// Sells to each backorder whose lines are all in stock; one that is not fully in stock does not
/// block later ones.
async fn fulfill(work: &Work, shop: &Shop, backorders: &[Backorder]) -> Result<u64, Abort> {
    let mut fulfilled = 0;
    for Backorder { order, lines } in backorders {
        let rows = settlement::lock_stock(work, lines).await?;
        if !settlement::is_in_stock(lines, &rows) {
            continue;
        }
        settlement::sell(work, shop, lines, &[]).await?;
        let new = NewStatus {
            status: OrderStatus::Paid,
            reason: None,
            due_cents: order.due_cents,
        };
        orders::set_status(work, order.id, new).await?;
        fulfilled += 1;
    }
    Ok(fulfilled)
}
