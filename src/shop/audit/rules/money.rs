//! Rules about the amounts of orders, payments and refunds, and about their states.

use std::fmt;

use sea_orm::FromQueryResult;

use super::{Check, Rule, or_none};

pub const TOTAL_EQUALS_PARTS: Rule = Rule {
    name: "total-equals-parts",
    requirement: "an order's total equals its lines minus the discount plus shipping, and its tax is the share included in that total",
    checks: &[Check::restricted::<PartsDiffer>(
        // The tax is the whole number nearest to total × rate / (1 + rate). Multiplied by twice the
        // divisor, the difference must lie between minus and plus the divisor. This needs no
        // division, which engines round differently, and `2.0` makes the products decimal, so that
        // none of them is too large for an integer.
        "SELECT o.id AS order_id, INTEGER(l.cents) AS line_cents, o.subtotal_cents, o.discount_cents, o.shipping_cents,
                o.tax_cents, o.total_cents
         FROM customer_order o
         LEFT JOIN (SELECT order_id, sum(unit_price_cents * quantity) AS cents FROM order_line
                    WHERE IN_ORDERS(order_id) GROUP BY order_id) l
           ON l.order_id = o.id
         WHERE IN_ORDERS(o.id)
           AND (l.cents IS NULL OR l.cents <> o.subtotal_cents
                OR o.total_cents <> o.subtotal_cents - o.discount_cents + o.shipping_cents
                OR 2.0 * o.total_cents * o.tax_basis_points - 2.0 * o.tax_cents * (10000 + o.tax_basis_points)
                   NOT BETWEEN -(10000 + o.tax_basis_points) AND 9999 + o.tax_basis_points)",
    )],
};

#[derive(FromQueryResult)]
struct PartsDiffer {
    order_id: i64,
    line_cents: Option<i64>,
    subtotal_cents: i64,
    discount_cents: i64,
    shipping_cents: i64,
    tax_cents: i64,
    total_cents: i64,
}

impl fmt::Display for PartsDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {}: lines {}, subtotal {}, discount {}, shipping {}, tax {}, total {} cents",
            self.order_id,
            or_none(self.line_cents),
            self.subtotal_cents,
            self.discount_cents,
            self.shipping_cents,
            self.tax_cents,
            self.total_cents
        )
    }
}

pub const CAPTURED_LESS_REFUNDED_EQUALS_DUE: Rule = Rule {
    name: "captured-less-refunded-equals-due",
    requirement: "for each order paid by card, the amount captured minus the amount refunded equals the amount due",
    checks: &[Check::restricted::<DueDiffers>(
        "SELECT o.id AS order_id, o.status, INTEGER(coalesce(p.cents, 0)) AS captured_cents,
                INTEGER(coalesce(r.cents, 0)) AS refunded_cents, o.due_cents
         FROM customer_order o
         LEFT JOIN (SELECT order_id, sum(captured_cents) AS cents FROM payment WHERE IN_ORDERS(order_id) GROUP BY order_id) p
           ON p.order_id = o.id
         LEFT JOIN (SELECT order_id, sum(amount_cents) AS cents FROM refund WHERE IN_ORDERS(order_id) GROUP BY order_id) r
           ON r.order_id = o.id
         WHERE IN_ORDERS(o.id) AND o.settlement = 'card' AND coalesce(p.cents, 0) - coalesce(r.cents, 0) <> o.due_cents",
    )],
};

#[derive(FromQueryResult)]
struct DueDiffers {
    order_id: i64,
    status: String,
    captured_cents: i64,
    refunded_cents: i64,
    due_cents: i64,
}

impl fmt::Display for DueDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {} ({}): {} taken, {} refunded, {} due",
            self.order_id, self.status, self.captured_cents, self.refunded_cents, self.due_cents
        )
    }
}

pub const STATES_AGREE: Rule = Rule {
    name: "states-agree",
    requirement: "the states of an order, its payment and its holds do not contradict each other",
    checks: &[
        Check::restricted::<OrderContradicts>(ORDER_CONTRADICTS),
        Check::restricted::<CapturedDiffers>(
            "SELECT id AS payment_id, state, captured_cents, amount_cents FROM payment
             WHERE IN_ORDERS(order_id)
               AND captured_cents <> CASE state WHEN 'captured' THEN amount_cents
                                                WHEN 'wrong_amount' THEN CASE WHEN reported_cents > 0 THEN reported_cents ELSE 0 END
                                                ELSE 0 END",
        ),
        Check::restricted::<AskedDiffers>(
            "SELECT p.id AS payment_id, p.amount_cents, o.id AS order_id, o.total_cents
             FROM payment p JOIN customer_order o ON o.id = p.order_id
             WHERE IN_ORDERS(p.order_id) AND p.amount_cents <> o.total_cents",
        ),
    ],
};

const ORDER_CONTRADICTS: &str = "
    WITH pay AS (SELECT order_id, count(*) AS payments, sum(CASE state WHEN 'pending' THEN 1 ELSE 0 END) AS pending,
                        sum(CASE state WHEN 'captured' THEN 1 ELSE 0 END) AS captured
                 FROM payment WHERE IN_ORDERS(order_id) GROUP BY order_id),
         kept AS (SELECT order_id, sum(CASE state WHEN 'held' THEN 1 ELSE 0 END) AS held,
                         sum(CASE state WHEN 'sold' THEN 1 ELSE 0 END) AS sold
                  FROM hold WHERE order_id IS NOT NULL AND IN_ORDERS(order_id) GROUP BY order_id)
    SELECT o.id AS order_id, o.status, o.settlement, o.due_cents, INTEGER(coalesce(p.pending, 0)) AS pending,
           INTEGER(coalesce(p.captured, 0)) AS captured, coalesce(p.payments, 0) AS payments,
           INTEGER(coalesce(k.held, 0)) AS held, INTEGER(coalesce(k.sold, 0)) AS sold
    FROM customer_order o LEFT JOIN pay p ON p.order_id = o.id LEFT JOIN kept k ON k.order_id = o.id
    WHERE IN_ORDERS(o.id) AND CASE o.status
            WHEN 'placed' THEN o.settlement <> 'on_account' OR p.payments IS NOT NULL OR k.held > 0 OR k.sold > 0
                               OR o.due_cents <> o.total_cents
            WHEN 'pending' THEN o.settlement <> 'card' OR coalesce(p.pending, 0) <> 1 OR p.captured > 0 OR k.sold > 0
                                OR o.due_cents <> 0
            WHEN 'declined' THEN p.payments IS NULL OR p.pending > 0 OR k.held > 0 OR k.sold > 0 OR o.due_cents <> 0
            WHEN 'paid' THEN o.settlement <> 'card' OR coalesce(p.captured, 0) <> 1 OR k.held > 0
            WHEN 'backordered' THEN o.settlement <> 'card' OR coalesce(p.captured, 0) <> 1 OR k.held > 0 OR k.sold > 0
            ELSE k.held > 0 OR o.due_cents <> 0 END";

#[derive(FromQueryResult)]
struct OrderContradicts {
    order_id: i64,
    status: String,
    settlement: String,
    due_cents: i64,
    pending: i64,
    captured: i64,
    payments: i64,
    held: i64,
    sold: i64,
}

impl fmt::Display for OrderContradicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {}: {}, settled {}, {} cents due, payments {} pending and {} captured of {}, holds {} held and {} sold",
            self.order_id,
            self.status,
            self.settlement,
            self.due_cents,
            self.pending,
            self.captured,
            self.payments,
            self.held,
            self.sold
        )
    }
}

#[derive(FromQueryResult)]
struct CapturedDiffers {
    payment_id: i64,
    state: String,
    captured_cents: i64,
    amount_cents: i64,
}

impl fmt::Display for CapturedDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "payment {}: {}, {} of {} cents taken",
            self.payment_id, self.state, self.captured_cents, self.amount_cents
        )
    }
}

#[derive(FromQueryResult)]
struct AskedDiffers {
    payment_id: i64,
    amount_cents: i64,
    order_id: i64,
    total_cents: i64,
}

impl fmt::Display for AskedDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "payment {}: {} cents requested for order {} of {}",
            self.payment_id, self.amount_cents, self.order_id, self.total_cents
        )
    }
}
