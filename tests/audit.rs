//! The audit detects violations: the tests create one for each rule, and only the rules that it
//! violates report it.

mod changes;
mod parts;

use std::{collections::BTreeSet, sync::mpsc};

use doorbuster::{
    db::txn::{self, Abort, TxnError},
    model::{DiscountValue, ShopError, StrategyKey},
    payment::{gateway::ChargeState, provider::test_cards},
    shop::{
        audit::{self, AuditReport, Pace, continuous, full::FullAudit, rules::RULES},
        discounts::NewCode,
        refunds::OrderAction,
    },
};
use futures::future::join_all;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::support::{
    PATIENCE, PlacesOrders, ScriptedProvider, TestProduct, TestShop, administrator,
    check_audit_clean, patient,
    scripted_provider::lost,
    shop::{PendingPayment, card, units_of},
    within,
    words::in_words_of,
};

/// A shop with one order of one unit and one of two units, of two different products.
struct Sold {
    shop: TestShop,
    one: TestProduct,
    two: TestProduct,
}

async fn sold() -> Sold {
    let shop = TestShop::new().await;
    let (one, two) = (shop.with_product(5).await, shop.with_product(5).await);
    shop.buy(&one).await.expect("it is sold");
    let cart = shop.cart_of(&[(&two, 2)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    shop.place_order(request)
        .await
        .result
        .expect("it is placed");
    check_audit_clean(&shop).await;
    Sold { shop, one, two }
}

/// Splits statements into the changes of the schema, which end a transaction on MySQL, and all
/// others.
fn split_by_kind(statements: &str) -> (String, String) {
    let (changes, others): (Vec<_>, Vec<_>) = statements
        .split(';')
        .partition(|statement| statement.trim_start().starts_with("ALTER TABLE"));
    (changes.join(";"), others.join(";"))
}

/// Runs the full and the continuous audit in a transaction that first runs `violation`, and rolls
/// it back: the shop stays clean for the next violation. What it changes in the schema stays
/// changed. The full audit must find the same in parts of one and of two rows.
async fn reports_after(shop: &TestShop, violation: &str) -> (AuditReport, AuditReport) {
    let (changes, violation) = split_by_kind(violation);
    if !changes.is_empty() {
        shop.by_hand.run(&changes).await;
    }
    let (sender, reports) = mpsc::channel();
    let sql = in_words_of(shop.db().engine(), &violation).sql;
    let ended = txn::run_for_result(shop.db(), patient("violation"), move |work| {
        let (sender, sql) = (sender.clone(), sql.clone());
        Box::pin(async move {
            work.connection().execute_unprepared(&sql).await?;
            let mut in_parts = Vec::new();
            for rows in [1, 2] {
                let mut audit = FullAudit::new(Pace::in_parts_of(rows));
                audit.read_all(work).await?;
                in_parts.push(audit.report());
            }
            let (full, of_changes) = (audit::report(work).await?, continuous::report(work).await?);
            sender
                .send((full, in_parts, of_changes))
                .expect("the test receives it");
            let rolled_back = ShopError::InvalidState("rolled back".to_owned());
            Err::<(), _>(Abort::Refused(rolled_back))
        })
    })
    .await;
    assert!(
        matches!(ended, Err(TxnError::Refused(_))),
        "{violation}: {ended:?}"
    );
    let (full, in_parts, of_changes) = reports.recv().expect("it was sent");
    for parts in in_parts {
        assert_eq!(found(&parts), found(&full), "in parts, after: {violation}");
    }
    (full, of_changes)
}

/// Returns how many violations each rule has, and those that are listed, in any order.
fn found(report: &AuditReport) -> Vec<(usize, BTreeSet<&str>)> {
    let rules = report.rules.iter();
    rules
        .map(|rule| {
            let listed = rule.listed.iter().map(String::as_str);
            (rule.violations, listed.collect())
        })
        .collect()
}

fn violated_rules(report: &AuditReport) -> BTreeSet<&str> {
    let violated = report.rules.iter().filter(|rule| rule.violations > 0);
    violated.map(|rule| rule.rule.as_str()).collect()
}

/// Creates a violation with SQL, and checks that the audit reports exactly these rules, and the
/// continuous audit at least these.
async fn check_reported(shop: &TestShop, violation: &str, rules: &[&str]) {
    // So that the continuous audit can find only what the violation changes.
    let round = continuous::run_round(shop.db()).await;
    round
        .expect("the database answers")
        .expect("no other server checks");
    let (report, of_changes) = reports_after(shop, violation).await;
    let expected: BTreeSet<_> = rules.iter().copied().collect();
    assert_eq!(
        violated_rules(&report),
        expected,
        "after: {violation}\n{report:#?}"
    );
    // The continuous audit compares sold units by order, so it may find more.
    assert!(
        violated_rules(&of_changes).is_superset(&expected),
        "in the changes, after: {violation}\n{of_changes:#?}"
    );
    assert!(!report.is_clean());
    for rule in report.rules.iter().filter(|rule| rule.violations > 0) {
        assert_eq!(rule.listed.len(), rule.violations, "{}", rule.rule);
    }
}

/// Reserves two units of a new product.
async fn reserve(shop: &TestShop) {
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
}

/// Creates an order with a pending payment.
async fn pending(shop: &TestShop, scripted: &ScriptedProvider) -> PendingPayment {
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let started = shop
        .start_payment(shop.paid_through(scripted), scripted, request)
        .await;
    check_audit_clean(shop).await;
    started
}

/// Creates an order with a discount, paid with this card.
async fn with_code(shop: &TestShop, number: &str) {
    let new = NewCode {
        code: "TEN".to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 5,
        per_customer_limit: Some(1),
    };
    shop.discount_administration(&administrator())
        .create(new, None)
        .await
        .expect("it is created");
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.code = Some("TEN".to_owned());
    let outcome = shop.payments().pay(request, card(number)).await;
    let is_captured = number == test_cards::CAPTURED;
    assert_eq!(outcome.result.is_ok(), is_captured);
    check_audit_clean(shop).await;
}

const WITHOUT_TRIGGER: &str =
    "ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only;";

#[tokio::test]
async fn stock_that_is_not_conserved_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    // The ledger agrees with the total, so that only the counters of the row are inconsistent.
    let violation = format!(
        "ALTER TABLE stock DROP CONSTRAINT IF EXISTS stock_conserved; \
         UPDATE stock SET total = total + 1 WHERE product_id = {id}; \
         INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({id}, 'adjust', 1)",
        id = one.id
    );
    check_reported(&shop, &violation, &["stock-conserved"]).await;
}

#[tokio::test]
async fn stock_below_zero_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    let violation = format!(
        "ALTER TABLE stock DROP CONSTRAINT IF EXISTS stock_conserved, DROP CONSTRAINT IF EXISTS stock_available_not_negative; \
         UPDATE stock SET available = -1, reserved = 5 WHERE product_id = {id}; \
         INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({id}, 'hold', 5)",
        id = one.id
    );
    check_reported(
        &shop,
        &violation,
        &["reserved-equals-holds", "stock-conserved"],
    )
    .await;
}

#[tokio::test]
async fn a_ledger_that_differs_from_the_counters_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    let violation = format!(
        "INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({}, 'receive', 1)",
        one.id
    );
    check_reported(&shop, &violation, &["ledger-equals-counters"]).await;
}

#[tokio::test]
async fn order_lines_without_sold_stock_are_reported() {
    let Sold { shop, one, .. } = sold().await;
    // MySQL drops no index that a foreign key needs.
    shop.by_hand
        .run("CREATE INDEX order_line_of_order ON order_line (order_id, product_id)")
        .await;
    // A duplicate line: two units ordered, but only one sold by one movement.
    let violation = format!(
        "ALTER TABLE order_line DROP CONSTRAINT IF EXISTS order_line_once_a_product; \
         INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity) \
           SELECT order_id, product_id, product_name, unit_price_cents, quantity FROM order_line WHERE product_id = {}; \
         UPDATE customer_order SET subtotal_cents = 2000, total_cents = 2000, due_cents = 2000, tax_cents = 319 WHERE email IS NULL",
        one.id
    );
    check_reported(&shop, &violation, &["sold-equals-order-lines"]).await;
}

#[tokio::test]
async fn a_line_with_a_different_movement_quantity_is_reported() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.buy(&product).await.expect("it is sold");
    shop.buy(&product).quantity(2).await.expect("it is sold");
    // The sums remain correct: each order has the movement quantity of the other.
    let violation = format!(
        "{WITHOUT_TRIGGER} UPDATE stock_movement SET quantity = 3 - quantity WHERE product_id = {} AND kind = 'sell'",
        product.id
    );
    check_reported(&shop, &violation, &["one-sell-movement-a-line"]).await;
}

#[tokio::test]
async fn a_sell_movement_without_an_order_line_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    let violation = format!(
        "INSERT INTO stock_movement (product_id, kind, quantity, order_id) VALUES ({}, 'sell', 1, 999999)",
        one.id
    );
    check_reported(
        &shop,
        &violation,
        &["ledger-equals-counters", "no-movement-without-line"],
    )
    .await;
}

#[tokio::test]
async fn a_deleted_order_is_reported_by_ledger_and_stock_rules() {
    let Sold { shop, one, .. } = sold().await;
    let violation = format!(
        "DELETE FROM customer_order WHERE id IN (SELECT order_id FROM order_line WHERE product_id = {})",
        one.id
    );
    check_reported(
        &shop,
        &violation,
        &["no-movement-without-line", "sold-equals-order-lines"],
    )
    .await;
}

#[tokio::test]
async fn a_total_that_is_not_the_sum_of_its_parts_is_reported() {
    let Sold { shop, .. } = sold().await;
    for change in [
        "total_cents = total_cents + 1, due_cents = due_cents + 1",
        "subtotal_cents = subtotal_cents + 1",
        "discount_cents = discount_cents + 1, discount_code = NULL",
        "shipping_cents = shipping_cents + 1",
        "tax_cents = tax_cents + 1",
        "tax_cents = tax_cents - 1",
    ] {
        let violation = format!("UPDATE customer_order SET {change} WHERE email IS NULL");
        let mut rules = vec!["total-equals-parts"];
        if change.contains("discount") {
            rules.push("codes-kept");
        }
        check_reported(&shop, &violation, &rules).await;
    }
}

/// Rounding is not a violation: the rule rounds the tax as the shop does, at every price.
#[tokio::test]
async fn correct_bills_are_clean_at_every_rounding() {
    let shop = TestShop::new().await;
    for price in [
        1, 2, 3, 59, 60, 119, 999, 1_004, 1_005, 4_999, 5_000, 123_457,
    ] {
        let product = shop.product().price_cents(price).create().await;
        shop.buy(&product).quantity(3).await.expect("it is sold");
        shop.paid(&[(&product, 3)], "ann@example.com").await;
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_order_without_lines_is_reported() {
    let Sold { shop, .. } = sold().await;
    let violation = "INSERT INTO customer_order (public_id, status, settlement, currency, total_cents, due_cents) \
                 VALUES (gen_random_uuid(), 'placed', 'on_account', 'EUR', 100, 100)";
    check_reported(&shop, violation, &["total-equals-parts"]).await;
}

#[tokio::test]
async fn holds_that_differ_from_the_reserved_counter_are_reported() {
    let shop = TestShop::new().await;
    reserve(&shop).await;
    for violation in [
        "UPDATE hold SET quantity = quantity + 1",
        "UPDATE hold SET state = 'released', closed_at = now()",
    ] {
        check_reported(&shop, violation, &["reserved-equals-holds"]).await;
    }
}

#[tokio::test]
async fn a_sold_hold_without_its_sell_movement_is_reported() {
    let Sold { shop, .. } = sold().await;
    for (violation, rules) in [
        (
            "UPDATE hold SET quantity = quantity + 1 WHERE state = 'sold'",
            &["sell-names-its-hold"][..],
        ),
        (
            "UPDATE stock_movement SET hold_id = NULL WHERE kind = 'sell' AND hold_id IS NOT NULL",
            &["ledger-equals-counters", "sell-names-its-hold"],
        ),
        (
            "UPDATE hold SET order_id = NULL WHERE state = 'sold'",
            &["sell-names-its-hold"],
        ),
    ] {
        let violation = format!("{WITHOUT_TRIGGER} {violation}");
        check_reported(&shop, &violation, rules).await;
    }
}

#[tokio::test]
async fn a_sell_movement_of_an_unsold_hold_is_reported() {
    let Sold { shop, .. } = sold().await;
    for violation in [
        "UPDATE hold SET state = 'released' WHERE state = 'sold'",
        "UPDATE stock_movement SET hold_id = 999999 WHERE kind = 'sell' AND hold_id IS NOT NULL",
        // A hold of another product.
        "UPDATE hold SET product_id = 1 WHERE state = 'sold'",
    ] {
        let violation = format!("{WITHOUT_TRIGGER} {violation}");
        check_reported(&shop, &violation, &["sell-names-its-hold"]).await;
    }
}

#[tokio::test]
async fn a_sell_movement_of_an_unsold_line_is_reported() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    pending(&shop, &scripted).await;
    let violation = "INSERT INTO stock_movement (product_id, kind, quantity, order_id) SELECT product_id, 'sell', quantity, order_id FROM order_line";
    check_reported(
        &shop,
        violation,
        &["ledger-equals-counters", "one-sell-movement-a-line"],
    )
    .await;
}

#[tokio::test]
async fn returns_on_the_wrong_line_are_reported() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let first = shop.buy(&product).await.expect("it is sold");
    shop.buy(&product).await.expect("it is sold");
    let line_id = shop.line_id(&first.order_id, &product).await;
    let quantity = units_of(1);
    shop.order_administration(&administrator())
        .apply(
            &first.order_id,
            OrderAction::ReturnLine { line_id, quantity },
            None,
        )
        .await
        .expect("it is returned");
    check_audit_clean(&shop).await;
    // The sums remain correct.
    let violation = "UPDATE order_line SET returned_quantity = 1 - returned_quantity";
    check_reported(&shop, violation, &["returns-equal-lines"]).await;
}

#[tokio::test]
async fn a_cancelled_order_without_returns_is_reported() {
    let Sold { shop, .. } = sold().await;
    let violation =
        "UPDATE customer_order SET status = 'cancelled', due_cents = 0 WHERE email IS NULL";
    check_reported(
        &shop,
        violation,
        &["returns-equal-lines", "sold-equals-order-lines"],
    )
    .await;
}

#[tokio::test]
async fn captured_money_that_is_neither_due_nor_refunded_is_reported() {
    let Sold { shop, .. } = sold().await;
    for violation in [
        "UPDATE customer_order SET due_cents = due_cents - 1 WHERE settlement = 'card'",
        "INSERT INTO refund (payment_id, order_id, reference, state, reason, amount_cents, settled_at) \
         SELECT id, order_id, gen_random_uuid(), 'succeeded', 'goodwill', 1, now() FROM payment",
    ] {
        check_reported(&shop, violation, &["captured-less-refunded-equals-due"]).await;
    }
}

/// The start and the last heartbeat of a server process, as ages, and whether work that has been
/// due for two minutes is then reported.
const SERVERS: [(&str, &str, bool); 7] = [
    ("10 minutes", "0 seconds", true),
    // Stopped, but it ran for long enough.
    ("10 minutes", "5 seconds", true),
    ("65 seconds", "1 second", true),
    // Started recently.
    ("20 seconds", "0 seconds", false),
    // Stopped before the work was due.
    ("10 minutes", "3 minutes", false),
    // Stopped soon after the work was due.
    ("10 minutes", "100 seconds", false),
    // Ran only for a short time.
    ("50 seconds", "30 seconds", false),
];

/// Checks for each of [`SERVERS`] whether the rule reports a violation.
async fn check_counts_from_heartbeats(shop: &TestShop, rule: &str) {
    check_audit_clean(shop).await;
    for (started, heartbeat, is_reported) in SERVERS {
        let violation = format!(
            "DELETE FROM server_heartbeat; \
             INSERT INTO server_heartbeat (server_id, started_at, beat_at) \
             VALUES (gen_random_uuid(), now() - INTERVAL '{started}', now() - INTERVAL '{heartbeat}')"
        );
        if is_reported {
            check_reported(shop, &violation, &[rule]).await;
        } else {
            shop.by_hand.run(&violation).await;
            check_audit_clean(shop).await;
        }
    }
    // Many short runs do not count as one long run.
    let many = "DELETE FROM server_heartbeat; \
                INSERT INTO server_heartbeat (server_id, started_at, beat_at) \
                SELECT gen_random_uuid(), now() - n * INTERVAL '20 seconds', now() - (n - 1) * INTERVAL '20 seconds' \
                FROM generate_series(1, 30) n";
    shop.by_hand.run(many).await;
    check_audit_clean(shop).await;
    shop.without_final_audit();
}

#[tokio::test]
async fn an_unresolved_payment_is_reported_if_a_server_was_running() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    pending(&shop, &scripted).await;
    shop.by_hand
        .run("UPDATE payment SET created_at = now() - INTERVAL '2 minutes'")
        .await;
    check_counts_from_heartbeats(&shop, "money-is-resolved").await;
}

#[tokio::test]
async fn an_unresolved_refund_is_reported_if_a_server_was_running() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let here = shop.paid_through(&scripted);
    let started = pending(&shop, &scripted).await;
    scripted.answer_refunds(Err(lost()));
    here.payments()
        .settle(started.charge, ChargeState::Captured)
        .await
        .expect("it is settled");
    here.order_administration(&administrator())
        .apply(&started.order_id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    shop.by_hand
        .run("UPDATE refund SET created_at = now() - INTERVAL '2 minutes'")
        .await;
    check_counts_from_heartbeats(&shop, "money-is-resolved").await;
}

#[tokio::test]
async fn an_unswept_hold_is_reported_if_a_server_was_running() {
    let shop = TestShop::new().await;
    reserve(&shop).await;
    shop.by_hand
        .run("UPDATE hold SET expires_at = now() - INTERVAL '90 seconds'")
        .await;
    for (started, heartbeat, is_reported) in [
        ("10 minutes", "0 seconds", true),
        ("35 seconds", "1 second", true),
        ("10 minutes", "55 seconds", true),
        ("20 seconds", "0 seconds", false),
        ("10 minutes", "2 minutes", false),
        ("10 minutes", "85 seconds", false),
    ] {
        let violation = format!(
            "DELETE FROM server_heartbeat; \
             INSERT INTO server_heartbeat (server_id, started_at, beat_at) \
             VALUES (gen_random_uuid(), now() - INTERVAL '{started}', now() - INTERVAL '{heartbeat}')"
        );
        if is_reported {
            check_reported(&shop, &violation, &["expired-holds-are-swept"]).await;
        } else {
            shop.by_hand.run(&violation).await;
            check_audit_clean(&shop).await;
        }
    }
    shop.without_final_audit();
}

/// After a machine slept or lost its database, work that became due meanwhile is not reported until
/// the server process had time to do it.
#[tokio::test]
async fn a_server_restarts_its_deadline_after_a_heartbeat_gap() {
    let shop = TestShop::new().await;
    reserve(&shop).await;
    let server = Uuid::new_v4();
    shop.operation()
        .record_heartbeat(server)
        .await
        .expect("the heartbeat is recorded");
    shop.by_hand
        .run(
            "UPDATE server_heartbeat SET started_at = now() - INTERVAL '3 hours', beat_at = now() - INTERVAL '1 hour'; \
             UPDATE hold SET expires_at = now() - INTERVAL '5 minutes'",
        )
        .await;
    shop.operation()
        .record_heartbeat(server)
        .await
        .expect("the heartbeat is recorded");
    check_audit_clean(&shop).await;
    // A server process without a heartbeat gap is reported.
    shop.by_hand
        .run("UPDATE server_heartbeat SET started_at = now() - INTERVAL '3 hours', beat_at = now() - INTERVAL '2 seconds'")
        .await;
    shop.operation()
        .record_heartbeat(server)
        .await
        .expect("the heartbeat is recorded");
    check_reported(&shop, "SELECT 1", &["expired-holds-are-swept"]).await;
    shop.without_final_audit();
}

#[tokio::test]
async fn a_sold_order_that_contradicts_its_payment_or_holds_is_reported() {
    let Sold { shop, .. } = sold().await;
    reserve(&shop).await;
    for violation in [
        "UPDATE customer_order SET status = 'placed' WHERE settlement = 'card'",
        "UPDATE customer_order SET settlement = 'on_account' WHERE settlement = 'card'",
        "UPDATE customer_order SET due_cents = 0 WHERE settlement = 'on_account'",
        "UPDATE payment SET state = 'voided', captured_cents = 0; UPDATE customer_order SET due_cents = 0 WHERE settlement = 'card'",
        // Captured twice, with a refund of one capture.
        "INSERT INTO payment (order_id, reference, state, amount_cents, currency, captured_cents, settled_at, ask_at) \
         SELECT order_id, gen_random_uuid(), state, amount_cents, currency, captured_cents, now(), now() FROM payment; \
         INSERT INTO refund (payment_id, order_id, reference, state, reason, amount_cents, settled_at) \
         SELECT max(id), order_id, gen_random_uuid(), 'succeeded', 'goodwill', max(amount_cents), now() FROM payment GROUP BY order_id",
        "INSERT INTO payment (order_id, reference, state, amount_cents, currency, captured_cents, settled_at, ask_at) \
         SELECT id, gen_random_uuid(), 'voided', total_cents, currency, 0, now(), now() FROM customer_order WHERE settlement = 'on_account'",
        "UPDATE hold SET order_id = (SELECT id FROM customer_order WHERE settlement = 'card') WHERE state = 'held'",
        "UPDATE payment SET captured_cents = captured_cents - 1; \
         UPDATE customer_order SET due_cents = due_cents - 1 WHERE settlement = 'card'",
        "UPDATE payment SET amount_cents = amount_cents - 1, captured_cents = captured_cents - 1; \
         UPDATE customer_order SET due_cents = due_cents - 1 WHERE settlement = 'card'",
    ] {
        check_reported(&shop, violation, &["states-agree"]).await;
    }
}

#[tokio::test]
async fn an_unpaid_order_that_contradicts_its_payment_or_holds_is_reported() {
    const FREE: &str = "UPDATE hold SET order_id = NULL;";
    const CAPTURED: &str =
        "UPDATE payment SET state = 'captured', captured_cents = amount_cents, settled_at = now();";
    const DECLINED: &str = "UPDATE payment SET state = 'declined', settled_at = now();";
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    pending(&shop, &scripted).await;
    for violation in [
        "DELETE FROM payment".to_owned(),
        "UPDATE customer_order SET settlement = 'on_account'".to_owned(),
        DECLINED.to_owned(),
        format!("{CAPTURED} UPDATE customer_order SET due_cents = total_cents"),
        // Declined.
        format!("{DECLINED} UPDATE customer_order SET status = 'declined'"),
        format!("{FREE} UPDATE customer_order SET status = 'declined'"),
        format!("{FREE} DELETE FROM payment; UPDATE customer_order SET status = 'declined'"),
        format!(
            "{FREE} {CAPTURED} UPDATE customer_order SET status = 'declined', due_cents = total_cents"
        ),
        // Backordered.
        format!("{FREE} UPDATE customer_order SET status = 'backordered'"),
        format!(
            "{CAPTURED} UPDATE customer_order SET status = 'backordered', due_cents = total_cents"
        ),
        // Cancelled.
        format!("{DECLINED} UPDATE customer_order SET status = 'cancelled'"),
        format!(
            "{FREE} {CAPTURED} UPDATE customer_order SET status = 'cancelled', due_cents = total_cents"
        ),
    ] {
        check_reported(&shop, &violation, &["states-agree"]).await;
    }
}

#[tokio::test]
async fn a_discount_code_with_a_wrong_use_count_or_limit_is_reported() {
    let shop = TestShop::new().await;
    with_code(&shop, test_cards::CAPTURED).await;
    for violation in [
        "UPDATE discount_code SET uses = uses + 1",
        "ALTER TABLE discount_code DROP CONSTRAINT IF EXISTS discount_code_uses_in_range; UPDATE discount_code SET uses_max = 0",
        "UPDATE discount_code SET per_customer_limit = 0",
        // An order with a discount but no use, with a use but no discount, or with another code.
        "DELETE FROM discount_use; UPDATE discount_code SET uses = 0",
        "DELETE FROM discount_use; UPDATE discount_code SET uses = 0; UPDATE customer_order SET discount_code = NULL",
        "UPDATE customer_order SET discount_code = NULL",
        "UPDATE customer_order SET discount_code = 'OTHER'",
        // The use is released although the order is not cancelled.
        "UPDATE discount_use SET given_back = true; UPDATE discount_code SET uses = 0",
    ] {
        check_reported(&shop, violation, &["codes-kept"]).await;
    }
}

#[tokio::test]
async fn a_declined_order_that_still_counts_its_code_is_reported() {
    let shop = TestShop::new().await;
    with_code(&shop, test_cards::DECLINED).await;
    let violation =
        "UPDATE discount_use SET given_back = false; UPDATE discount_code SET uses = uses + 1";
    check_reported(&shop, violation, &["codes-kept"]).await;
}

#[tokio::test]
async fn a_customer_above_the_limit_is_reported() {
    let Sold { shop, two, .. } = sold().await;
    let violation = format!(
        "UPDATE order_line SET customer_limit = 1 WHERE product_id = {}",
        two.id
    );
    check_reported(&shop, &violation, &["limits-kept"]).await;
    // The limit at the time of the sale counts: a lower limit makes no earlier order a violation.
    shop.by_hand
        .run("UPDATE product SET per_customer_limit = 1")
        .await;
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_key_without_a_stored_response_is_reported() {
    let Sold { shop, .. } = sold().await;
    let violation =
        "INSERT INTO idempotency_key (key, fingerprint) VALUES ('no-response', repeat('0', 64))";
    check_reported(&shop, violation, &["key-has-answer"]).await;
}

#[tokio::test]
async fn a_product_without_stock_row_is_reported() {
    let Sold { shop, .. } = sold().await;
    let violation = "INSERT INTO product (slug, name, description, category, artwork, price_cents, currency) \
                 VALUES ('ghost', 'Ghost', '', '', '', 1, 'EUR')";
    check_reported(&shop, violation, &["stock-row-for-each-product"]).await;
}

/// A statement returns keys and numbers; a number or a key that is missing is `none`.
#[tokio::test]
async fn a_violation_is_described_by_its_keys_and_numbers() {
    let Sold { shop, one, .. } = sold().await;
    let hold = "SELECT id FROM hold WHERE state = 'sold'";
    let hold: i64 = shop.by_hand.value(hold).await;
    let payment: i64 = shop.by_hand.value("SELECT id FROM payment").await;
    for (rule, violation, sentence) in [
        (
            "ledger-equals-counters",
            format!("INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({}, 'receive', 3)", one.id),
            format!("product {}: total 8, reserved 0, sold 1 in the ledger; 5, 0, 1 in the stock row", one.id),
        ),
        (
            "sell-names-its-hold",
            "UPDATE hold SET order_id = NULL WHERE state = 'sold'".to_owned(),
            format!("hold {hold} of order none: 2 units sold, movements reference it for none"),
        ),
        (
            "states-agree",
            "UPDATE payment SET captured_cents = 7, amount_cents = 8".to_owned(),
            format!("payment {payment}: captured, 7 of 8 cents taken"),
        ),
        (
            "key-has-answer",
            "INSERT INTO idempotency_key (key, fingerprint) VALUES ('no-response', repeat('0', 64))".to_owned(),
            "key no-response has no stored response".to_owned(),
        ),
    ] {
        let (full, of_changes) = reports_after(&shop, &violation).await;
        for report in [full, of_changes] {
            let result = report.rules.iter().find(|result| result.rule == rule);
            let listed = &result.expect("the rule exists").listed;
            assert!(listed.contains(&sentence), "{sentence}\n{listed:#?}");
        }
    }
}

/// The tax is compared without a division: exactly one amount is right, also if twice the total
/// times the rate is no longer a 64-bit integer.
#[tokio::test]
async fn only_the_nearest_tax_is_right() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    for (total_cents, basis_points, tax_cents) in [
        (119_i64, 1_900, 19_i64),
        (1_000, 1_900, 160),
        (1, 1_900, 0),
        // 0.5 cents are rounded up.
        (1, 10_000, 1),
        (100, 0, 0),
        (4_000_000_000_000_000_000, 1_900, 638_655_462_184_873_950),
    ] {
        for (off, is_right) in [(-1, false), (0, true), (1, false)] {
            let violation = format!(
                "ALTER TABLE customer_order DROP CONSTRAINT IF EXISTS customer_order_amounts_in_range; \
                 INSERT INTO customer_order (public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, \
                   tax_basis_points, tax_cents) \
                 VALUES (gen_random_uuid(), 'placed', 'on_account', 'EUR', {total_cents}, {total_cents}, {total_cents}, \
                   {basis_points}, {tax}); \
                 INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity) \
                 SELECT max(id), {product_id}, 'x', {total_cents}, 1 FROM customer_order",
                tax = tax_cents + off,
                product_id = product.id
            );
            let (report, _) = reports_after(&shop, &violation).await;
            let is_reported = violated_rules(&report).contains("total-equals-parts");
            assert_eq!(is_reported, !is_right, "{violation}");
        }
    }
}

/// A rule without a violation test might never report anything.
#[test]
fn every_rule_has_a_violation_test() {
    let this_file = include_str!("audit.rs");
    for rule in RULES {
        assert!(
            this_file.contains(&format!("\"{}\"", rule.name)),
            "{}",
            rule.name
        );
    }
}

#[tokio::test]
async fn a_seeded_shop_is_clean() {
    let shop = TestShop::new().await;
    let report = shop.audit().await;
    assert!(
        report.is_clean() && report.exhibits.is_empty(),
        "{report:#?}"
    );
    assert_eq!(report.rules.len(), RULES.len());
    assert!(report.at.ends_with(" UTC"), "{}", report.at);
}

#[tokio::test]
async fn all_violations_are_counted_and_the_first_twenty_listed() {
    let shop = TestShop::new().await;
    shop.without_final_audit();
    let violation = "INSERT INTO idempotency_key (key, fingerprint) SELECT 'no-response-' || n, repeat('0', 64) FROM generate_series(1, 25) n";
    shop.by_hand.run(violation).await;
    let report = shop.audit().await;
    let rule = report
        .rules
        .iter()
        .find(|rule| rule.rule == "key-has-answer")
        .expect("the rule exists");
    assert_eq!((rule.violations, rule.listed.len()), (25, 20));
}

/// The report lists what a lane with an unsafe strategy oversold; it is not a violation.
#[tokio::test]
async fn a_lane_with_an_unsafe_strategy_is_not_a_violation() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::Unguarded, 1).await;
    let break_it = format!(
        "UPDATE stock SET available = -3, sold = 1, reserved = 9 WHERE product_id = {}",
        lane.id
    );
    shop.by_hand.run(&break_it).await;
    let report = shop.audit().await;
    assert!(report.is_clean(), "{report:#?}");
    let exhibits: Vec<_> = report
        .exhibits
        .iter()
        .map(|e| (e.product_id, e.strategy.as_str(), e.stock, e.oversold))
        .collect();
    assert_eq!(exhibits, [(lane.id, "unguarded", 1, 0)]);
    check_audit_clean(&shop).await;
}

/// Orders that are placed between two statements or two snapshots of the audit cause no false
/// report.
#[tokio::test]
async fn the_audit_is_clean_while_the_shop_sells() {
    let shop = TestShop::new().await;
    let product = shop.with_product(400).await;
    let buyers: Vec<_> = (0..4)
        .map(|_| {
            let purchase = shop.buy(&product);
            tokio::spawn(async move {
                for _ in 0..60 {
                    purchase.clone().await?;
                }
                Ok::<_, ShopError>(())
            })
        })
        .collect();
    let mut audits = 0;
    while buyers.iter().any(|buyer| !buyer.is_finished()) {
        check_audit_clean(&shop).await;
        audits += 1;
    }
    for buyer in within(PATIENCE, "the buyers", join_all(buyers)).await {
        buyer
            .expect("the task ends")
            .expect("the stock covers all purchases");
    }
    assert!(audits > 0);
    assert_eq!(shop.units_ordered(&product).await, 240);
    check_audit_clean(&shop).await;
}
