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

use sea_orm::{DbErr, FromQueryResult};
use time::OffsetDateTime;

use crate::{
    db::{Db, dialect},
    model::{SalePlan, StockCounts},
    shop::moment,
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

#[derive(Debug, FromQueryResult)]
struct SalesRow {
    product_id: i64,
    first_at: OffsetDateTime,
    last_at: OffsetDateTime,
}

/// `$1` products.
const FIRST_AND_LAST: &str = r#"
SELECT asked.product_id, first.at AS first_at, last.at AS last_at
FROM unnest($1::bigint[]) AS asked (product_id)
CROSS JOIN LATERAL (
  SELECT m.at FROM stock_movement m WHERE m.product_id = asked.product_id AND m.kind = 'sell'
  ORDER BY m.id LIMIT 1) first
CROSS JOIN LATERAL (
  SELECT m.at FROM stock_movement m WHERE m.product_id = asked.product_id AND m.kind = 'sell'
  ORDER BY m.id DESC LIMIT 1) last"#;

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
        let rows = SalesRow::find_by_statement(dialect::statement(FIRST_AND_LAST, [ids.into()]))
            .all(db.reader())
            .await?;
        let mut known = self.lock();
        for asked in missing {
            let row = rows.iter().find(|row| row.product_id == asked.product_id);
            let took_ms = row.and_then(|row| {
                let (first, last) = (moment::as_ms(row.first_at), moment::as_ms(row.last_at));
                took_ms(asked.plan, first, last)
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
