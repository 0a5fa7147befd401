//! Rules about the counters of the stock rows, and the rows that they summarize.

use std::fmt;

use sea_orm::FromQueryResult;

use super::{Check, Counted, Rule};
use crate::shop::audit::verified_sums::ledger_sums;

pub const CONSERVED: Rule = Rule {
    name: "stock-conserved",
    requirement: "total = available + reserved + sold, and no counter is negative",
    checks: &[Check::whole::<NotConserved>(
        "SELECT product_id, total, available, reserved, sold
         FROM stock_level
         WHERE NOT unguarded
           AND (available < 0 OR reserved < 0 OR sold < 0 OR total <> available + reserved + sold)",
    )],
};

#[derive(FromQueryResult)]
struct NotConserved {
    product_id: i64,
    total: i64,
    available: i64,
    reserved: i64,
    sold: i64,
}

impl fmt::Display for NotConserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "product {}: total {}, available {}, reserved {}, sold {}",
            self.product_id, self.total, self.available, self.reserved, self.sold
        )
    }
}

pub const LEDGER_EQUALS_COUNTERS: Rule = Rule {
    name: "ledger-equals-counters",
    requirement: "the ledger's sums equal the stock counters",
    checks: &[Check {
        counted: Some(Counted::Ledger),
        ..Check::whole::<LedgerDiffers>(LEDGER_SINCE_WATERMARK)
    }],
};

/// The ledger's sums, continued from those that were verified up to the watermark. A product whose
/// movements were changed or deleted is counted from the start. The primary key serves the
/// movements above the watermark, and `stock_movement_product_id_id` those of such a product.
const LEDGER_SINCE_WATERMARK: &str = concat!(
    "WITH recounted AS (SELECT row_id AS product_id FROM audit_change WHERE kind = 'ledger'),
          part AS (
            SELECT product_id, total, reserved, sold FROM audit_ledger
            WHERE product_id NOT IN (SELECT product_id FROM recounted)
            UNION ALL
            SELECT product_id, ",
    ledger_sums!(),
    "
            FROM (SELECT product_id, kind, quantity, hold_id FROM stock_movement
                  WHERE id > (SELECT verified_id FROM audit_watermark WHERE table_name = 'stock_movement')
                    AND product_id NOT IN (SELECT product_id FROM recounted)
                  UNION ALL
                  SELECT product_id, kind, quantity, hold_id FROM stock_movement
                  WHERE product_id IN (SELECT product_id FROM recounted)) m
            GROUP BY product_id),
          ledger AS (SELECT product_id, sum(total) AS total, sum(reserved) AS reserved, sum(sold) AS sold
                     FROM part GROUP BY product_id)
     SELECT s.product_id, INTEGER(coalesce(l.total, 0)) AS ledger_total,
            INTEGER(coalesce(l.reserved, 0)) AS ledger_reserved, INTEGER(coalesce(l.sold, 0)) AS ledger_sold,
            s.total, s.reserved, s.sold
     FROM stock_level s
     LEFT JOIN ledger l ON l.product_id = s.product_id
     WHERE NOT s.unguarded
       AND (coalesce(l.total, 0) <> s.total OR coalesce(l.reserved, 0) <> s.reserved
            OR coalesce(l.sold, 0) <> s.sold)"
);

#[derive(Debug, FromQueryResult)]
pub struct LedgerDiffers {
    pub product_id: i64,
    pub ledger_total: i64,
    pub ledger_reserved: i64,
    pub ledger_sold: i64,
    pub total: i64,
    pub reserved: i64,
    pub sold: i64,
}

impl fmt::Display for LedgerDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "product {}: total {}, reserved {}, sold {} in the ledger; {}, {}, {} in the stock row",
            self.product_id,
            self.ledger_total,
            self.ledger_reserved,
            self.ledger_sold,
            self.total,
            self.reserved,
            self.sold
        )
    }
}

pub const RESERVED_EQUALS_HOLDS: Rule = Rule {
    name: "reserved-equals-holds",
    requirement: "reserved units equal the units of open holds",
    checks: &[Check::whole::<ReservedDiffers>(
        "SELECT s.product_id, s.reserved, INTEGER(coalesce(h.units, 0)) AS held
         FROM stock_level s
         LEFT JOIN (SELECT product_id, sum(quantity) AS units FROM hold WHERE state = 'held' GROUP BY product_id) h
           ON h.product_id = s.product_id
         WHERE NOT s.unguarded AND s.reserved <> coalesce(h.units, 0)",
    )],
};

#[derive(FromQueryResult)]
struct ReservedDiffers {
    product_id: i64,
    reserved: i64,
    held: i64,
}

impl fmt::Display for ReservedDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "product {}: reserved {} in the stock row, {} in the holds",
            self.product_id, self.reserved, self.held
        )
    }
}

pub const SOLD_EQUALS_ORDER_LINES: Rule = Rule {
    name: "sold-equals-order-lines",
    requirement: "sold units equal the units on lines of sold orders, minus returned units",
    checks: &[Check {
        counted: Some(Counted::Sold),
        ..Check::restricted::<SoldByOrderDiffers>(SOLD_BY_CHANGED_ORDERS)
    }],
};

/// Found by the full audit, which counts lines itself.
#[derive(Debug)]
pub struct SoldDiffers {
    pub product_id: i64,
    pub sold: i64,
    pub ordered: i64,
}

impl fmt::Display for SoldDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "product {}: sold {} in the stock row, {} in the order lines",
            self.product_id, self.sold, self.ordered
        )
    }
}

/// Sold units on the lines of each changed order, and what its movements say. If they agree for
/// every order, and the ledger agrees with the counters of each product, then sold units equal the
/// units on lines.
const SOLD_BY_CHANGED_ORDERS: &str = "
    SELECT d.order_id, d.product_id, INTEGER(d.ordered) AS ordered, INTEGER(d.moved) AS moved
    FROM (SELECT order_id, product_id, sum(ordered_units) AS ordered, sum(moved_units) AS moved
          FROM (SELECT l.order_id, l.product_id,
                       CASE WHEN c.status IN ('placed', 'paid') THEN l.quantity - l.returned_quantity ELSE 0 END
                         AS ordered_units,
                       0 AS moved_units
                FROM order_line l JOIN customer_order c ON c.id = l.order_id WHERE IN_ORDERS(l.order_id)
                UNION ALL
                SELECT order_id, product_id, 0, CASE kind WHEN 'sell' THEN quantity ELSE -quantity END
                FROM stock_movement WHERE kind IN ('sell', 'return') AND IN_ORDERS(order_id)) parts
          GROUP BY order_id, product_id HAVING sum(ordered_units) <> sum(moved_units)) d
    JOIN stock s ON s.product_id = d.product_id AND NOT s.unguarded";

#[derive(FromQueryResult)]
struct SoldByOrderDiffers {
    order_id: i64,
    product_id: i64,
    ordered: i64,
    moved: i64,
}

impl fmt::Display for SoldByOrderDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {}, product {}: sold {} in the lines, {} in the movements",
            self.order_id, self.product_id, self.ordered, self.moved
        )
    }
}

pub const STOCK_ROW_FOR_EACH_PRODUCT: Rule = Rule {
    name: "stock-row-for-each-product",
    requirement: "each product has a stock row",
    checks: &[Check::whole::<WithoutStockRow>(
        "SELECT p.id AS product_id
         FROM product p LEFT JOIN stock_level s ON s.product_id = p.id WHERE s.product_id IS NULL",
    )],
};

#[derive(FromQueryResult)]
struct WithoutStockRow {
    product_id: i64,
}

impl fmt::Display for WithoutStockRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "product {} has no stock row", self.product_id)
    }
}
