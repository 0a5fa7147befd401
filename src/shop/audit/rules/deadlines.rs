//! Rules about work that a running server process must do in time.

use std::fmt;

use sea_orm::FromQueryResult;
use time::OffsetDateTime;

use super::{Check, Rule};
use crate::shop::moment;

pub const MONEY_IS_RESOLVED: Rule = Rule {
    name: "money-is-resolved",
    requirement: "no payment or refund stays unresolved for 60 s while a server process is running",
    checks: &[Check {
        due_within_s: Some(60),
        ..Check::whole::<Unresolved>(
            "SELECT m.what, m.id, m.order_id, m.amount_cents, m.created_at
             FROM (SELECT 'payment' AS what, id, order_id, amount_cents, created_at FROM payment WHERE state = 'pending'
                   UNION ALL
                   SELECT 'refund', id, order_id, amount_cents, created_at FROM refund WHERE state = 'pending') m
             WHERE m.created_at < $1",
        )
    }],
};

#[derive(FromQueryResult)]
struct Unresolved {
    what: String,
    id: i64,
    order_id: i64,
    amount_cents: i64,
    created_at: OffsetDateTime,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} of order {}: {} cents, unresolved since {}",
            self.what,
            self.id,
            self.order_id,
            self.amount_cents,
            moment::in_rfc3339(self.created_at)
        )
    }
}

pub const EXPIRED_HOLDS_ARE_SWEPT: Rule = Rule {
    name: "expired-holds-are-swept",
    requirement: "no hold stays open for 30 s after it expired while a server process is running",
    checks: &[Check {
        due_within_s: Some(30),
        ..Check::whole::<NotSwept>(
            "SELECT id, quantity, product_id, expires_at FROM hold WHERE state = 'held' AND expires_at < $1",
        )
    }],
};

#[derive(FromQueryResult)]
struct NotSwept {
    id: i64,
    quantity: i32,
    product_id: i64,
    expires_at: OffsetDateTime,
}

impl fmt::Display for NotSwept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hold {}: {} units of product {}, expired at {}",
            self.id,
            self.quantity,
            self.product_id,
            moment::in_rfc3339(self.expires_at)
        )
    }
}
