//! How long a product took to sell out, from the ledger: from the start of its sale, or from the
//! first unit sold if the sale has no start, to the last unit sold.
//!
//! Only products that are sold out are looked up, and once for each version of their stock row: a
//! purchase does no additional work. The ledger's index finds the first and the last sale of a
//! product without reading those between them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use time::OffsetDateTime;

use crate::{
    db::{
        Db, dialect,
        entity::{product, stock_movement},
    },
    model::{SalePlan, StockCounts},
    shop::{ledger::MovementKind, moment},
};

/// A product that is sold out, with everything that the time depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoldOut {
    product_id: i64,
    /// The version of its stock row.
    version: i64,
    plan: SalePlan,
}

impl SoldOut {
    /// Returns `None` while there is stock, or if nothing was sold.
    pub fn of(product_id: i64, version: i64, plan: SalePlan, counts: StockCounts) -> Option<Self> {
        let is_sold_out = counts.available <= 0 && counts.reserved <= 0 && counts.sold > 0;
        is_sold_out.then_some(Self {
            product_id,
            version,
            plan,
        })
    }
}

/// The times that this process has looked up.
#[derive(Debug, Default)]
pub struct SoldOutTimes(Mutex<HashMap<i64, (SoldOut, Option<i64>)>>);

/// When the first and the last unit of a product were sold; `None` if none was.
#[derive(Debug, FromQueryResult)]
struct SalesRow {
    product_id: i64,
    first_at: Option<OffsetDateTime>,
    last_at: Option<OffsetDateTime>,
}

/// Selects when the first unit of each product was sold, or the last one in descending order. The
/// index `stock_movement_product_id_id` is read in this order, up to the first sale.
fn sold_at(order: Order) -> SelectStatement {
    Query::select()
        .column(stock_movement::Column::At)
        .from(stock_movement::Entity)
        .and_where(
            Expr::col((stock_movement::Entity, stock_movement::Column::ProductId))
                .equals((product::Entity, product::Column::Id)),
        )
        .and_where(stock_movement::Column::Kind.eq(MovementKind::Sell.as_str()))
        .order_by(stock_movement::Column::Id, order)
        .limit(1)
        .to_owned()
}

impl SoldOutTimes {
    /// Returns how long each of `products` took to sell out, in milliseconds, by product id. A
    /// product whose last unit was sold before its sale starts is left out: its next sale is only
    /// announced.
    pub async fn of(&self, db: &Db, products: &[SoldOut]) -> Result<BTreeMap<i64, i64>, DbErr> {
        let missing: Vec<SoldOut> = {
            let known = self.lock();
            let is_known = |asked: &SoldOut| {
                let entry = known.get(&asked.product_id);
                entry.is_some_and(|(of, _)| of == asked)
            };
            let missing = products.iter().filter(|asked| !is_known(asked));
            missing.copied().collect()
        };
        if !missing.is_empty() {
            self.look_up(db, &missing).await?;
        }
        let known = self.lock();
        Ok(products
            .iter()
            .filter_map(|asked| {
                let (of, took_ms) = known.get(&asked.product_id)?;
                took_ms
                    .filter(|_| of == asked)
                    .map(|took_ms| (asked.product_id, took_ms))
            })
            .collect())
    }

    async fn look_up(&self, db: &Db, missing: &[SoldOut]) -> Result<(), DbErr> {
        let ids: Vec<i64> = missing.iter().map(|asked| asked.product_id).collect();
        let rows = product::Entity::find()
            .select_only()
            .column_as(product::Column::Id, "product_id")
            .expr_as(sold_at(Order::Asc), "first_at")
            .expr_as(sold_at(Order::Desc), "last_at")
            .filter(dialect::column_in(product::Column::Id, &ids))
            .into_model::<SalesRow>()
            .all(db.reader())
            .await?;
        let mut known = self.lock();
        for asked in missing {
            let row = rows.iter().find(|row| row.product_id == asked.product_id);
            let took_ms = row.and_then(|row| {
                let (first, last) = (row.first_at?, row.last_at?);
                took_ms(asked.plan, moment::as_ms(first), moment::as_ms(last))
            });
            known.insert(asked.product_id, (*asked, took_ms));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, (SoldOut, Option<i64>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn took_ms(plan: SalePlan, first_sold_ms: i64, last_sold_ms: i64) -> Option<i64> {
    let from = plan.starts_at_ms.unwrap_or(first_sold_ms);
    (last_sold_ms >= from).then_some(last_sold_ms - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_counts_from_the_start_or_from_the_first_sale() {
        let plan = |starts_at_ms| SalePlan {
            starts_at_ms,
            ends_at_ms: None,
        };
        assert_eq!(took_ms(plan(None), 5_000, 46_000), Some(41_000));
        assert_eq!(took_ms(plan(Some(4_000)), 5_000, 46_000), Some(42_000));
        assert_eq!(took_ms(plan(None), 5_000, 5_000), Some(0));
        // The units of an earlier sale; the next one is announced.
        assert_eq!(took_ms(plan(Some(46_001)), 5_000, 46_000), None);
    }

    #[test]
    fn only_what_is_sold_out_has_a_time() {
        let sold_out = |available, reserved, sold| {
            let counts = StockCounts {
                available,
                reserved,
                sold,
                total: available + reserved + sold,
            };
            SoldOut::of(1, 1, SalePlan::default(), counts).is_some()
        };
        assert!(sold_out(0, 0, 20));
        assert!(!sold_out(1, 0, 19));
        assert!(!sold_out(0, 1, 19));
        assert!(!sold_out(0, 0, 0));
    }
}
