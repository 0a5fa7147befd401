//! The rules. Each statement returns the rows that violate it, as one sentence in the column `violation`.

/// A rule of the audit.
#[derive(Debug)]
pub struct Rule {
    pub name: &'static str,
    /// What must hold.
    pub says: &'static str,
    pub sql: &'static str,
}

/// Every rule, in the order in which a purchase could break them.
pub const RULES: &[Rule] = &[
    Rule {
        name: "stock-conserved",
        says: "total = available + reserved + sold, and no counter is negative",
        sql: "SELECT format('product %s: total %s, available %s, reserved %s, sold %s', product_id, total, available, reserved, sold) AS violation
              FROM stock_level
              WHERE NOT unguarded
                AND (available < 0 OR reserved < 0 OR sold < 0 OR total <> available + reserved + sold)",
    },
    Rule {
        name: "ledger-equals-counters",
        says: "the sums of the ledger equal the counters",
        sql: "SELECT format('product %s: the ledger says total %s, reserved %s, sold %s; the row says %s, %s, %s',
                            s.product_id, l.total, l.reserved, l.sold, s.total, s.reserved, s.sold) AS violation
              FROM stock_level s
              CROSS JOIN LATERAL (
                SELECT coalesce(sum(quantity) FILTER (WHERE kind IN ('receive', 'adjust')), 0) AS total,
                       coalesce(sum(CASE kind WHEN 'hold' THEN quantity WHEN 'release' THEN -quantity
                                              WHEN 'sell' THEN CASE WHEN hold_id IS NULL THEN 0 ELSE -quantity END
                                              ELSE 0 END), 0) AS reserved,
                       coalesce(sum(CASE kind WHEN 'sell' THEN quantity WHEN 'return' THEN -quantity ELSE 0 END), 0) AS sold
                FROM stock_movement m WHERE m.product_id = s.product_id) l
              WHERE NOT s.unguarded AND (l.total <> s.total OR l.reserved <> s.reserved OR l.sold <> s.sold)",
    },
    Rule {
        name: "sold-equals-order-lines",
        says: "units sold equal the units on order lines less those returned",
        sql: "SELECT format('product %s: the row says %s sold, order lines say %s', s.product_id, s.sold, o.units) AS violation
              FROM stock_level s
              CROSS JOIN LATERAL (
                SELECT coalesce((SELECT sum(quantity) FROM order_line l WHERE l.product_id = s.product_id), 0)
                     - coalesce((SELECT sum(quantity) FROM stock_movement m
                                 WHERE m.product_id = s.product_id AND m.kind = 'return'), 0) AS units) o
              WHERE NOT s.unguarded AND s.sold <> o.units",
    },
    Rule {
        name: "one-sell-movement-a-line",
        says: "each order line has exactly one sell movement of its quantity",
        sql: "SELECT format('order %s, product %s: %s units on the line, %s sell movements of %s units in all',
                            l.order_id, l.product_id, l.quantity, m.movements, m.units) AS violation
              FROM order_line l
              JOIN stock_level s ON s.product_id = l.product_id AND NOT s.unguarded
              LEFT JOIN (SELECT order_id, product_id, count(*) AS movements, sum(quantity) AS units
                         FROM stock_movement WHERE kind = 'sell' GROUP BY order_id, product_id) m
                ON m.order_id = l.order_id AND m.product_id = l.product_id
              WHERE m.movements IS DISTINCT FROM 1 OR m.units <> l.quantity",
    },
    Rule {
        name: "no-movement-without-line",
        says: "each sell movement belongs to an order line",
        sql: "SELECT format('movement %s: sold %s of product %s to order %s, which has no such line', m.id, m.quantity, m.product_id,
                            coalesce(m.order_id::text, 'none')) AS violation
              FROM stock_movement m
              JOIN stock_level s ON s.product_id = m.product_id AND NOT s.unguarded
              WHERE m.kind = 'sell'
                AND NOT EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = m.order_id AND l.product_id = m.product_id)",
    },
    Rule {
        name: "total-equals-lines",
        says: "an order's total equals the sum of its lines, and it has one",
        sql: "SELECT format('order %s: total %s cents, lines %s cents', o.id, o.total_cents, coalesce(l.cents::text, 'none')) AS violation
              FROM customer_order o
              LEFT JOIN (SELECT order_id, sum(unit_price_cents * quantity) AS cents FROM order_line GROUP BY order_id) l
                ON l.order_id = o.id
              WHERE l.cents IS DISTINCT FROM o.total_cents",
    },
    Rule {
        name: "limits-kept",
        says: "no customer has more of a product than its limit",
        sql: "SELECT format('%s has %s of product %s, which is limited to %s', o.email_folded, sum(l.quantity), p.id,
                            p.per_customer_limit) AS violation
              FROM order_line l
              JOIN customer_order o ON o.id = l.order_id AND o.email_folded IS NOT NULL
              JOIN product p ON p.id = l.product_id AND p.per_customer_limit IS NOT NULL
              GROUP BY o.email_folded, p.id, p.per_customer_limit
              HAVING sum(l.quantity) > p.per_customer_limit",
    },
    Rule {
        name: "key-has-answer",
        says: "each idempotency key carries the answer that it was kept for",
        sql: "SELECT format('key %s has no answer', key) AS violation FROM idempotency_key WHERE response IS NULL",
    },
    Rule {
        name: "stock-row-for-each-product",
        says: "each product has a stock row",
        sql: "SELECT format('product %s has no stock row', p.id) AS violation
              FROM product p LEFT JOIN stock_level s ON s.product_id = p.id WHERE s.product_id IS NULL",
    },
];

/// Unguarded lanes, and what they lost.
pub const EXHIBITS: &str = "
    SELECT s.product_id, coalesce(n.strategy, 'unknown') AS strategy, s.total AS stock,
           coalesce(o.units, 0)::bigint AS sold, greatest(coalesce(o.units, 0) - s.total, 0)::bigint AS oversold
    FROM stock_level s
    JOIN product p ON p.id = s.product_id
    LEFT JOIN simulation_lane n ON n.id = p.lane_id
    LEFT JOIN (SELECT product_id, sum(quantity) AS units FROM order_line GROUP BY product_id) o ON o.product_id = s.product_id
    WHERE s.unguarded
    ORDER BY s.product_id";
