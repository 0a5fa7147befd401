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
//! reported only if everything was read in one snapshot, or if it differs again after everything
//! was counted again.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::{
    parts::{Cursor, Key},
    rules::{Counted, LedgerDiffers, SoldDiffers},
    scope,
    verified_sums::ledger_sums,
};
use crate::db::dialect;

/// How often the end of the ledger is approached in parts. Each time, only the movements are left
/// that were added meanwhile.
const APPROACHES_MAX: u32 = 4;

/// The sums of the movements above the id `$1`, up to `$2`. The primary key serves it.
const SUMS_BETWEEN: &str = concat!(
    "SELECT m.product_id, INTEGER(m.total) AS total, INTEGER(m.reserved) AS reserved, INTEGER(m.sold) AS sold,
            INTEGER(m.without_order) AS without_order
     FROM (SELECT product_id, ",
    ledger_sums!(),
    ",
           sum(CASE WHEN order_id IS NOT NULL THEN 0
                    WHEN kind = 'sell' THEN quantity WHEN kind = 'return' THEN -quantity ELSE 0 END) AS without_order
     FROM stock_movement WHERE id > $1 AND id <= $2 GROUP BY product_id) m"
);

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

/// The sums of a product's movements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    total: i64,
    reserved: i64,
    sold: i64,
    /// Sold units of movements without an order.
    without_order: i64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.reserved = self.reserved.saturating_add(other.reserved);
        self.sold = self.sold.saturating_add(other.sold);
        self.without_order = self.without_order.saturating_add(other.without_order);
    }
}

#[derive(FromQueryResult)]
struct SumsRow {
    product_id: i64,
    total: i64,
    reserved: i64,
    sold: i64,
    without_order: i64,
}

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

type Ledger = BTreeMap<i64, Sums>;

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
#[derive(Clone, Debug)]
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

#[derive(Clone, Debug)]
struct Movements {
    sums: Ledger,
    counted_to: i64,
    /// Every movement up to this id is decided.
    decided: i64,
    approaches: u32,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            movements: Movements {
                sums: Ledger::new(),
                // Below any id, also one that was inserted by hand.
                counted_to: i64::MIN,
                decided: i64::MIN,
                approaches: 0,
            },
            differences: BTreeMap::new(),
            orders: Cursor::default(),
            are_orders_read: false,
            first_snapshot: None,
            suspects: None,
        }
    }
}

impl Counters {
    /// Sets the id up to which every movement is decided; `None` if that is not known because a
    /// transaction stays open that writes. Then the rest is read in one snapshot. That transaction
    /// keeps old versions of rows for longer than the snapshot does.
    pub fn decide(&mut self, id: Option<i64>) {
        let movements = &mut self.movements;
        match id {
            Some(id) if id > movements.counted_to => {
                movements.decided = id;
                movements.approaches += 1;
            }
            _ => movements.approaches = APPROACHES_MAX,
        }
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
        if movements.counted_to < movements.decided {
            self.first_snapshot.get_or_insert(snapshot);
            let is_full = movements.add_decided(connection, rows).await?;
            return Ok(Step::Continue { is_full });
        }
        if movements.approaches < APPROACHES_MAX
            && movements.are_more_than(connection, tail).await?
        {
            return Ok(Step::NeedsDecidedId);
        }
        let ledger = movements.all(connection).await?;
        movements.approaches = 0;
        let different = self.compare(connection, counted, &ledger).await?;
        Ok(self.judge(different, snapshot))
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

    /// Returns the products whose counters differ, each with the sentence about it.
    async fn compare(
        &self,
        connection: &impl ConnectionTrait,
        counted: Counted,
        ledger: &Ledger,
    ) -> Result<Vec<(i64, String)>, DbErr> {
        let rows = StockRow::find_by_statement(dialect::statement(STOCK_ROWS, []));
        let rows = rows.all(connection).await?;
        let sentences = rows.iter().filter_map(|row| {
            let sums = ledger.get(&row.product_id).copied().unwrap_or_default();
            let sentence = match counted {
                Counted::Ledger => ledger_differs(row, sums).map(|found| found.to_string()),
                Counted::Sold => {
                    let difference = self.differences.get(&row.product_id).copied();
                    sold_differs(row, sums, difference.unwrap_or(0)).map(|found| found.to_string())
                }
            };
            sentence.map(|sentence| (row.product_id, sentence))
        });
        Ok(sentences.collect())
    }

    /// Decides whether what differs is a violation, or whether everything is to be counted again.
    fn judge(&mut self, different: Vec<(i64, String)>, snapshot: u32) -> Step {
        let is_one_snapshot = self.first_snapshot.is_none_or(|first| first == snapshot);
        if different.is_empty() || is_one_snapshot {
            self.suspects = None;
            return Step::Compared(
                different
                    .into_iter()
                    .map(|(_, sentence)| sentence)
                    .collect(),
            );
        }
        match self.suspects.take() {
            Some(suspects) => {
                let confirmed = different.into_iter();
                let confirmed = confirmed.filter(|(product, _)| suspects.contains(product));
                Step::Compared(confirmed.map(|(_, sentence)| sentence).collect())
            }
            None => {
                *self = Self {
                    suspects: Some(different.into_iter().map(|(product, _)| product).collect()),
                    ..Self::default()
                };
                Step::Continue { is_full: false }
            }
        }
    }
}

impl Movements {
    /// Adds the next movements that are decided. Returns true if there were as many as `rows`.
    async fn add_decided(
        &mut self,
        connection: &impl ConnectionTrait,
        rows: u64,
    ) -> Result<bool, DbErr> {
        let (highest, found) =
            read_ahead(connection, (self.counted_to, self.decided), rows).await?;
        let is_full = found.unsigned_abs() >= rows;
        let to = highest.filter(|_| is_full).unwrap_or(self.decided);
        for (product, sums) in read_sums(connection, (self.counted_to, to)).await? {
            self.sums.entry(product).or_default().add(sums);
        }
        self.counted_to = to;
        Ok(is_full)
    }

    /// True if more than `rows` movements are not counted.
    async fn are_more_than(
        &self,
        connection: &impl ConnectionTrait,
        rows: u64,
    ) -> Result<bool, DbErr> {
        let range = (self.counted_to, i64::MAX);
        let (_, found) = read_ahead(connection, range, rows.saturating_add(1)).await?;
        Ok(found.unsigned_abs() > rows)
    }

    /// Returns the sums of all movements that this snapshot shows.
    async fn all(&self, connection: &impl ConnectionTrait) -> Result<Ledger, DbErr> {
        let mut ledger = self.sums.clone();
        for (product, sums) in read_sums(connection, (self.counted_to, i64::MAX)).await? {
            ledger.entry(product).or_default().add(sums);
        }
        Ok(ledger)
    }
}

/// Returns the highest id of the first `rows` movements of a range of ids, and how many there are.
async fn read_ahead(
    connection: &impl ConnectionTrait,
    (after, up_to): (i64, i64),
    rows: u64,
) -> Result<(Option<i64>, i64), DbErr> {
    #[derive(FromQueryResult)]
    struct Ahead {
        highest: Option<i64>,
        found: i64,
    }
    let sql = "SELECT max(p.id) AS highest, count(*) AS found \
               FROM (SELECT id FROM stock_movement WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3) p";
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let values = [after.into(), up_to.into(), rows.into()];
    let ahead = Ahead::find_by_statement(dialect::statement(sql, values));
    let ahead = ahead.one(connection).await?;
    Ok(ahead.map_or((None, 0), |ahead| (ahead.highest, ahead.found)))
}

async fn read_sums(
    connection: &impl ConnectionTrait,
    (after, up_to): (i64, i64),
) -> Result<Vec<(i64, Sums)>, DbErr> {
    let sql = scope::in_engine_words(SUMS_BETWEEN);
    let rows = SumsRow::find_by_statement(dialect::statement(&sql, [after.into(), up_to.into()]));
    let rows = rows.all(connection).await?.into_iter().map(|row| {
        let sums = Sums {
            total: row.total,
            reserved: row.reserved,
            sold: row.sold,
            without_order: row.without_order,
        };
        (row.product_id, sums)
    });
    Ok(rows.collect())
}

fn ledger_differs(row: &StockRow, sums: Sums) -> Option<LedgerDiffers> {
    let of_row = (row.total, row.reserved, row.sold);
    (of_row != (sums.total, sums.reserved, sums.sold)).then_some(LedgerDiffers {
        product_id: row.product_id,
        ledger_total: sums.total,
        ledger_reserved: sums.reserved,
        ledger_sold: sums.sold,
        total: row.total,
        reserved: row.reserved,
        sold: row.sold,
    })
}

fn sold_differs(row: &StockRow, sums: Sums, difference: i64) -> Option<SoldDiffers> {
    let moved = sums.sold.saturating_sub(sums.without_order);
    let ordered = moved.saturating_add(difference);
    (row.sold != ordered).then_some(SoldDiffers {
        product_id: row.product_id,
        sold: row.sold,
        ordered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn different(products: &[i64]) -> Vec<(i64, String)> {
        products.iter().map(|id| (*id, id.to_string())).collect()
    }

    fn counted_since(snapshot: u32) -> Counters {
        Counters {
            first_snapshot: Some(snapshot),
            ..Counters::default()
        }
    }

    #[test]
    fn units_on_lines_are_the_ledgers_plus_the_differences_of_the_orders() {
        let row = StockRow {
            product_id: 1,
            total: 9,
            reserved: 0,
            sold: 5,
        };
        let sums = |sold, without_order| Sums {
            sold,
            without_order,
            ..Sums::default()
        };
        assert!(sold_differs(&row, sums(5, 0), 0).is_none());
        // The ledger lacks a unit that is on a line.
        assert!(sold_differs(&row, sums(4, 0), 1).is_none());
        assert_eq!(
            sold_differs(&row, sums(5, 0), -1).map(|found| found.ordered),
            Some(4)
        );
        // A movement without an order is on no line.
        assert_eq!(
            sold_differs(&row, sums(5, 2), 0).map(|found| found.ordered),
            Some(3)
        );
    }

    #[test]
    fn what_one_snapshot_shows_is_a_violation_at_once() {
        for mut counters in [Counters::default(), counted_since(7)] {
            let step = counters.judge(different(&[1, 2]), 7);
            assert_eq!(step, Step::Compared(vec!["1".to_owned(), "2".to_owned()]));
        }
    }

    #[test]
    fn what_several_snapshots_show_is_counted_again() {
        let mut counters = counted_since(1);
        let step = counters.judge(different(&[1, 2]), 7);
        assert_eq!(step, Step::Continue { is_full: false });
        assert_eq!(counters.movements.counted_to, i64::MIN);
        // Product 2 differed because a row was changed meanwhile, as product 3 does now.
        counters.first_snapshot = Some(8);
        let step = counters.judge(different(&[1, 3]), 9);
        assert_eq!(step, Step::Compared(vec!["1".to_owned()]));
    }

    #[test]
    fn without_a_decided_id_the_rest_is_read_in_one_snapshot() {
        let mut counters = Counters::default();
        counters.decide(Some(100));
        assert_eq!(counters.movements.decided, 100);
        assert_eq!(counters.movements.approaches, 1);
        counters.movements.counted_to = 100;
        for id in [None, Some(100)] {
            counters.movements.approaches = 1;
            counters.decide(id);
            assert_eq!(counters.movements.approaches, APPROACHES_MAX);
        }
    }
}
