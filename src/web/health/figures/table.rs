//! The table of the figures.

use super::{FIGURE_COUNT, Figure, Group, Unit};
use crate::web::health::observed::{number, seconds};

/// Every figure, in the order of the page.
pub static FIGURES: [Figure; FIGURE_COUNT] = [
    Figure {
        id: "sales",
        group: Group::Selling,
        title: "Successes",
        unit: Unit::PerSecond,
        normal: "It follows the sale. Zero while shoppers try to buy is not normal.",
        limit: None,
        guide: "the-database-is-away",
        metric: "doorbuster_checkout_successes_total",
        value: |interval| interval.rate(|observed| observed.successes),
    },
    Figure {
        id: "refusals",
        group: Group::Selling,
        title: "Refusals by rules",
        unit: Unit::PerSecond,
        normal: "Many when a product is sold out: each is a clear answer, not a failure.",
        limit: None,
        guide: "too-much-load",
        metric: "doorbuster_checkout_refusals_total",
        value: |interval| interval.rate(|observed| observed.refused),
    },
    Figure {
        id: "failures",
        group: Group::Selling,
        title: "Failures",
        unit: Unit::PerSecond,
        normal: "Zero. The shop was busy, or could not reach the database or the provider.",
        limit: Some(0.0),
        guide: "the-database-is-away",
        metric: "doorbuster_checkout_refusals_total",
        value: |interval| interval.rate(|observed| observed.failed),
    },
    Figure {
        id: "duration",
        group: Group::Selling,
        title: "Duration, 99th percentile",
        unit: Unit::Seconds,
        normal: "Below 1 s, also in a rush. A payment waits up to 3 s for its provider.",
        limit: Some(3.5),
        guide: "slow-database",
        metric: "doorbuster_checkout_duration_seconds",
        value: |interval| interval.durations().quantile_s(0.99),
    },
    Figure {
        id: "queue",
        group: Group::Selling,
        title: "Purchases in the queue",
        unit: Unit::Number,
        normal: "Below 1,000. Only the strategy micro-batch queues purchases in memory.",
        limit: Some(1_000.0),
        guide: "too-much-load",
        metric: "doorbuster_purchase_queue_depth",
        value: |interval| Some(interval.now.queue_depth),
    },
    Figure {
        id: "holds",
        group: Group::Work,
        title: "Live reservations",
        unit: Unit::Number,
        normal: "Rises and falls with the number of shoppers at checkout.",
        limit: None,
        guide: "reservations-are-not-released",
        metric: "doorbuster_holds",
        value: |interval| interval.queried(|queried| number(queried.shop.holds_live)),
    },
    Figure {
        id: "unswept",
        group: Group::Work,
        title: "Oldest expired reservation",
        unit: Unit::Seconds,
        normal: "Below 3 s: servers release expired reservations every second.",
        limit: Some(30.0),
        guide: "reservations-are-not-released",
        metric: "doorbuster_hold_oldest_unswept_age_seconds",
        value: |interval| interval.queried(|queried| seconds(queried.shop.oldest_expired_us)),
    },
    Figure {
        id: "payments",
        group: Group::Work,
        title: "Oldest unknown payment",
        unit: Unit::Seconds,
        normal: "Zero, or below 60 s while the provider is slow.",
        limit: Some(60.0),
        guide: "stuck-payments",
        metric: "doorbuster_payment_oldest_unknown_age_seconds",
        value: |interval| interval.queried(|queried| seconds(queried.shop.oldest_unknown_us)),
    },
    Figure {
        id: "events",
        group: Group::Work,
        title: "Refunds and backorders waiting",
        unit: Unit::Number,
        normal: "Few. Backorders wait for stock, refunds for the provider.",
        limit: Some(100.0),
        guide: "stuck-payments",
        metric: "doorbuster_events_waiting",
        value: |interval| {
            interval.queried(|queried| {
                number(queried.shop.refunds_waiting + queried.shop.backorders_waiting)
            })
        },
    },
    Figure {
        id: "audit-age",
        group: Group::Proof,
        title: "Age of the continuous audit",
        unit: Unit::Seconds,
        normal: "Below 30 s: it runs every 10 s.",
        limit: Some(60.0),
        guide: "the-audit-is-late",
        metric: "doorbuster_audit_age_seconds",
        value: |interval| {
            let queried = interval.now.queried.as_ref()?;
            let audit = queried.continuous_audit?;
            Some((audit.age + queried.at.elapsed()).as_secs_f64())
        },
    },
    Figure {
        id: "violations",
        group: Group::Proof,
        title: "Violations",
        unit: Unit::Number,
        normal: "Zero, always. Stock, orders, money and ledger must agree.",
        limit: Some(0.0),
        guide: "stock-differs",
        metric: "doorbuster_audit_violations",
        value: |interval| {
            let queried = interval.now.queried.as_ref()?;
            let audits = [queried.continuous_audit, queried.full_audit];
            let violations = audits.iter().flatten().map(|audit| audit.violations);
            violations
                .max()
                .map(|violations| number(i64::try_from(violations).unwrap_or(i64::MAX)))
        },
    },
    Figure {
        id: "connections",
        group: Group::Database,
        title: "Connections in use",
        unit: Unit::Percent,
        normal: "Short peaks up to 100 %. All of them for minutes means a slow database.",
        limit: Some(95.0),
        guide: "slow-database",
        metric: "doorbuster_pool_connections_in_use",
        value: |interval| Some(interval.now.connections_percent),
    },
    Figure {
        id: "waiting",
        group: Group::Database,
        title: "Transactions waiting for one",
        unit: Unit::Number,
        normal: "Zero between rushes. A rush queues here, and each one waits at most 4.5 s.",
        limit: Some(200.0),
        guide: "too-much-load",
        metric: "doorbuster_pool_waiting",
        value: |interval| Some(interval.now.waiting),
    },
    Figure {
        id: "lock-wait",
        group: Group::Database,
        title: "Sessions waiting for row locks",
        unit: Unit::Number,
        normal: "On average over 10 s. Up to the size of the pool while one product is in demand.",
        limit: Some(15.0),
        guide: "slow-database",
        metric: "doorbuster_transaction_lock_wait_seconds_total",
        value: |interval| Some(interval.rate(|observed| observed.lock_wait_us)? / 1e6),
    },
    Figure {
        id: "retries",
        group: Group::Database,
        title: "Retries",
        unit: Unit::PerSecond,
        normal: "Few, unless the shop sells with an optimistic strategy.",
        limit: Some(50.0),
        guide: "deadlocks-and-retries",
        metric: "doorbuster_transaction_retries_total",
        value: |interval| interval.rate(|observed| observed.retries),
    },
    Figure {
        id: "deadlocks",
        group: Group::Database,
        title: "Deadlocks",
        unit: Unit::PerSecond,
        normal: "Zero: all transactions take their locks in one order.",
        limit: Some(0.0),
        guide: "deadlocks-and-retries",
        metric: "doorbuster_transaction_rollbacks_total",
        value: |interval| interval.rate(|observed| observed.deadlocks),
    },
    Figure {
        id: "idle",
        group: Group::Database,
        title: "Sessions idle in a transaction",
        unit: Unit::Number,
        normal: "Zero. One that holds a lock stops every buyer of that product.",
        limit: Some(0.0),
        guide: "slow-database",
        metric: "doorbuster_database_sessions_idle_in_transaction",
        value: |interval| {
            let load = interval.now.queried.as_ref()?.load?;
            Some(number(load.idle_in_transaction))
        },
    },
    Figure {
        id: "longest",
        group: Group::Database,
        title: "Longest transaction",
        unit: Unit::Seconds,
        normal: "Below 5 s. Older ones keep dead rows from being removed.",
        limit: Some(30.0),
        guide: "slow-database",
        metric: "doorbuster_database_longest_transaction_seconds",
        value: |interval| {
            let load = interval.now.queried.as_ref()?.load?;
            Some(seconds(load.longest_transaction_us))
        },
    },
    Figure {
        id: "dead-rows",
        group: Group::Database,
        title: "Dead rows of the stock table",
        unit: Unit::Number,
        normal: "It rises in a sale and falls within minutes.",
        limit: Some(50_000.0),
        guide: "slow-database",
        metric: "doorbuster_database_stock_dead_rows",
        value: |interval| {
            let load = interval.now.queried.as_ref()?.load?;
            Some(number(load.dead_rows))
        },
    },
    Figure {
        id: "streams",
        group: Group::Server,
        title: "Open event streams",
        unit: Unit::Number,
        normal: "About one for each open page, up to CONNECTIONS_MAX.",
        limit: None,
        guide: "too-much-load",
        metric: "doorbuster_streams_open",
        value: |interval| Some(interval.now.streams),
    },
];
