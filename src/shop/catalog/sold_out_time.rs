//! How the current sale of a product sold out, from the ledger: its units, and the time from its
//! start, or from the first unit sold if the sale has no start, to the last unit sold.
//!
//! A sale that has a start is described by what was sold since. Without a start, the sale is the
//! whole history of the product; after a second delivery, its duration would say how long the
//! product was away, so there is none.
//!
//! Only products that are sold out are looked up, and once for each version of their stock row: a
//! purchase does no additional work. The ledger's index finds the first and the last sale of a
//! product without reading those between them. Only a product that was sold before the start of
//! its sale has its movements counted.

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
    model::{SalePlan, SellOut, StockCounts},
    shop::{ledger::MovementKind, moment},
};

/// A product that is sold out, with everything that the time depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoldOut {
    product_id: i64,
    /// The version of its stock row.
    version: i64,
    plan: SalePlan,
    sold: i64,
    total: i64,
}

impl SoldOut {
    /// Returns `None` while there is stock, or if nothing was sold.
    pub fn of(product_id: i64, version: i64, plan: SalePlan, counts: StockCounts) -> Option<Self> {
        let is_sold_out = counts.available <= 0 && counts.reserved <= 0 && counts.sold > 0;
        is_sold_out.then_some(Self {
            product_id,
            version,
            plan,
            sold: counts.sold,
            total: counts.total,
        })
    }
}

/// What this process has looked up.
#[derive(Debug, Default)]
pub struct SoldOutTimes(Mutex<HashMap<i64, (SoldOut, Option<SellOut>)>>);

/// When the first and the last unit of a product were sold; `None` if none was.
#[derive(Debug, FromQueryResult)]
struct SalesRow {
    product_id: i64,
    first_at: Option<OffsetDateTime>,
    last_at: Option<OffsetDateTime>,
    /// Units of the product's first movement, its first delivery.
    delivered: Option<i64>,
}

/// Selects a column of the first movement of each product that passes `filter`, or of the last one
/// in descending order. The index `stock_movement_product_id_id` is read in this order, up to the
/// first one that passes.
fn of_movement(
    column: stock_movement::Column,
    kind: Option<MovementKind>,
    order: Order,
) -> SelectStatement {
    let mut select = Query::select()
        .column(column)
        .from(stock_movement::Entity)
        .and_where(
            Expr::col((stock_movement::Entity, stock_movement::Column::ProductId))
                .equals((product::Entity, product::Column::Id)),
        )
        .order_by(stock_movement::Column::Id, order)
        .limit(1)
        .to_owned();
    if let Some(kind) = kind {
        select.and_where(stock_movement::Column::Kind.eq(kind.as_str()));
    }
    select
}

/// The units of product `$1` that were sold at the time `$2` or later. Of the returned units, only
/// those are subtracted that were sold since: a unit of an earlier sale is sold again in this one.
fn sold_since_sql() -> String {
    let units = dialect::integer(
        "coalesce(sum(CASE m.kind WHEN 'sell' THEN m.quantity ELSE -m.quantity END), 0)",
    );
    format!(
        "SELECT {units} AS units FROM stock_movement m
         WHERE m.product_id = $1 AND m.at >= $2 AND (m.kind = 'sell' OR m.kind = 'return' AND EXISTS (
           SELECT 1 FROM stock_movement s
           WHERE s.order_id = m.order_id AND s.product_id = m.product_id AND s.kind = 'sell' AND s.at >= $2))"
    )
}

impl SoldOutTimes {
    /// Returns how each of `products` sold out, by product id. A product of whose current sale no
    /// unit was sold is left out, as is one whose duration says nothing.
    pub async fn of(&self, db: &Db, products: &[SoldOut]) -> Result<BTreeMap<i64, SellOut>, DbErr> {
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
                let (of, sell_out) = known.get(&asked.product_id)?;
                sell_out
                    .filter(|_| of == asked)
                    .map(|sell_out| (asked.product_id, sell_out))
            })
            .collect())
    }

    async fn look_up(&self, db: &Db, missing: &[SoldOut]) -> Result<(), DbErr> {
        use stock_movement::Column::{At, Quantity};
        let ids: Vec<i64> = missing.iter().map(|asked| asked.product_id).collect();
        let rows = product::Entity::find()
            .select_only()
            .column_as(product::Column::Id, "product_id")
            .expr_as(
                of_movement(At, Some(MovementKind::Sell), Order::Asc),
                "first_at",
            )
            .expr_as(
                of_movement(At, Some(MovementKind::Sell), Order::Desc),
                "last_at",
            )
            .expr_as(of_movement(Quantity, None, Order::Asc), "delivered")
            .filter(dialect::column_in(product::Column::Id, &ids))
            .into_model::<SalesRow>()
            .all(db.reader())
            .await?;
        for asked in missing {
            let row = rows.iter().find(|row| row.product_id == asked.product_id);
            let sell_out = match row.and_then(|row| asked.compare(row)) {
                Some(Sold::InThisSale(sell_out)) => Some(sell_out),
                Some(Sold::AlsoBefore { since, took_ms }) => {
                    let units = sold_since(db, asked.product_id, since).await;
                    units.map(|units| SellOut { units, took_ms })
                }
                Some(Sold::Unknown) | None => None,
            };
            self.lock().insert(asked.product_id, (*asked, sell_out));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, (SoldOut, Option<SellOut>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the units that were sold since a time. It reads all movements of the product: if that
/// takes too long, the page is shown without the number.
async fn sold_since(db: &Db, product_id: i64, since: OffsetDateTime) -> Option<i64> {
    let statement = dialect::statement(&sold_since_sql(), [product_id.into(), since.into()]);
    match UnitsRow::find_by_statement(statement)
        .one(db.reader())
        .await
    {
        Ok(row) => row.map(|row| row.units).filter(|units| *units > 0),
        Err(error) => {
            tracing::warn!(product_id, %error, "could not count the units of a sale");
            None
        }
    }
}

#[derive(Debug, FromQueryResult)]
struct UnitsRow {
    units: i64,
}

/// When the units of a product were sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sold {
    /// All of them in the current sale.
    InThisSale(SellOut),
    /// Some of them before the current sale, which began at `since`.
    AlsoBefore { since: OffsetDateTime, took_ms: i64 },
    /// None of them in the current sale, or the time says nothing.
    Unknown,
}

impl SoldOut {
    /// Returns `None` if no unit was sold.
    fn compare(&self, row: &SalesRow) -> Option<Sold> {
        let (first_ms, last_ms) = (moment::as_ms(row.first_at?), moment::as_ms(row.last_at?));
        let took_ms = |from_ms: i64| last_ms.saturating_sub(from_ms);
        Some(match self.plan.starts_at_ms {
            // Its next sale is only announced, or had no units.
            Some(start_ms) if last_ms < start_ms => Sold::Unknown,
            Some(start_ms) if first_ms < start_ms => Sold::AlsoBefore {
                since: moment::from_ms(start_ms),
                took_ms: took_ms(start_ms),
            },
            None if row.delivered != Some(self.total) => Sold::Unknown,
            start_ms => Sold::InThisSale(SellOut {
                units: self.sold,
                took_ms: took_ms(start_ms.unwrap_or(first_ms)),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sold_out(starts_at_ms: Option<i64>, total: i64) -> SoldOut {
        SoldOut {
            product_id: 1,
            version: 1,
            plan: SalePlan {
                starts_at_ms,
                ends_at_ms: None,
            },
            sold: 20,
            total,
        }
    }

    /// The first delivery had 20 units.
    fn sales(first_ms: i64, last_ms: i64) -> SalesRow {
        SalesRow {
            product_id: 1,
            first_at: Some(moment::from_ms(first_ms)),
            last_at: Some(moment::from_ms(last_ms)),
            delivered: Some(20),
        }
    }

    #[test]
    fn the_time_counts_from_the_start_or_from_the_first_sale() {
        let all = |took_ms| Sold::InThisSale(SellOut { units: 20, took_ms });
        for (starts_at_ms, total, expected) in [
            (None, 20, all(41_000)),
            (Some(4_000), 20, all(42_000)),
            (Some(5_000), 30, all(41_000)),
            // A second delivery.
            (None, 30, Sold::Unknown),
            // The units of an earlier sale; the next one is announced.
            (Some(46_001), 20, Sold::Unknown),
            (
                Some(45_000),
                30,
                Sold::AlsoBefore {
                    since: moment::from_ms(45_000),
                    took_ms: 1_000,
                },
            ),
        ] {
            let compared = sold_out(starts_at_ms, total).compare(&sales(5_000, 46_000));
            assert_eq!(compared, Some(expected), "{starts_at_ms:?} {total}");
        }
        let at_once = sold_out(None, 20).compare(&sales(5_000, 5_000));
        assert_eq!(at_once, Some(all(0)));
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
