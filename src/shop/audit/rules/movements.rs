//! Rules about the movements of the ledger, and the lines and holds that they belong to.
//!
//! In two of them, `m.product_id + 0` keeps MariaDB from searching the movements of each line by
//! the index of the product instead of that of the order. It does so as long as it has no
//! statistics of a new table, and reads all movements of a product for each of its orders.

use std::fmt;

use sea_orm::FromQueryResult;

use super::{Check, Rule, or_none};

pub const ONE_SELL_MOVEMENT_A_LINE: Rule = Rule {
    name: "one-sell-movement-a-line",
    requirement: "each line of a sold order has exactly one sell movement of its quantity; a line that was never sold has none",
    checks: &[Check::restricted::<LineMovementsDiffer>(
        "SELECT l.order_id, o.status, l.product_id, l.quantity, coalesce(m.movements, 0) AS movements,
                INTEGER(coalesce(m.units, 0)) AS units
         FROM order_line l
         JOIN customer_order o ON o.id = l.order_id
         JOIN stock_level s ON s.product_id = l.product_id AND NOT s.unguarded
         LEFT JOIN (SELECT order_id, product_id, count(*) AS movements, sum(quantity) AS units
                    FROM stock_movement WHERE kind = 'sell' AND IN_ORDERS(order_id) GROUP BY order_id, product_id) m
           ON m.order_id = l.order_id AND m.product_id + 0 = l.product_id
         WHERE IN_ORDERS(l.order_id)
           AND CASE WHEN o.status IN ('placed', 'paid') THEN coalesce(m.movements, 0) <> 1 OR m.units <> l.quantity
                    WHEN o.status = 'cancelled' THEN m.movements > 1 OR m.units <> l.quantity
                    ELSE m.movements IS NOT NULL END",
    )],
};

#[derive(FromQueryResult)]
struct LineMovementsDiffer {
    order_id: i64,
    status: String,
    product_id: i64,
    quantity: i32,
    movements: i64,
    units: i64,
}

impl fmt::Display for LineMovementsDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {} ({}), product {}: {} units on the line, {} sell movements of {} units in all",
            self.order_id, self.status, self.product_id, self.quantity, self.movements, self.units
        )
    }
}

pub const SELL_NAMES_ITS_HOLD: Rule = Rule {
    name: "sell-names-its-hold",
    requirement: "each sold hold is referenced by exactly one sell movement of its order, product and quantity; no sell movement references any other hold",
    checks: &[
        Check::restricted::<HoldNotNamedOnce>(
            "SELECT h.id AS hold_id, h.order_id, h.quantity, INTEGER(sum(m.quantity)) AS units
             FROM hold h
             LEFT JOIN stock_movement m
               ON m.order_id = h.order_id AND m.hold_id = h.id AND m.product_id = h.product_id AND m.kind = 'sell'
             WHERE h.state = 'sold' AND IN_HOLDS(h.id)
             GROUP BY h.id, h.order_id, h.quantity
             HAVING count(m.id) <> 1 OR sum(m.quantity) <> h.quantity",
        ),
        Check::restricted::<NamesUnsoldHold>(
            "SELECT m.id AS movement_id, m.hold_id, m.order_id
             FROM stock_movement m
             WHERE m.kind = 'sell' AND m.hold_id IS NOT NULL AND IN_MOVEMENTS(m.id)
               AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.id = m.hold_id AND h.state = 'sold' AND h.order_id = m.order_id
                               AND h.product_id = m.product_id)",
        ),
    ],
};

#[derive(FromQueryResult)]
struct HoldNotNamedOnce {
    hold_id: i64,
    order_id: Option<i64>,
    quantity: i32,
    units: Option<i64>,
}

impl fmt::Display for HoldNotNamedOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hold {} of order {}: {} units sold, movements reference it for {}",
            self.hold_id,
            or_none(self.order_id),
            self.quantity,
            or_none(self.units)
        )
    }
}

#[derive(FromQueryResult)]
struct NamesUnsoldHold {
    movement_id: i64,
    hold_id: i64,
    order_id: Option<i64>,
}

impl fmt::Display for NamesUnsoldHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "movement {} references hold {}, which was not sold to order {}",
            self.movement_id,
            self.hold_id,
            or_none(self.order_id)
        )
    }
}

pub const NO_MOVEMENT_WITHOUT_LINE: Rule = Rule {
    name: "no-movement-without-line",
    requirement: "each sell movement belongs to an order line",
    checks: &[Check::restricted::<WithoutLine>(
        "SELECT m.id AS movement_id, m.quantity, m.product_id, m.order_id
         FROM stock_movement m
         JOIN stock_level s ON s.product_id = m.product_id AND NOT s.unguarded
         WHERE m.kind = 'sell' AND IN_MOVEMENTS(m.id)
           AND NOT EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = m.order_id AND l.product_id = m.product_id)",
    )],
};

#[derive(FromQueryResult)]
struct WithoutLine {
    movement_id: i64,
    quantity: i64,
    product_id: i64,
    order_id: Option<i64>,
}

impl fmt::Display for WithoutLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "movement {}: sold {} of product {} to order {}, which has no such line",
            self.movement_id,
            self.quantity,
            self.product_id,
            or_none(self.order_id)
        )
    }
}

pub const RETURNS_EQUAL_LINES: Rule = Rule {
    name: "returns-equal-lines",
    requirement: "returned units on a line equal its return movements, and all sold units of a cancelled order were returned",
    checks: &[Check::restricted::<ReturnsDiffer>(
        "SELECT l.order_id, l.product_id, l.returned_quantity, INTEGER(coalesce(m.returned, 0)) AS returned,
                INTEGER(coalesce(m.sold, 0)) AS sold
         FROM order_line l
         JOIN customer_order o ON o.id = l.order_id
         JOIN stock_level s ON s.product_id = l.product_id AND NOT s.unguarded
         LEFT JOIN (SELECT order_id, product_id, sum(CASE kind WHEN 'return' THEN quantity ELSE 0 END) AS returned,
                           sum(CASE kind WHEN 'sell' THEN quantity ELSE 0 END) AS sold
                    FROM stock_movement WHERE kind IN ('return', 'sell') AND IN_ORDERS(order_id) GROUP BY order_id, product_id) m
           ON m.order_id = l.order_id AND m.product_id + 0 = l.product_id
         WHERE IN_ORDERS(l.order_id)
           AND (coalesce(m.returned, 0) <> l.returned_quantity
                OR (o.status = 'cancelled' AND coalesce(m.sold, 0) <> l.returned_quantity))",
    )],
};

#[derive(FromQueryResult)]
struct ReturnsDiffer {
    order_id: i64,
    product_id: i64,
    returned_quantity: i32,
    returned: i64,
    sold: i64,
}

impl fmt::Display for ReturnsDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {}, product {}: returned {} on the line, {} in the movements, {} were sold",
            self.order_id, self.product_id, self.returned_quantity, self.returned, self.sold
        )
    }
}
