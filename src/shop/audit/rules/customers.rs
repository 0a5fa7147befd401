//! Rules about what is promised to customers: discount codes, limits, and one answer to each key.

use std::fmt;

use sea_orm::FromQueryResult;

use super::{Check, Rule, or_none};

pub const CODES_KEPT: Rule = Rule {
    name: "codes-kept",
    requirement: "each code's use count equals its uses by orders that are not completely cancelled or returned, and \
                  exceeds neither its limit nor its limit per customer",
    checks: &[
        Check::restricted::<UsesDiffer>(
            "SELECT c.code, c.uses, c.uses_max, coalesce(u.counted, 0) AS counted
             FROM discount_code c
             LEFT JOIN (SELECT code, count(*) AS counted FROM discount_use
                        WHERE NOT given_back AND IN_CODES(code) GROUP BY code) u
               ON u.code = c.code
             WHERE IN_CODES(c.code) AND (c.uses <> coalesce(u.counted, 0) OR c.uses > c.uses_max)",
        ),
        Check::restricted::<UsedTooOften>(
            "SELECT u.email_folded, u.code, count(*) AS counted, c.per_customer_limit
             FROM discount_use u JOIN discount_code c ON c.code = u.code
             WHERE IN_CODES(u.code) AND NOT u.given_back AND c.per_customer_limit IS NOT NULL
             GROUP BY u.email_folded, u.code, c.per_customer_limit HAVING count(*) > c.per_customer_limit",
        ),
        Check::restricted::<OrderUseDiffers>(ORDER_USE_DIFFERS),
    ],
};

#[derive(FromQueryResult)]
struct UsesDiffer {
    code: String,
    uses: i32,
    uses_max: i32,
    counted: i64,
}

impl fmt::Display for UsesDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "code {}: {} uses of {} in its row, {} in the orders",
            self.code, self.uses, self.uses_max, self.counted
        )
    }
}

#[derive(FromQueryResult)]
struct UsedTooOften {
    email_folded: String,
    code: String,
    counted: i64,
    per_customer_limit: i32,
}

impl fmt::Display for UsedTooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} used code {} {} times; the limit is {}",
            self.email_folded, self.code, self.counted, self.per_customer_limit
        )
    }
}

const ORDER_USE_DIFFERS: &str = "
    SELECT o.id AS order_id, o.status, o.discount_cents, o.discount_code, u.given_back
    FROM customer_order o LEFT JOIN discount_use u ON u.order_id = o.id
    WHERE IN_ORDERS(o.id)
      AND ((o.discount_code IS NULL) <> (u.code IS NULL)
           OR o.discount_code <> u.code
           OR (o.discount_cents > 0 AND u.order_id IS NULL)
           OR (u.order_id IS NOT NULL
               AND u.given_back <> (o.status IN ('declined', 'cancelled')
                                    OR (o.status = 'paid' AND o.due_cents = 0
                                        AND NOT EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = o.id
                                                        AND l.returned_quantity < l.quantity)))))";

#[derive(FromQueryResult)]
struct OrderUseDiffers {
    order_id: i64,
    status: String,
    discount_cents: i64,
    discount_code: Option<String>,
    /// `None` if the order has no use.
    given_back: Option<bool>,
}

impl fmt::Display for OrderUseDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "order {} ({}): discount {} cents, code {}, use {}",
            self.order_id,
            self.status,
            self.discount_cents,
            or_none(self.discount_code.as_deref()),
            match self.given_back {
                None => "none",
                Some(true) => "given back",
                Some(false) => "counted",
            }
        )
    }
}

pub const LIMITS_KEPT: Rule = Rule {
    name: "limits-kept",
    requirement: "when a line was sold, its customer had no more units of the product than the limit per customer at \
                  that time",
    checks: &[Check::restricted::<LimitExceeded>(
        // What is kept only shrinks, so it was no less at the time of the sale.
        "SELECT k.email_folded, INTEGER(k.kept) AS kept, k.product_id, k.customer_limit, k.order_id
         FROM (SELECT o.email_folded, l.order_id, l.product_id, l.customer_limit,
                      sum(l.quantity - l.returned_quantity) OVER (PARTITION BY o.email_folded, l.product_id ORDER BY l.id) AS kept
               FROM order_line l
               JOIN customer_order o ON o.id = l.order_id AND o.email_folded IS NOT NULL AND o.status NOT IN ('declined', 'cancelled')
               WHERE IN_EMAILS(o.email_folded)) k
         WHERE k.kept > k.customer_limit",
    )],
};

#[derive(FromQueryResult)]
struct LimitExceeded {
    email_folded: String,
    kept: i64,
    product_id: i64,
    customer_limit: i32,
    order_id: i64,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} has {} of product {}, which was limited to {} when order {} was placed",
            self.email_folded, self.kept, self.product_id, self.customer_limit, self.order_id
        )
    }
}

pub const KEY_HAS_ANSWER: Rule = Rule {
    name: "key-has-answer",
    requirement: "each idempotency key has a stored response",
    checks: &[Check::restricted::<WithoutAnswer>(
        "SELECT k.key AS subject FROM idempotency_key k WHERE k.response IS NULL AND IN_KEYS(k.key)",
    )],
};

#[derive(FromQueryResult)]
struct WithoutAnswer {
    subject: String,
}

impl fmt::Display for WithoutAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} has no stored response", self.subject)
    }
}
