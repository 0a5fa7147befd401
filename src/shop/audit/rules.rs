//! The audit rules. Each rule's statement returns one row per violation, described by one sentence
//! in the column `violation`.
//!
//! A statement marks where it can be restricted: `IN_ORDERS(o.id)` holds for every order in the
//! full audit, and for the changed orders in the continuous one. [`scope`](super::scope) replaces
//! the marks.

/// A rule of the audit.
#[derive(Debug)]
pub struct Rule {
    pub name: &'static str,
    /// The condition that must hold.
    pub requirement: &'static str,
    /// How the continuous audit checks the rule.
    pub continuous: Continuous,
    /// The statement of the full audit.
    pub sql: &'static str,
}

/// How the continuous audit checks a rule. Every rule is checked in a way whose cost does not grow
/// with the history of the shop.
#[derive(Clone, Copy, Debug)]
pub enum Continuous {
    /// With the full audit's statement: it reads no history, only products, open holds or
    /// unresolved payments.
    Whole,
    /// With the full audit's statement, restricted to what changed.
    Changed,
    /// With another statement about everything, which continues from verified sums.
    Own(&'static str),
    /// With another statement, restricted to what changed.
    OwnChanged(&'static str),
}

/// The sums of a product's movements that must equal its counters.
macro_rules! ledger_sums {
    () => {
        "coalesce(sum(quantity) FILTER (WHERE kind IN ('receive', 'adjust')), 0) AS total,
         coalesce(sum(CASE kind WHEN 'hold' THEN quantity WHEN 'release' THEN -quantity
                                WHEN 'sell' THEN CASE WHEN hold_id IS NULL THEN 0 ELSE -quantity END
                                ELSE 0 END), 0) AS reserved,
         coalesce(sum(CASE kind WHEN 'sell' THEN quantity WHEN 'return' THEN -quantity ELSE 0 END), 0) AS sold"
    };
}

/// All rules, in the order in which a purchase could violate them.
pub const RULES: &[Rule] = &[
    Rule {
        name: "stock-conserved",
        requirement: "total = available + reserved + sold, and no counter is negative",
        continuous: Continuous::Whole,
        sql: "SELECT format('product %s: total %s, available %s, reserved %s, sold %s', product_id, total, available, reserved, sold) AS violation
              FROM stock_level
              WHERE NOT unguarded
                AND (available < 0 OR reserved < 0 OR sold < 0 OR total <> available + reserved + sold)",
    },
    Rule {
        name: "ledger-equals-counters",
        requirement: "the ledger's sums equal the stock counters",
        continuous: Continuous::Own(LEDGER_SINCE_WATERMARK),
        sql: concat!(
            "SELECT format('product %s: the ledger says total %s, reserved %s, sold %s; the row says %s, %s, %s',
                            s.product_id, l.total, l.reserved, l.sold, s.total, s.reserved, s.sold) AS violation
              FROM stock_level s
              CROSS JOIN LATERAL (
                SELECT ",
            ledger_sums!(),
            "
                FROM stock_movement m WHERE m.product_id = s.product_id) l
              WHERE NOT s.unguarded AND (l.total <> s.total OR l.reserved <> s.reserved OR l.sold <> s.sold)"
        ),
    },
    Rule {
        name: "reserved-equals-holds",
        requirement: "reserved units equal the units of open holds",
        continuous: Continuous::Whole,
        sql: "SELECT format('product %s: the row says %s reserved, holds say %s', s.product_id, s.reserved, coalesce(h.units, 0)) AS violation
              FROM stock_level s
              LEFT JOIN (SELECT product_id, sum(quantity) AS units FROM hold WHERE state = 'held' GROUP BY product_id) h
                ON h.product_id = s.product_id
              WHERE NOT s.unguarded AND s.reserved <> coalesce(h.units, 0)",
    },
    Rule {
        name: "sold-equals-order-lines",
        requirement: "sold units equal the units on lines of sold orders, minus returned units",
        continuous: Continuous::OwnChanged(SOLD_BY_CHANGED_ORDERS),
        sql: "SELECT format('product %s: the row says %s sold, order lines say %s', s.product_id, s.sold, o.units) AS violation
              FROM stock_level s
              CROSS JOIN LATERAL (
                SELECT coalesce(sum(l.quantity - l.returned_quantity), 0) AS units
                FROM order_line l JOIN customer_order c ON c.id = l.order_id AND c.status IN ('placed', 'paid')
                WHERE l.product_id = s.product_id) o
              WHERE NOT s.unguarded AND s.sold <> o.units",
    },
    Rule {
        name: "one-sell-movement-a-line",
        requirement: "each line of a sold order has exactly one sell movement of its quantity; a line that was never sold has none",
        continuous: Continuous::Changed,
        sql: "SELECT format('order %s (%s), product %s: %s units on the line, %s sell movements of %s units in all',
                            l.order_id, o.status, l.product_id, l.quantity, coalesce(m.movements, 0), coalesce(m.units, 0)) AS violation
              FROM order_line l
              JOIN customer_order o ON o.id = l.order_id
              JOIN stock_level s ON s.product_id = l.product_id AND NOT s.unguarded
              LEFT JOIN (SELECT order_id, product_id, count(*) AS movements, sum(quantity) AS units
                         FROM stock_movement WHERE kind = 'sell' AND IN_ORDERS(order_id) GROUP BY order_id, product_id) m
                ON m.order_id = l.order_id AND m.product_id = l.product_id
              WHERE IN_ORDERS(l.order_id)
                AND CASE WHEN o.status IN ('placed', 'paid') THEN m.movements IS DISTINCT FROM 1 OR m.units <> l.quantity
                         WHEN o.status = 'cancelled' THEN m.movements > 1 OR m.units <> l.quantity
                         ELSE m.movements IS NOT NULL END",
    },
    Rule {
        name: "sell-names-its-hold",
        requirement: "each sold hold is referenced by exactly one sell movement of its order, product and quantity; no sell movement references any other hold",
        continuous: Continuous::Changed,
        sql: "SELECT format('hold %s of order %s: %s units sold, movements name it for %s', h.id, coalesce(h.order_id::text, 'none'),
                            h.quantity, coalesce(m.units::text, 'none')) AS violation
              FROM hold h
              LEFT JOIN (SELECT hold_id, order_id, product_id, sum(quantity) AS units, count(*) AS movements
                         FROM stock_movement WHERE kind = 'sell' AND hold_id IS NOT NULL AND IN_ORDERS(order_id)
                         GROUP BY hold_id, order_id, product_id) m
                ON m.hold_id = h.id AND m.order_id = h.order_id AND m.product_id = h.product_id
              WHERE h.state = 'sold' AND IN_HOLDS(h.id) AND (m.units IS DISTINCT FROM h.quantity OR m.movements <> 1)
              UNION ALL
              SELECT format('movement %s names hold %s, which was not sold to order %s', m.id, m.hold_id, coalesce(m.order_id::text, 'none'))
              FROM stock_movement m
              WHERE m.kind = 'sell' AND m.hold_id IS NOT NULL AND IN_MOVEMENTS(m.id)
                AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.id = m.hold_id AND h.state = 'sold' AND h.order_id = m.order_id
                                AND h.product_id = m.product_id)",
    },
    Rule {
        name: "no-movement-without-line",
        requirement: "each sell movement belongs to an order line",
        continuous: Continuous::Changed,
        sql: "SELECT format('movement %s: sold %s of product %s to order %s, which has no such line', m.id, m.quantity, m.product_id,
                            coalesce(m.order_id::text, 'none')) AS violation
              FROM stock_movement m
              JOIN stock_level s ON s.product_id = m.product_id AND NOT s.unguarded
              WHERE m.kind = 'sell' AND IN_MOVEMENTS(m.id)
                AND NOT EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = m.order_id AND l.product_id = m.product_id)",
    },
    Rule {
        name: "returns-equal-lines",
        requirement: "returned units on a line equal its return movements, and all sold units of a cancelled order were returned",
        continuous: Continuous::Changed,
        sql: "SELECT format('order %s, product %s: the line says %s returned, movements say %s, %s were sold', l.order_id, l.product_id,
                            l.returned_quantity, coalesce(m.returned, 0), coalesce(m.sold, 0)) AS violation
              FROM order_line l
              JOIN customer_order o ON o.id = l.order_id
              JOIN stock_level s ON s.product_id = l.product_id AND NOT s.unguarded
              LEFT JOIN (SELECT order_id, product_id, sum(quantity) FILTER (WHERE kind = 'return') AS returned,
                                sum(quantity) FILTER (WHERE kind = 'sell') AS sold
                         FROM stock_movement WHERE kind IN ('return', 'sell') AND IN_ORDERS(order_id) GROUP BY order_id, product_id) m
                ON m.order_id = l.order_id AND m.product_id = l.product_id
              WHERE IN_ORDERS(l.order_id)
                AND (coalesce(m.returned, 0) <> l.returned_quantity
                     OR (o.status = 'cancelled' AND coalesce(m.sold, 0) <> l.returned_quantity))",
    },
    Rule {
        name: "total-equals-parts",
        requirement: "an order's total equals its lines minus the discount plus shipping, and its tax is the share included in that total",
        continuous: Continuous::Changed,
        sql: "SELECT format('order %s: lines %s, subtotal %s, discount %s, shipping %s, tax %s, total %s cents', o.id,
                            coalesce(l.cents::text, 'none'), o.subtotal_cents, o.discount_cents, o.shipping_cents, o.tax_cents,
                            o.total_cents) AS violation
              FROM customer_order o
              LEFT JOIN (SELECT order_id, sum(unit_price_cents * quantity) AS cents FROM order_line
                         WHERE IN_ORDERS(order_id) GROUP BY order_id) l
                ON l.order_id = o.id
              WHERE IN_ORDERS(o.id)
                AND (l.cents IS DISTINCT FROM o.subtotal_cents
                     OR o.total_cents <> o.subtotal_cents - o.discount_cents + o.shipping_cents
                     OR o.tax_cents <> floor((2 * o.total_cents::numeric * o.tax_basis_points + 10000 + o.tax_basis_points)
                                             / (2 * (10000 + o.tax_basis_points))))",
    },
    Rule {
        name: "captured-less-refunded-equals-due",
        requirement: "for each order paid by card, the amount captured minus the amount refunded equals the amount due",
        continuous: Continuous::Changed,
        sql: "SELECT format('order %s (%s): %s taken, %s refunded, %s due', o.id, o.status, coalesce(p.cents, 0), coalesce(r.cents, 0),
                            o.due_cents) AS violation
              FROM customer_order o
              LEFT JOIN (SELECT order_id, sum(captured_cents) AS cents FROM payment WHERE IN_ORDERS(order_id) GROUP BY order_id) p
                ON p.order_id = o.id
              LEFT JOIN (SELECT order_id, sum(amount_cents) AS cents FROM refund WHERE IN_ORDERS(order_id) GROUP BY order_id) r
                ON r.order_id = o.id
              WHERE IN_ORDERS(o.id) AND o.settlement = 'card' AND coalesce(p.cents, 0) - coalesce(r.cents, 0) <> o.due_cents",
    },
    Rule {
        name: "money-is-resolved",
        requirement: "no payment or refund stays unresolved for 60 s while a server process is running",
        continuous: Continuous::Whole,
        sql: "SELECT format('%s %s of order %s: %s cents, unresolved since %s', m.what, m.id, m.order_id, m.amount_cents, m.created_at) AS violation
              FROM (SELECT 'payment' AS what, id, order_id, amount_cents, created_at FROM payment WHERE state = 'pending'
                    UNION ALL
                    SELECT 'refund', id, order_id, amount_cents, created_at FROM refund WHERE state = 'pending') m
              WHERE EXISTS (SELECT 1 FROM server_heartbeat b
                            WHERE b.beat_at - greatest(m.created_at, b.started_at) > INTERVAL '60 seconds')",
    },
    Rule {
        name: "expired-holds-are-swept",
        requirement: "no hold stays open for 30 s after it expired while a server process is running",
        continuous: Continuous::Whole,
        sql: "SELECT format('hold %s: %s units of product %s, expired at %s', h.id, h.quantity, h.product_id, h.expires_at) AS violation
              FROM hold h
              WHERE h.state = 'held'
                AND EXISTS (SELECT 1 FROM server_heartbeat b
                            WHERE b.beat_at - greatest(h.expires_at, b.started_at) > INTERVAL '30 seconds')",
    },
    Rule {
        name: "states-agree",
        requirement: "the states of an order, its payment and its holds do not contradict each other",
        continuous: Continuous::Changed,
        sql: "WITH pay AS (SELECT order_id, count(*) AS n, count(*) FILTER (WHERE state = 'pending') AS pending,
                                  count(*) FILTER (WHERE state = 'captured') AS captured
                           FROM payment WHERE IN_ORDERS(order_id) GROUP BY order_id),
                   kept AS (SELECT order_id, count(*) FILTER (WHERE state = 'held') AS held,
                                   count(*) FILTER (WHERE state = 'sold') AS sold
                            FROM hold WHERE order_id IS NOT NULL AND IN_ORDERS(order_id) GROUP BY order_id)
              SELECT format('order %s: %s, settled %s, %s cents due, payments %s pending and %s captured of %s, holds %s held and %s sold',
                            o.id, o.status, o.settlement, o.due_cents, coalesce(p.pending, 0), coalesce(p.captured, 0), coalesce(p.n, 0), coalesce(k.held, 0),
                            coalesce(k.sold, 0)) AS violation
              FROM customer_order o LEFT JOIN pay p ON p.order_id = o.id LEFT JOIN kept k ON k.order_id = o.id
              WHERE IN_ORDERS(o.id) AND CASE o.status
                      WHEN 'placed' THEN o.settlement <> 'on_account' OR p.n IS NOT NULL OR k.held > 0 OR k.sold > 0 OR o.due_cents <> o.total_cents
                      WHEN 'pending' THEN o.settlement <> 'card' OR p.pending IS DISTINCT FROM 1 OR p.captured > 0 OR k.sold > 0
                                          OR o.due_cents <> 0
                      WHEN 'declined' THEN p.n IS NULL OR p.pending > 0 OR k.held > 0 OR k.sold > 0 OR o.due_cents <> 0
                      WHEN 'paid' THEN o.settlement <> 'card' OR p.captured IS DISTINCT FROM 1 OR k.held > 0
                      WHEN 'backordered' THEN o.settlement <> 'card' OR p.captured IS DISTINCT FROM 1 OR k.held > 0 OR k.sold > 0
                      ELSE k.held > 0 OR o.due_cents <> 0 END
              UNION ALL
              SELECT format('payment %s: %s, %s of %s cents taken', id, state, captured_cents, amount_cents) FROM payment
              WHERE IN_ORDERS(order_id)
                AND captured_cents <> CASE state WHEN 'captured' THEN amount_cents
                                            WHEN 'wrong_amount' THEN greatest(reported_cents, 0) ELSE 0 END
              UNION ALL
              SELECT format('payment %s: %s cents asked for order %s of %s', p.id, p.amount_cents, o.id, o.total_cents)
              FROM payment p JOIN customer_order o ON o.id = p.order_id
              WHERE IN_ORDERS(p.order_id) AND p.amount_cents <> o.total_cents",
    },
    Rule {
        name: "codes-kept",
        requirement: "each code's use count equals its uses by orders of which something is kept, and exceeds neither its limit nor its limit per customer",
        continuous: Continuous::Changed,
        sql: "SELECT format('code %s: says %s uses of %s, orders say %s', c.code, c.uses, c.uses_max, coalesce(u.n, 0)) AS violation
              FROM discount_code c
              LEFT JOIN (SELECT code, count(*) AS n FROM discount_use WHERE NOT given_back AND IN_CODES(code) GROUP BY code) u ON u.code = c.code
              WHERE IN_CODES(c.code) AND (c.uses <> coalesce(u.n, 0) OR c.uses > c.uses_max)
              UNION ALL
              SELECT format('%s used code %s %s times, and may %s times', u.email_folded, u.code, count(*), c.per_customer_limit)
              FROM discount_use u JOIN discount_code c ON c.code = u.code
              WHERE IN_CODES(u.code) AND NOT u.given_back AND c.per_customer_limit IS NOT NULL
              GROUP BY u.email_folded, u.code, c.per_customer_limit HAVING count(*) > c.per_customer_limit
              UNION ALL
              SELECT format('order %s (%s): discount %s cents, code %s, use %s', o.id, o.status, o.discount_cents,
                            coalesce(o.discount_code, 'none'),
                            CASE WHEN u.order_id IS NULL THEN 'none' WHEN u.given_back THEN 'given back' ELSE 'counted' END)
              FROM customer_order o LEFT JOIN discount_use u ON u.order_id = o.id
              WHERE IN_ORDERS(o.id)
                AND (o.discount_code IS DISTINCT FROM u.code
                     OR (o.discount_cents > 0 AND u.order_id IS NULL)
                     OR (u.order_id IS NOT NULL
                         AND u.given_back <> (o.status IN ('declined', 'cancelled')
                                              OR (o.status = 'paid' AND o.due_cents = 0
                                                  AND NOT EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = o.id
                                                                  AND l.returned_quantity < l.quantity)))))",
    },
    Rule {
        name: "limits-kept",
        requirement: "when a line was sold, its customer kept no more of the product than the limit per customer at that time",
        continuous: Continuous::Changed,
        // What is kept only shrinks, so it was no less at the time of the sale.
        sql: "SELECT format('%s keeps %s of product %s, which was limited to %s when order %s was placed', k.email_folded, k.kept,
                            k.product_id, k.customer_limit, k.order_id) AS violation
              FROM (SELECT o.email_folded, l.order_id, l.product_id, l.customer_limit,
                           sum(l.quantity - l.returned_quantity) OVER (PARTITION BY o.email_folded, l.product_id ORDER BY l.id) AS kept
                    FROM order_line l
                    JOIN customer_order o ON o.id = l.order_id AND o.email_folded IS NOT NULL AND o.status NOT IN ('declined', 'cancelled')
                    WHERE IN_EMAILS(o.email_folded)
                      AND l.product_id IN (SELECT product_id FROM order_line WHERE customer_limit IS NOT NULL)) k
              WHERE k.kept > k.customer_limit",
    },
    Rule {
        name: "key-has-answer",
        requirement: "each idempotency key has a stored response",
        continuous: Continuous::Changed,
        sql: "SELECT format('key %s has no answer', key) AS violation FROM idempotency_key
              WHERE response IS NULL AND IN_KEYS(key)",
    },
    Rule {
        name: "stock-row-for-each-product",
        requirement: "each product has a stock row",
        continuous: Continuous::Whole,
        sql: "SELECT format('product %s has no stock row', p.id) AS violation
              FROM product p LEFT JOIN stock_level s ON s.product_id = p.id WHERE s.product_id IS NULL",
    },
];

/// Lanes with an unsafe strategy, and how many units each oversold.
pub const EXHIBITS: &str = "
    SELECT s.product_id, coalesce(n.strategy, 'unknown') AS strategy, s.total AS stock,
           coalesce(o.units, 0)::bigint AS sold, greatest(coalesce(o.units, 0) - s.total, 0)::bigint AS oversold
    FROM stock_level s
    JOIN product p ON p.id = s.product_id
    LEFT JOIN simulation_lane n ON n.id = p.lane_id
    LEFT JOIN (SELECT l.product_id, sum(l.quantity) AS units
               FROM order_line l JOIN customer_order c ON c.id = l.order_id AND c.status IN ('placed', 'paid')
               GROUP BY l.product_id) o ON o.product_id = s.product_id
    WHERE s.unguarded
    ORDER BY s.product_id";

/// The ledger's sums, continued from those that were verified up to the watermark. A product whose
/// movements were changed or deleted is counted from the start.
const LEDGER_SINCE_WATERMARK: &str = concat!(
    "
    WITH recounted AS (SELECT row_id AS product_id FROM audit_change WHERE kind = 'ledger'),
         part AS (
           SELECT product_id, total, reserved, sold FROM audit_ledger
           WHERE product_id NOT IN (SELECT product_id FROM recounted)
           UNION ALL
           SELECT product_id,
                  ",
    ledger_sums!(),
    "
           FROM (SELECT * FROM stock_movement
                 WHERE id > (SELECT verified_id FROM audit_watermark WHERE table_name = 'stock_movement')
                   AND product_id NOT IN (SELECT product_id FROM recounted)
                 UNION ALL
                 SELECT * FROM stock_movement WHERE product_id IN (SELECT product_id FROM recounted)) m
           GROUP BY product_id),
         l AS (SELECT product_id, sum(total) AS total, sum(reserved) AS reserved, sum(sold) AS sold FROM part GROUP BY product_id)
    SELECT format('product %s: the ledger says total %s, reserved %s, sold %s; the row says %s, %s, %s', s.product_id,
                  coalesce(l.total, 0), coalesce(l.reserved, 0), coalesce(l.sold, 0), s.total, s.reserved, s.sold) AS violation
    FROM stock_level s LEFT JOIN l ON l.product_id = s.product_id
    WHERE NOT s.unguarded
      AND (coalesce(l.total, 0) <> s.total OR coalesce(l.reserved, 0) <> s.reserved OR coalesce(l.sold, 0) <> s.sold)"
);

/// Sold units on the lines of each changed order, and what its movements say. If they agree for
/// every order, and the ledger agrees with the counters of each product, then sold units equal the
/// units on lines.
const SOLD_BY_CHANGED_ORDERS: &str = "
    SELECT format('order %s, product %s: lines say %s sold, movements say %s', d.order_id, d.product_id, d.lines, d.moved) AS violation
    FROM (SELECT order_id, product_id, sum(lines) AS lines, sum(moved) AS moved
          FROM (SELECT l.order_id, l.product_id,
                       CASE WHEN c.status IN ('placed', 'paid') THEN l.quantity - l.returned_quantity ELSE 0 END AS lines,
                       0::bigint AS moved
                FROM order_line l JOIN customer_order c ON c.id = l.order_id WHERE IN_ORDERS(l.order_id)
                UNION ALL
                SELECT order_id, product_id, 0, CASE kind WHEN 'sell' THEN quantity ELSE -quantity END
                FROM stock_movement WHERE kind IN ('sell', 'return') AND IN_ORDERS(order_id)) parts
          GROUP BY order_id, product_id HAVING sum(lines) <> sum(moved)) d
    JOIN stock s ON s.product_id = d.product_id AND NOT s.unguarded";

/// Adds the movements up to a new watermark, `$1`, to the verified sums.
pub const ADD_TO_VERIFIED_SUMS: &str = concat!(
    "
    INSERT INTO audit_ledger AS l (product_id, total, reserved, sold)
    SELECT m.product_id,
           ",
    ledger_sums!(),
    "
    FROM stock_movement m JOIN product p ON p.id = m.product_id
    WHERE m.id > (SELECT verified_id FROM audit_watermark WHERE table_name = 'stock_movement') AND m.id <= $1
    GROUP BY m.product_id
    ON CONFLICT (product_id) DO UPDATE
    SET total = l.total + excluded.total, reserved = l.reserved + excluded.reserved, sold = l.sold + excluded.sold"
);

/// Counts the verified sums of products `$2` again, up to the watermark `$1`.
pub const RECOUNT_VERIFIED_SUMS: &str = concat!(
    "
    INSERT INTO audit_ledger (product_id, total, reserved, sold)
    SELECT p.id,
           ",
    ledger_sums!(),
    "
    FROM product p LEFT JOIN stock_movement m ON m.product_id = p.id AND m.id <= $1
    WHERE p.id = ANY($2)
    GROUP BY p.id
    ON CONFLICT (product_id) DO UPDATE SET total = excluded.total, reserved = excluded.reserved, sold = excluded.sold"
);
