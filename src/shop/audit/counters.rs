//! Compares the counters of the stock rows with history, for the full audit, which does not rely on
//! the sums of the continuous one.
//!
//! Movements are added up in ranges of their ids, each in its own snapshot, up to an id below which
//! every movement is decided: none of them can be committed later. The snapshot that reads the
//! stock rows also reads the movements above that id, so both are of one moment.
//!
//! Units on order lines are not read in one moment. The audit adds up, order by order and each
//! order in one snapshot, by how much the lines differ from the movements: for a correct order by
//! nothing, before and after each change. Units on all lines are the ledger's sold units plus these
//! differences.
//!
//! If old rows are changed meanwhile, a sum is of no moment at all. So a counter that differs is
//! reported only if everything was read in one snapshot. Otherwise a product with little history is
//! counted again in the snapshot that reads its row; for one with much history, everything is
//! counted again in parts, and it is reported if it differs again.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::{
    movements::{self, Ledger, Movements, Sums},
    parts::{Cursor, Key},
    recount::{self, History},
    rules::{Counted, LedgerDiffers, SoldDiffers},
};
use crate::db::dialect;

/// Most products that are counted again in one snapshot.
const RECOUNTED_MAX: usize = 20;

/// By how much the lines of orders differ from their movements. `order_line_once_a_product` serves
/// the lines, `stock_movement_order_id` the movements, also of orders that do not exist.
const DIFFERENCES: &str = "
    SELECT d.product_id, INTEGER(sum(d.units)) AS units
    FROM (SELECT l.product_id,
                 CASE WHEN c.status IN ('placed', 'paid') THEN l.quantity - l.returned_quantity ELSE 0 END AS units
          FROM order_line l JOIN customer_order c ON c.id = l.order_id WHERE IN_ORDERS(l.order_id)
          UNION ALL
          SELECT product_id, CASE kind WHEN 'sell' THEN -quantity ELSE quantity END AS units
          FROM stock_movement WHERE kind IN ('sell', 'return') AND IN_ORDERS(order_id)) d
    GROUP BY d.product_id HAVING sum(d.units) <> 0";

const STOCK_ROWS: &str = "SELECT product_id, total, reserved, sold FROM stock_level WHERE NOT unguarded ORDER BY product_id";

#[derive(FromQueryResult)]
struct DifferenceRow {
    product_id: i64,
    units: i64,
}

#[derive(FromQueryResult)]
struct StockRow {
    product_id: i64,
    total: i64,
    reserved: i64,
    sold: i64,
}

/// What comes after a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Another part. `is_full` if this one had as many rows as wanted.
    Continue { is_full: bool },
    /// The caller must call [`Counters::decide`] first, outside of a snapshot.
    NeedsDecidedId,
    /// The violations.
    Compared(Vec<String>),
}

/// What was counted so far.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    movements: Movements,
    /// Units on lines minus units of movements, of the orders that were read.
    differences: BTreeMap<i64, i64>,
    orders: Cursor,
    are_orders_read: bool,
    /// The number of the snapshot that read the first part.
    first_snapshot: Option<u32>,
    /// The products that differed when everything was counted for the first time.
    suspects: Option<BTreeSet<i64>>,
}

impl Counters {
    /// See [`Movements::decide`].
    pub fn decide(&mut self, id: Option<i64>) {
        self.movements.decide(id);
    }

    /// Reads the next part, with about `rows` rows, in the snapshot with the number `snapshot`. At
    /// most `tail` movements are read together with the stock rows, if that can be avoided.
    pub async fn next(
        &mut self,
        connection: &impl ConnectionTrait,
        counted: Counted,
        (rows, tail): (u64, u64),
        snapshot: u32,
    ) -> Result<Step, DbErr> {
        if counted == Counted::Sold && !self.are_orders_read {
            self.first_snapshot.get_or_insert(snapshot);
            return self.add_orders(connection, rows).await;
        }
        let movements = &mut self.movements;
        if movements.are_decided_left() {
            self.first_snapshot.get_or_insert(snapshot);
            let is_full = movements.add_decided(connection, rows).await?;
            return Ok(Step::Continue { is_full });
        }
        if movements.should_approach(connection, tail).await? {
            return Ok(Step::NeedsDecidedId);
        }
        let ledger = movements.all(connection).await?;
        let different = self.compare(connection, counted, &ledger).await?;
        if self.first_snapshot.is_none_or(|first| first == snapshot) {
            let certain = different.into_iter().map(|(_, sentence)| sentence);
            return Ok(self.judge(certain.collect(), Vec::new()));
        }
        let (certain, open) = recount_all(connection, counted, different, tail).await?;
        Ok(self.judge(certain, open))
    }

    async fn add_orders(
        &mut self,
        connection: &impl ConnectionTrait,
        rows: u64,
    ) -> Result<Step, DbErr> {
        let part = self.orders.next(connection, Key::Orders, rows).await?;
        let found = DifferenceRow::find_by_statement(part.restrict(DIFFERENCES));
        for row in found.all(connection).await? {
            let sum = self.differences.entry(row.product_id).or_default();
            *sum = sum.saturating_add(row.units);
        }
        self.are_orders_read = part.is_last();
        Ok(Step::Continue {
            is_full: !part.is_last(),
        })
    }

    /// Returns the stock rows that differ, each with the sentence about it.
    async fn compare(
        &self,
        connection: &impl ConnectionTrait,
        counted: Counted,
        ledger: &Ledger,
    ) -> Result<Vec<(StockRow, String)>, DbErr> {
        let rows = StockRow::find_by_statement(dialect::statement(STOCK_ROWS, []));
        let rows = rows.all(connection).await?.into_iter();
        let different = rows.filter_map(|row| {
            let sums = ledger.get(&row.product_id).copied().unwrap_or_default();
            let sentence = match counted {
                Counted::Ledger => ledger_differs(&row, sums),
                Counted::Sold => {
                    let difference = self.differences.get(&row.product_id).copied();
                    sold_differs(&row, sums.ordered(difference.unwrap_or(0)))
                }
            };
            sentence.map(|sentence| (row, sentence))
        });
        Ok(different.collect())
    }

    /// Decides whether the comparison is finished: what differs for certain is a violation. What
    /// differs, but was read in several snapshots, is one if it differs a second time.
    fn judge(&mut self, mut certain: Vec<String>, open: Vec<(i64, String)>) -> Step {
        let suspects = self.suspects.take();
        if open.is_empty() {
            return Step::Compared(certain);
        }
        if let Some(suspects) = suspects {
            let confirmed = open.into_iter();
            let confirmed = confirmed.filter(|(product, _)| suspects.contains(product));
            certain.extend(confirmed.map(|(_, sentence)| sentence));
            return Step::Compared(certain);
        }
        // What is certain is found again by the second count.
        *self = Self {
            suspects: Some(open.into_iter().map(|(product, _)| product).collect()),
            ..Self::default()
        };
        Step::Continue { is_full: false }
    }
}

/// Counts the products again that differ and have little history. Returns the sentences of those
/// that differ for certain, and the others that differ.
async fn recount_all(
    connection: &impl ConnectionTrait,
    counted: Counted,
    different: Vec<(StockRow, String)>,
    rows_max: u64,
) -> Result<(Vec<String>, Vec<(i64, String)>), DbErr> {
    let (mut certain, mut open) = (Vec::new(), Vec::new());
    for (index, (row, sentence)) in different.into_iter().enumerate() {
        let product = row.product_id;
        let history = match counted {
            Counted::Ledger => History::Movements,
            Counted::Sold => History::Lines,
        };
        if index < RECOUNTED_MAX
            && recount::is_short(connection, history, product, rows_max).await?
        {
            certain.extend(count_again(connection, counted, &row).await?);
        } else {
            open.push((product, sentence));
        }
    }
    Ok((certain, open))
}

/// Counts one product in this snapshot. Returns the sentence about it if it differs.
async fn count_again(
    connection: &impl ConnectionTrait,
    counted: Counted,
    row: &StockRow,
) -> Result<Option<String>, DbErr> {
    match counted {
        Counted::Ledger => {
            let sums = movements::of_product(connection, row.product_id).await?;
            Ok(ledger_differs(row, sums))
        }
        Counted::Sold => {
            let ordered = recount::ordered_units(connection, row.product_id).await?;
            Ok(sold_differs(row, ordered))
        }
    }
}

fn ledger_differs(row: &StockRow, sums: Sums) -> Option<String> {
    let of_row = (row.total, row.reserved, row.sold);
    let found = LedgerDiffers {
        product_id: row.product_id,
        ledger_total: sums.total,
        ledger_reserved: sums.reserved,
        ledger_sold: sums.sold,
        total: row.total,
        reserved: row.reserved,
        sold: row.sold,
    };
    (of_row != (sums.total, sums.reserved, sums.sold)).then(|| found.to_string())
}

fn sold_differs(row: &StockRow, ordered: i64) -> Option<String> {
    let found = SoldDiffers {
        product_id: row.product_id,
        sold: row.sold,
        ordered,
    };
    (row.sold != ordered).then(|| found.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn different(products: &[i64]) -> Vec<(i64, String)> {
        products.iter().map(|id| (*id, id.to_string())).collect()
    }

    fn certain(sentences: &[&str]) -> Vec<String> {
        sentences.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_differs_for_certain_is_a_violation_at_once() {
        let step = Counters::default().judge(certain(&["a", "b"]), Vec::new());
        assert_eq!(step, Step::Compared(certain(&["a", "b"])));
    }

    #[test]
    fn what_several_snapshots_show_is_counted_again() {
        let mut counters = Counters {
            first_snapshot: Some(1),
            are_orders_read: true,
            ..Counters::default()
        };
        counters.decide(Some(100));
        let step = counters.judge(certain(&["a"]), different(&[1, 2]));
        assert_eq!(step, Step::Continue { is_full: false });
        assert_eq!(counters.movements, Movements::default());
        assert!(!counters.are_orders_read);
        // Product 2 differed because a row was changed meanwhile, as product 3 does now.
        let step = counters.judge(certain(&["a"]), different(&[1, 3]));
        assert_eq!(step, Step::Compared(certain(&["a", "1"])));
        assert!(counters.suspects.is_none());
    }
}
