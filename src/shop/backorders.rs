//! Backorders: paid orders that wait for stock. New stock goes to the oldest ones that it covers,
//! in small transactions: sales of the same product wait while one of them holds the stock row.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

use super::{
    Shop,
    orders::{self, NewStatus, watch},
    settlement,
};
use crate::{
    db::{
        entity::{customer_order, order_line, stock},
        locks,
        txn::{self, Abort, TxnError, Work},
    },
    model::OrderStatus,
};

/// Maximum number of backorders that one transaction fulfills.
const BATCH_SIZE: u64 = 20;

/// Fulfills backorders; see [`Shop::backorders`].
#[derive(Clone, Copy, Debug)]
pub struct Backorders<'a> {
    pub(super) shop: &'a Shop,
}

impl Backorders<'_> {
    /// Fulfills backorders from available stock, oldest first, and returns their number. Begins no
    /// further transaction after the time `within`.
    pub async fn fulfill(self, within: Duration) -> Result<u64, TxnError> {
        self.fulfill_batches(None, within).await
    }

    /// The same for the backorders that contain a product.
    pub(super) async fn fulfill_of_product(
        self,
        product_id: i64,
        within: Duration,
    ) -> Result<u64, TxnError> {
        self.fulfill_batches(Some(product_id), within).await
    }

    async fn fulfill_batches(
        self,
        product_id: Option<i64>,
        within: Duration,
    ) -> Result<u64, TxnError> {
        let started = Instant::now();
        let mut fulfilled = 0;
        while started.elapsed() < within {
            // Query without locks first: most of the time no backorder can be fulfilled.
            let ids = self.fulfillable(product_id).await?;
            if ids.is_empty() {
                break;
            }
            let shop = self.shop.clone();
            let batch = txn::run_for_result(
                &self.shop.db,
                self.shop.policy("fulfill backorders"),
                move |work| {
                    let (shop, ids) = (shop.clone(), ids.clone());
                    Box::pin(async move {
                        let backorders = lock(work, &ids).await?;
                        fulfill(work, &shop, &backorders).await
                    })
                },
            )
            .await?;
            if batch == 0 {
                // Another server process fulfilled them first.
                break;
            }
            fulfilled += batch;
        }
        Ok(fulfilled)
    }

    /// Returns backorders that the available stock covers, each considered on its own, oldest
    /// first. An order that stock does not cover does not block later ones.
    async fn fulfillable(self, product_id: Option<i64>) -> Result<Vec<i64>, TxnError> {
        let ids = oldest(product_id)
            .filter(Expr::not_exists(lines_beyond_stock()))
            .into_tuple::<i64>()
            .all(self.shop.db.reader())
            .await;
        ids.map_err(|source| TxnError::Database {
            name: "fulfill backorders",
            source,
        })
    }
}

/// Selects the lines of an order that the available stock does not cover.
fn lines_beyond_stock() -> SelectStatement {
    let product_of_line = Expr::col((stock::Entity, stock::Column::ProductId))
        .equals((order_line::Entity, order_line::Column::ProductId));
    Query::select()
        .column((order_line::Entity, order_line::Column::Id))
        .from(order_line::Entity)
        .inner_join(stock::Entity, product_of_line)
        .and_where(
            Expr::col((order_line::Entity, order_line::Column::OrderId))
                .equals((customer_order::Entity, customer_order::Column::Id)),
        )
        .and_where(
            Expr::col((stock::Entity, stock::Column::Available)).lt(Expr::col((
                order_line::Entity,
                order_line::Column::Quantity,
            ))),
        )
        .to_owned()
}

/// A locked backorder with its lines.
pub(super) struct Backorder {
    order: customer_order::Model,
    lines: Vec<order_line::Model>,
}

/// Returns the oldest backorders of a product, at most as many as one transaction fulfills.
pub(super) async fn oldest_of_product(work: &Work, product_id: i64) -> Result<Vec<i64>, Abort> {
    let ids = oldest(Some(product_id)).into_tuple::<i64>();
    Ok(ids.all(work.connection()).await?)
}

/// Selects the ids of the oldest backorders that contain a product, or of all, at most as many as
/// one transaction fulfills.
fn oldest(product_id: Option<i64>) -> Select<customer_order::Entity> {
    let of_product = |product_id: i64| {
        QueryTrait::into_query(
            order_line::Entity::find()
                .select_only()
                .column(order_line::Column::OrderId)
                .filter(order_line::Column::ProductId.eq(product_id)),
        )
    };
    customer_order::Entity::find()
        .select_only()
        .column(customer_order::Column::Id)
        .filter(customer_order::Column::Status.eq(OrderStatus::Backordered.as_str()))
        .apply_if(product_id, |query, id| {
            query.filter(customer_order::Column::Id.in_subquery(of_product(id)))
        })
        .order_by_asc(customer_order::Column::Id)
        .limit(BATCH_SIZE)
}

/// Locks the orders among `ids` that are still backordered, oldest first.
pub(super) async fn lock(work: &Work, ids: &[i64]) -> Result<Vec<Backorder>, Abort> {
    let status = OrderStatus::Backordered.as_str();
    let mut backorders = Vec::with_capacity(ids.len());
    for order in locks::orders_in_status(work, ids, status).await? {
        let lines = orders::lines_of(work, order.id).await?;
        backorders.push(Backorder { order, lines });
    }
    Ok(backorders)
}

/// Locks the stock rows of all products of the backorders, and of one more product, in id order.
/// Returns the available units of each product.
pub(super) async fn lock_stock(
    work: &Work,
    backorders: &[Backorder],
    product_id: Option<i64>,
) -> Result<HashMap<i64, i64>, Abort> {
    let lines = backorders.iter().flat_map(|backorder| &backorder.lines);
    let ids: Vec<i64> = lines
        .map(|line| line.product_id)
        .chain(product_id)
        .collect();
    let rows = locks::stock_rows(work, &ids).await?;
    let available = rows.into_iter().map(|row| (row.product_id, row.available));
    Ok(available.collect())
}

/// Sells to each backorder whose lines are all in stock; one that is not fully in stock does not
/// block later ones. The caller has locked the backorders.
pub(super) async fn fulfill(
    work: &Work,
    shop: &Shop,
    backorders: &[Backorder],
) -> Result<u64, Abort> {
    let mut available = lock_stock(work, backorders, None).await?;
    let mut fulfilled = 0;
    for Backorder { order, lines } in backorders {
        let left = |line: &order_line::Model| {
            let available = available.get(&line.product_id).copied().unwrap_or_default();
            available - i64::from(line.quantity)
        };
        if lines.iter().any(|line| left(line) < 0) {
            continue;
        }
        let after: Vec<_> = lines
            .iter()
            .map(|line| (line.product_id, left(line)))
            .collect();
        available.extend(after);
        settlement::sell(work, shop, lines, &[]).await?;
        let new = NewStatus {
            status: OrderStatus::Paid,
            reason: None,
            due_cents: order.due_cents,
        };
        orders::set_status(work, order.id, new).await?;
        watch::announce_after_commit(work, shop, order.public_id);
        fulfilled += 1;
    }
    Ok(fulfilled)
}
