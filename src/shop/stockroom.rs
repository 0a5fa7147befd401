//! What the shop's people do about the shelf: units that come in, a stock-take, and the customers who have waited for either.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    idempotency::{self, Claim},
    inventory::{
        counters::{self, Shift},
        purchase,
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

/// The longest reason for a stock-take, in characters.
const REASON_LEN_MAX: usize = 200;
/// Orders in backorder that one transaction of [`Shop::serve_backorders`] takes up.
const SERVED_AT_ONCE: u64 = 100;
/// The most units that a shelf is counted to hold.
pub const COUNT_MAX: i64 = 1_000_000;

/// Orders of which each, by itself, could be served now, oldest first. Those that cannot be stand in nobody's way.
const COULD_BE_SERVED: &str = "
    SELECT o.id FROM customer_order o
    WHERE o.status = 'backordered'
      AND NOT EXISTS (SELECT 1 FROM order_line l JOIN stock s ON s.product_id = l.product_id
                      WHERE l.order_id = o.id AND s.available < l.quantity)
    ORDER BY o.id LIMIT $1";

impl Shop {
    /// Takes `quantity` new units in, and gives them to those who had paid and were waiting when it began, before anybody else sees them. Whoever
    /// begins to wait meanwhile is served in the servers' next round. Once for the key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; a reused key; or what the database failure means.
    pub async fn receive_stock(
        &self,
        product_id: i64,
        quantity: Quantity,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        self.in_stockroom("receive stock", claim, move |work, shop| {
            Box::pin(receive(work, shop, product_id, quantity))
        })
        .await
    }

    /// Makes the books agree with a count of the shelf. Units in holds lie on it too. Once for the key.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`]; [`ShopError::FieldsInvalid`] without a reason, or for a count out of range; [`ShopError::NotNow`] for a
    /// count below what is held; a reused key; or what the database failure means.
    pub async fn take_stock(
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
                "A reason of at most 200 characters.",
            ));
        }
        if !(0..=COUNT_MAX).contains(&counted) {
            return Err(ShopError::field_invalid(
                "counted",
                "A whole number from 0 to 1,000,000.",
            ));
        }
        self.in_stockroom("stock-take", claim, move |work, shop| {
            let reason = reason.clone();
            Box::pin(async move { adjust(work, shop, product_id, counted, reason).await })
        })
        .await
    }

    /// Gives what has come back to the shelf to those who have paid and waited, first come first served. Returns how many were served.
    ///
    /// # Errors
    /// What the database says.
    pub async fn serve_backorders(&self) -> Result<u64, TxnError> {
        let mut served = 0;
        loop {
            // Asked without a lock first: most of the time nobody waits, or nothing has come.
            let ids = self.could_be_served().await?;
            if ids.is_empty() {
                return Ok(served);
            }
            let shop = self.clone();
            let batch =
                txn::run_for_result(&self.db, self.policy("serve backorders"), move |work| {
                    let (shop, ids) = (shop.clone(), ids.clone());
                    Box::pin(async move {
                        let waiting = lock_waiting(work, &ids).await?;
                        lock_their_stock(work, &waiting, None).await?;
                        serve(work, &shop, &waiting).await
                    })
                })
                .await?;
            if batch == 0 {
                // Somebody else was quicker.
                return Ok(served);
            }
            served += batch;
        }
    }

    async fn could_be_served(&self) -> Result<Vec<i64>, TxnError> {
        let at_most = i64::try_from(SERVED_AT_ONCE).unwrap_or(i64::MAX);
        let statement = dialect::statement(COULD_BE_SERVED, [at_most.into()]);
        let rows = self.db.reader().query_all_raw(statement).await;
        let ids = rows.and_then(|rows| rows.iter().map(|row| row.try_get_by_index(0)).collect());
        ids.map_err(|source| TxnError::Database {
            name: "serve backorders",
            source,
        })
    }

    async fn in_stockroom<F>(
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
    shop_product(work, product_id).await?;
    let units = i64::from(quantity.get());
    let ids = waiting_for(work, product_id, units).await?;
    let waiting = lock_waiting(work, &ids).await?;
    lock_their_stock(work, &waiting, Some(product_id)).await?;
    change_total(work, shop, product_id, units, MovementKind::Receive, None).await?;
    serve(work, shop, &waiting).await.map(drop)
}

async fn adjust(
    work: &Work,
    shop: &Shop,
    product_id: i64,
    counted: i64,
    reason: String,
) -> Result<(), Abort> {
    shop_product(work, product_id).await?;
    let row = locks::stock_row(work, product_id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    if counted < row.reserved {
        return Err(ShopError::NotNow(format!(
            "{} units are held for customers at the checkout: count again when their reservations have ended, or cancel their orders.",
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

async fn shop_product(work: &Work, product_id: i64) -> Result<(), Abort> {
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
    let level = counters::apply(work, product_id, Shift::receive(units))
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    purchase::announce(work, shop, product_id, level);
    let movement = Movement {
        reason,
        ..Movement::of(product_id, kind, units)
    };
    Ok(ledger::append(work, &[movement]).await?)
}

/// An order that waits, with its lines.
struct Waiting {
    order: customer_order::Model,
    lines: Vec<order_line::Model>,
}

/// The orders that wait for a product, oldest first: as many as there are units, and some more, since others may be serving them too.
async fn waiting_for(work: &Work, product_id: i64, units: i64) -> Result<Vec<i64>, Abort> {
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
        .limit(units.unsigned_abs() + SERVED_AT_ONCE)
        .into_tuple()
        .all(work.connection())
        .await?)
}

/// Locks those of `ids` that still wait, oldest first.
async fn lock_waiting(work: &Work, ids: &[i64]) -> Result<Vec<Waiting>, Abort> {
    let status = OrderStatus::Backordered.as_str();
    let mut waiting = Vec::with_capacity(ids.len());
    for order in locks::orders_in_status(work, ids, status).await? {
        let lines = orders::lines_of(work, order.id).await?;
        waiting.push(Waiting { order, lines });
    }
    Ok(waiting)
}

/// Locks the rows of all of their products, and of one more, in id order.
async fn lock_their_stock(
    work: &Work,
    waiting: &[Waiting],
    product_id: Option<i64>,
) -> Result<(), Abort> {
    let theirs = waiting.iter().flat_map(|waiting| &waiting.lines);
    let ids: Vec<i64> = theirs
        .map(|line| line.product_id)
        .chain(product_id)
        .collect();
    locks::stock_rows(work, &ids).await?;
    Ok(())
}

/// Sells to each whose every line is on the shelf; one that is not does not hold up those behind it.
async fn serve(work: &Work, shop: &Shop, waiting: &[Waiting]) -> Result<u64, Abort> {
    let mut served = 0;
    for Waiting { order, lines } in waiting {
        let rows = settlement::lock_stock(work, lines).await?;
        if !settlement::is_on_shelf(lines, &rows) {
            continue;
        }
        settlement::sell(work, shop, lines, &[]).await?;
        let new = NewStatus {
            status: OrderStatus::Paid,
            reason: None,
            due_cents: order.due_cents,
        };
        orders::set_status(work, order.id, new).await?;
        served += 1;
    }
    Ok(served)
}
