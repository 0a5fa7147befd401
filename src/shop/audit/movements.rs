//! Adds up the movements of the ledger in ranges of their ids, each in its own snapshot, up to an
//! id below which every movement is decided.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::{scope, verified_sums::ledger_sums};
use crate::db::dialect;

/// How often the end of the ledger is approached in parts. Each time, only the movements are left
/// that were added meanwhile.
const APPROACHES_MAX: u32 = 4;

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

/// The sums of a product's movements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub total: i64,
    pub reserved: i64,
    pub sold: i64,
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
    pub fn ordered(self, difference: i64) -> i64 {
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

/// The sums of each product.
pub type Ledger = BTreeMap<i64, Sums>;

/// The movements that were added up so far, in ranges of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movements {
    sums: Ledger,
    counted_to: i64,
    /// Every movement up to this id is decided.
    decided: i64,
    approaches: u32,
}

impl Default for Movements {
    fn default() -> Self {
        Self {
            sums: Ledger::new(),
            // Below any id, also one that was inserted by hand.
            counted_to: i64::MIN,
            decided: i64::MIN,
            approaches: 0,
        }
    }
}

impl Movements {
    /// Sets the id up to which every movement is decided; `None` if that is not known because a
    /// transaction stays open that writes. Then the rest is read in one snapshot. That transaction
    /// keeps old versions of rows for longer than the snapshot does.
    pub fn decide(&mut self, id: Option<i64>) {
        match id {
            Some(id) if id > self.counted_to => {
                self.decided = id;
                self.approaches += 1;
            }
            _ => self.approaches = APPROACHES_MAX,
        }
    }

    /// True if decided movements are not counted.
    pub fn are_decided_left(&self) -> bool {
        self.counted_to < self.decided
    }

    /// True if the end of the ledger should be approached again before the rest is read
    /// together with the stock rows: more than `rows` movements are not counted.
    pub async fn should_approach(
        &self,
        connection: &impl ConnectionTrait,
        rows: u64,
    ) -> Result<bool, DbErr> {
        Ok(self.approaches < APPROACHES_MAX && self.are_more_than(connection, rows).await?)
    }

    /// Adds the next movements that are decided. Returns true if there were as many as `rows`.
    pub async fn add_decided(
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

    /// Returns the sums of all movements that this snapshot shows. The end of the ledger may then
    /// be approached again.
    pub async fn all(&mut self, connection: &impl ConnectionTrait) -> Result<Ledger, DbErr> {
        self.approaches = 0;
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

/// Returns the sums of all movements of a product.
pub async fn of_product(connection: &impl ConnectionTrait, product_id: i64) -> Result<Sums, DbErr> {
    let sums = scope::unrestricted(SUMS_OF_PRODUCT, [product_id.into()]);
    let sums = SumsRow::find_by_statement(sums).one(connection).await?;
    Ok(sums.map(Sums::from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn without_a_decided_id_the_rest_is_read_in_one_snapshot() {
        let mut movements = Movements::default();
        movements.decide(Some(100));
        assert_eq!(movements.decided, 100);
        assert_eq!(movements.approaches, 1);
        movements.counted_to = 100;
        for id in [None, Some(100)] {
            movements.approaches = 1;
            movements.decide(id);
            assert_eq!(movements.approaches, APPROACHES_MAX);
        }
    }
}
