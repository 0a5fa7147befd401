//! The full audit reads history in many short snapshots, and finds the same as in one.

use std::{future::ready, time::Duration};

use doorbuster::{
    db::{Db, PoolSettings},
    model::StrategyKey,
    shop::{
        audit::{self, AuditReport, Pace, Stored, full::FullAudit},
        refunds::OrderAction,
    },
};

use super::{WITHOUT_TRIGGER, violated_rules};
use crate::support::{
    PATIENCE, TestProduct, TestShop, administrator, check_audit_clean,
    sessions::{self, Session},
    shop::{restocking, units_of},
    within,
};

const NAME: &str = "audit in parts";
/// `FULL_LOCK` of `shop::audit`.
const FULL_LOCK: i64 = 0x6175_6466;

async fn pool(shop: &TestShop) -> Db {
    Db::connect_as(shop.database.url(), PoolSettings::AUDIT, NAME)
        .await
        .expect("the pool opens")
}

/// Audits in parts of `rows` rows, each in its own snapshot, and calls `between` after each
/// snapshot with its number.
async fn audit_in_parts(
    shop: &TestShop,
    rows: u64,
    mut between: impl AsyncFnMut(u32),
) -> AuditReport {
    let db = pool(shop).await;
    let mut audit = FullAudit::new(Pace::in_parts_of(rows));
    let mut snapshots = 0;
    while audit
        .read_snapshot(&db, |_| {})
        .await
        .expect("the audit runs")
    {
        snapshots += 1;
        between(snapshots).await;
    }
    db.close().await;
    audit.report()
}

async fn nothing(_: u32) {}

/// Returns the sentences of each violated rule.
fn sentences(report: &AuditReport) -> Vec<(&str, Vec<&str>)> {
    let violated = report.rules.iter().filter(|rule| rule.violations > 0);
    violated
        .map(|rule| {
            let mut listed: Vec<_> = rule.listed.iter().map(String::as_str).collect();
            listed.sort_unstable();
            (rule.rule.as_str(), listed)
        })
        .collect()
}

/// A shop with six orders, of which two were paid by card and one was cancelled, and open holds.
async fn with_history(shop: &TestShop) -> TestProduct {
    let product = shop.with_product(100).await;
    for _ in 0..3 {
        shop.buy(&product).await.expect("it is sold");
    }
    let cancelled = shop.buy(&product).await.expect("it is sold");
    shop.order_administration(&administrator())
        .apply(&cancelled.order_id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    shop.paid(&[(&product, 2)], "ann@example.com").await;
    shop.paid(&[(&product, 1)], "bob@example.com").await;
    reserve(shop, &product).await;
    product
}

async fn reserve(shop: &TestShop, product: &TestProduct) {
    let cart = shop.cart_of(&[(product, 1)]).await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
}

#[tokio::test]
async fn parts_of_any_size_find_the_same_violations_as_one_snapshot() {
    let shop = TestShop::new().await;
    let product = with_history(&shop).await;
    shop.without_final_audit();
    let plants = format!(
        // Every order, so also the first and the last one of each part.
        "{WITHOUT_TRIGGER} UPDATE customer_order SET tax_cents = tax_cents + 1; \
         UPDATE hold SET quantity = quantity + 1; \
         UPDATE stock_movement SET hold_id = 999999 WHERE kind = 'sell' AND hold_id IS NOT NULL; \
         INSERT INTO stock_movement (product_id, kind, quantity, order_id) VALUES ({id}, 'sell', 1, 999999), ({id}, 'sell', 1, NULL); \
         UPDATE order_line SET customer_limit = 1 WHERE quantity = 2; \
         INSERT INTO idempotency_key (key, fingerprint) SELECT 'mute-' || n, repeat('0', 64) FROM generate_series(1, 5) n",
        id = product.id
    );
    shop.by_hand.run(&plants).await;
    let whole = shop.audit().await;
    let violated: Vec<_> = violated_rules(&whole).into_iter().collect();
    assert_eq!(
        violated,
        [
            "key-has-answer",
            "ledger-equals-counters",
            "limits-kept",
            "no-movement-without-line",
            "reserved-equals-holds",
            "sell-names-its-hold",
            "total-equals-parts",
        ]
    );
    for rows in 1..=7 {
        let parts = audit_in_parts(&shop, rows, nothing).await;
        assert_eq!(sentences(&parts), sentences(&whole), "parts of {rows} rows");
    }
}

/// A sum over all orders, of which each part sees a few.
#[tokio::test]
async fn units_on_lines_are_compared_with_the_stock_row_in_parts() {
    let shop = TestShop::new().await;
    let product = with_history(&shop).await;
    shop.without_final_audit();
    shop.by_hand
        .run(&format!(
            "DELETE FROM customer_order WHERE id = (SELECT min(order_id) FROM order_line WHERE product_id = {id}); \
             UPDATE order_line SET quantity = quantity + 1 WHERE id = (SELECT max(id) FROM order_line WHERE product_id = {id} AND quantity = 2)",
            id = product.id
        ))
        .await;
    for rows in [1, 2, 100] {
        let parts = audit_in_parts(&shop, rows, nothing).await;
        // One line fewer and one unit more: the sum is right, and other rules say what is wrong.
        assert!(!violated_rules(&parts).contains("sold-equals-order-lines"));
        assert!(violated_rules(&parts).contains("no-movement-without-line"));
    }
    shop.by_hand
        .run("DELETE FROM customer_order WHERE id = (SELECT max(id) FROM customer_order)")
        .await;
    let whole = shop.audit().await;
    let expected = format!(
        "product {}: sold 6 in the stock row, 5 in the order lines",
        product.id
    );
    for rows in [1, 2, 100] {
        let parts = audit_in_parts(&shop, rows, nothing).await;
        assert_eq!(sentences(&parts), sentences(&whole), "parts of {rows} rows");
        let sold = parts
            .rules
            .iter()
            .find(|rule| rule.rule == "sold-equals-order-lines");
        assert_eq!(sold.expect("the rule exists").listed, [expected.as_str()]);
    }
}

/// One of these between any two parts: purchases, holds, payments, cancellations, returns.
#[tokio::test]
async fn sales_between_the_parts_are_no_violations() {
    let shop = TestShop::new().await;
    let product = with_history(&shop).await;
    for rows in [1, 3] {
        let report = audit_in_parts(&shop, rows, async |snapshot| {
            if snapshot <= 40 {
                trade(&shop, &product, snapshot).await;
            }
        })
        .await;
        assert!(report.is_clean(), "{:#?}", sentences(&report));
    }
}

async fn trade(shop: &TestShop, product: &TestProduct, number: u32) {
    match number % 5 {
        0 => reserve(shop, product).await,
        1 => {
            shop.paid(&[(product, 1)], "cat@example.com").await;
        }
        2 => {
            shop.buy(product).await.expect("it is sold");
        }
        3 => {
            let oldest = "SELECT public_id::text FROM customer_order o WHERE status = 'placed' \
                          AND NOT EXISTS (SELECT 1 FROM order_line l WHERE l.order_id = o.id AND l.returned_quantity > 0) \
                          ORDER BY id LIMIT 1";
            let oldest: String = shop.by_hand.value(oldest).await;
            shop.order_administration(&administrator())
                .apply(&oldest, OrderAction::Cancel, None)
                .await
                .expect("it is cancelled");
        }
        _ => {
            let sold = shop.buy(product).await.expect("it is sold");
            let line_id = shop.line_id(&sold.order_id, product).await;
            let quantity = units_of(1);
            shop.order_administration(&administrator())
                .apply(
                    &sold.order_id,
                    OrderAction::ReturnLine { line_id, quantity },
                    None,
                )
                .await
                .expect("it is returned");
        }
    }
}

/// Its id is below ids that are already counted when it is committed.
#[tokio::test]
async fn a_movement_that_is_committed_late_is_counted() {
    let shop = TestShop::new().await;
    let product = with_history(&shop).await;
    let late = shop.database.by_hand().await;
    late.run("BEGIN").await;
    late.run(&restocking(&product, 5)).await;
    let other = shop.with_product(5).await;
    shop.buy(&other).await.expect("it is sold");
    let (report, ()) = tokio::join!(audit_in_parts(&shop, 1, nothing), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        late.run("COMMIT").await;
    });
    assert!(report.is_clean(), "{:#?}", sentences(&report));
}

/// A transaction that stays open does not keep the audit from ending, and is not in its way when it
/// is committed in the end.
#[tokio::test]
async fn an_audit_ends_although_a_writing_transaction_stays_open() {
    let shop = TestShop::new().await;
    let product = with_history(&shop).await;
    let late = shop.database.by_hand().await;
    late.run("BEGIN").await;
    late.run(&restocking(&product, 5)).await;
    let audited = audit_in_parts(&shop, 1, nothing);
    let report = within(PATIENCE, "the audit", audited).await;
    assert!(report.is_clean(), "{:#?}", sentences(&report));
    late.run("COMMIT").await;
    check_audit_clean(&shop).await;
}

/// The row and its movements are corrected together, when some of the movements are counted.
#[tokio::test]
async fn a_corrected_ledger_is_counted_again() {
    let shop = TestShop::new().await;
    let product = with_history(&shop).await;
    let correction = format!(
        "BEGIN; {WITHOUT_TRIGGER} \
         UPDATE stock_movement SET quantity = quantity + 1 WHERE product_id = {id} AND kind = 'receive'; \
         ALTER TABLE stock_movement ENABLE TRIGGER stock_movement_append_only; \
         UPDATE stock SET total = total + 1, available = available + 1 WHERE product_id = {id}; COMMIT",
        id = product.id
    );
    for corrected_after in [2, 10, 20, 40] {
        let report = audit_in_parts(&shop, 1, async |snapshot| {
            if snapshot == corrected_after {
                shop.by_hand.run(&correction).await;
            }
        })
        .await;
        assert!(report.is_clean(), "{:#?}", sentences(&report));
    }
}

/// A violation that exists from the start is reported, although the ledger is corrected meanwhile.
#[tokio::test]
async fn a_violation_of_the_ledger_is_confirmed_by_the_second_count() {
    let shop = TestShop::new().await;
    let product = with_history(&shop).await;
    shop.without_final_audit();
    let wrong = format!(
        "INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({}, 'receive', 1)",
        product.id
    );
    shop.by_hand.run(&wrong).await;
    let report = audit_in_parts(&shop, 1, async |snapshot| {
        if snapshot % 10 == 0 && snapshot <= 60 {
            shop.buy(&product).await.expect("it is sold");
        }
    })
    .await;
    let violated: Vec<_> = violated_rules(&report).into_iter().collect();
    assert_eq!(violated, ["ledger-equals-counters"]);
}

/// A product with few movements needs no second count of all others.
#[tokio::test]
async fn a_product_with_little_history_is_counted_again_in_one_snapshot() {
    let shop = TestShop::new().await;
    with_history(&shop).await;
    let product = shop.with_product(5).await;
    shop.without_final_audit();
    let wrong = format!(
        "INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({}, 'receive', 1)",
        product.id
    );
    shop.by_hand.run(&wrong).await;
    let whole = shop.audit().await;
    let parts = audit_in_parts(&shop, 2, nothing).await;
    assert_eq!(sentences(&parts), sentences(&whole));
    let violated: Vec<_> = violated_rules(&parts).into_iter().collect();
    assert_eq!(violated, ["ledger-equals-counters"]);
}

/// Between two parts, the audit keeps no version of any row.
#[tokio::test]
async fn no_snapshot_is_open_between_two_parts() {
    let shop = TestShop::new().await;
    with_history(&shop).await;
    let mut looks = 0;
    let report = audit_in_parts(&shop, 2, async |_| {
        let is_open = |one: &Session| one.name == NAME && one.is_in_transaction;
        sessions::wait_until(&shop.by_hand, "in a snapshot", is_open, |count| count == 0).await;
        looks += 1;
    })
    .await;
    assert!(report.is_clean(), "{:#?}", sentences(&report));
    assert!(looks > 20, "{looks} snapshots");
}

/// More lanes than one part reads.
#[tokio::test]
async fn every_exhibit_is_listed_once() {
    let shop = TestShop::new().await;
    let mut lanes = Vec::new();
    for _ in 0..21 {
        lanes.push(shop.with_lane(StrategyKey::Unguarded, 1).await.id);
    }
    let report = audit_in_parts(&shop, 1, nothing).await;
    let listed: Vec<_> = report.exhibits.iter().map(|e| e.product_id).collect();
    assert_eq!(listed, lanes);
}

#[tokio::test]
async fn a_stored_audit_runs_on_one_server_at_a_time() {
    let shop = TestShop::new().await;
    let db = pool(&shop).await;
    let other = shop.database.by_hand().await;
    other.lock(FULL_LOCK).await;
    let refused = audit::run_and_store(&db, Pace::GENTLE, ready(Vec::new())).await;
    assert!(refused.expect("the database answers").is_none());
    let stored = audit::latest(&db, Stored::Full).await;
    assert!(stored.expect("the database answers").is_none());
    other.unlock(FULL_LOCK).await;
    let report = audit::run_and_store(&db, Pace::GENTLE, ready(Vec::new())).await;
    let report = report.expect("the database answers").expect("it runs");
    let stored = audit::latest(&db, Stored::Full).await;
    let stored = stored.expect("the database answers").expect("it is stored");
    assert_eq!(stored.report, report);
    db.close().await;
}

/// The command pauses only while a server process runs.
#[tokio::test]
async fn the_pace_follows_the_heartbeats_of_servers() {
    let shop = TestShop::new().await;
    let db = pool(&shop).await;
    let pace = async || audit::pace_beside_servers(&db).await;
    assert_eq!(pace().await, Ok(Pace::FAST));
    let server = uuid::Uuid::new_v4();
    let beat = shop.operation().record_heartbeat(server).await;
    beat.expect("the heartbeat is recorded");
    assert_eq!(pace().await, Ok(Pace::GENTLE));
    shop.by_hand
        .run("UPDATE server_heartbeat SET beat_at = now() - INTERVAL '16 seconds'")
        .await;
    assert_eq!(pace().await, Ok(Pace::FAST));
    db.close().await;
}
