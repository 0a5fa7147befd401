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
    parts::{Cursor, Key},
    recount::{self, History},
    rules::{Counted, LedgerDiffers, SoldDiffers},
    scope,
    verified_sums::ledger_sums,
};
use crate::db::dialect;

/// How often the end of the ledger is approached in parts. Each time, only the movements are left
/// that were added meanwhile.
const APPROACHES_MAX: u32 = 4;
/// Most products that are counted again in one snapshot.
const RECOUNTED_MAX: usize = 20;

/// Selects the sums of the movements that fulfil a condition, for each product.
macro_rules! sums_of_movements {
    ($condition:literal) => {
        concat!(
            "SELECT m.product_id, INTEGER(m.total) AS total, INTEGER(m.reserved) AS reserved, INTEGER(m.sold) AS sold,
                    INTEGER(m.without_order) AS without_order
             FROM (SELECT product_id, ",
            ledger_sums!(),
            ",
                   sum(CASE WHEN order_id IS NOT NULL THEN 0
                            WHEN kind = 'sell' THEN quantity WHEN kind = 'return' THEN -quantity ELSE 0 END) AS without_order
             FROM stock_movement WHERE ",
            $condition,
            " GROUP BY product_id) m"
        )
    };
}

/// The sums of the movements above the id `$1`, up to `$2`. The primary key serves it.
const SUMS_BETWEEN: &str = sums_of_movements!("id > $1 AND id <= $2");

/// The sums of all movements of a product. `stock_movement_product_id_id` serves it.
const SUMS_OF_PRODUCT: &str = sums_of_movements!("product_id = $1");

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

    /// Returns the units on order lines, if these differ from the movements of their orders by
    /// `difference` units.
    fn ordered(self, difference: i64) -> i64 {
        self.sold
            .saturating_sub(self.without_order)
            .saturating_add(difference)
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

impl From<SumsRow> for Sums {
    fn from(row: SumsRow) -> Self {
        Self {
            total: row.total,
            reserved: row.reserved,
            sold: row.sold,
            without_order: row.without_order,
        }
    }
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
    let statement = scope::unrestricted(SUMS_BETWEEN, [after.into(), up_to.into()]);
    let rows = SumsRow::find_by_statement(statement).all(connection);
    let rows = rows.await?.into_iter();
    Ok(rows.map(|row| (row.product_id, Sums::from(row))).collect())
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
            let sums = scope::unrestricted(SUMS_OF_PRODUCT, [row.product_id.into()]);
            let sums = SumsRow::find_by_statement(sums).one(connection).await?;
            Ok(ledger_differs(
                row,
                sums.map(Sums::from).unwrap_or_default(),
            ))
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
    fn units_on_lines_are_the_ledgers_plus_the_differences_of_the_orders() {
        let sums = |sold, without_order| Sums {
            sold,
            without_order,
            ..Sums::default()
        };
        assert_eq!(sums(5, 0).ordered(0), 5);
        // The ledger lacks a unit that is on a line, or has one that is not.
        assert_eq!(sums(4, 0).ordered(1), 5);
        assert_eq!(sums(6, 0).ordered(-1), 5);
        // A movement without an order is on no line.
        assert_eq!(sums(7, 2).ordered(0), 5);
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
        counters.movements.counted_to = 100;
        let step = counters.judge(certain(&["a"]), different(&[1, 2]));
        assert_eq!(step, Step::Continue { is_full: false });
        assert_eq!(counters.movements.counted_to, i64::MIN);
        assert!(!counters.are_orders_read);
        // Product 2 differed because a row was changed meanwhile, as product 3 does now.
        let step = counters.judge(certain(&["a"]), different(&[1, 3]));
        assert_eq!(step, Step::Compared(certain(&["a", "1"])));
        assert!(counters.suspects.is_none());
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
