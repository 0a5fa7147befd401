//! The audit finds what it is for: each rule has its violation planted, and is the one that speaks.

use std::collections::BTreeSet;

use doorbuster::{
    model::{DiscountValue, ShopError, StrategyKey},
    payment::{gateway::ChargeState, provider::test_cards},
    shop::{audit::rules::RULES, discounts::NewCode, refunds::OrderAct},
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    PATIENCE, PlacesOrders, TestProduct, TestShop, Till, check_audit_clean,
    shop::{Pressed, card, units_of},
    till::lost,
    within,
};

/// A shop with one order of one unit and one of two, each of a product of its own.
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

/// Plants a violation by hand and sees the audit report these rules, and no others.
async fn check_reported(shop: &TestShop, plant: &str, rules: &[&str]) {
    shop.by_hand.run(plant).await;
    shop.without_final_audit();
    let report = shop.audit().await;
    let reported: BTreeSet<_> = report
        .rules
        .iter()
        .filter(|rule| rule.violations > 0)
        .map(|rule| rule.rule.as_str())
        .collect();
    assert_eq!(
        reported,
        rules.iter().copied().collect(),
        "after: {plant}\n{report:#?}"
    );
    assert!(!report.is_clean());
    for rule in report.rules.iter().filter(|rule| rule.violations > 0) {
        assert_eq!(rule.listed.len(), rule.violations, "{}", rule.rule);
    }
}

/// Sets two units of a new product aside.
async fn reserve(shop: &TestShop) {
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let reserved = shop.reserve_cart(cart, None).await.result;
    reserved.expect("it is reserved");
}

/// An order that waits for its payment.
async fn pending(shop: &TestShop, till: &Till) -> Pressed {
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let pressed = shop.press_pay(shop.at_till(till), till, request).await;
    check_audit_clean(shop).await;
    pressed
}

/// An order with a discount, paid by this card or not.
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
    shop.create_code(new, None).await.expect("it is made");
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.code = Some("TEN".to_owned());
    let outcome = shop.pay(request, card(number)).await;
    let is_taken = number == test_cards::CAPTURED;
    assert_eq!(outcome.result.is_ok(), is_taken);
    check_audit_clean(shop).await;
}

const WITHOUT_TRIGGER: &str =
    "ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only;";

#[tokio::test]
async fn stock_that_is_not_conserved_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    // The ledger agrees with the total, so that only the row contradicts itself.
    let plant = format!(
        "ALTER TABLE stock DROP CONSTRAINT stock_conserved; \
         UPDATE stock SET total = total + 1 WHERE product_id = {id}; \
         INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({id}, 'adjust', 1)",
        id = one.id
    );
    check_reported(&shop, &plant, &["stock-conserved"]).await;
}

#[tokio::test]
async fn stock_below_zero_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    let plant = format!(
        "ALTER TABLE stock DROP CONSTRAINT stock_conserved, DROP CONSTRAINT stock_available_not_negative; \
         UPDATE stock SET available = -1, reserved = 5 WHERE product_id = {id}; \
         INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({id}, 'hold', 5)",
        id = one.id
    );
    check_reported(&shop, &plant, &["reserved-equals-holds", "stock-conserved"]).await;
}

#[tokio::test]
async fn a_ledger_that_differs_from_the_counters_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    let plant = format!(
        "INSERT INTO stock_movement (product_id, kind, quantity) VALUES ({}, 'receive', 1)",
        one.id
    );
    check_reported(&shop, &plant, &["ledger-equals-counters"]).await;
}

#[tokio::test]
async fn order_lines_that_no_stock_was_taken_for_are_reported() {
    let Sold { shop, one, .. } = sold().await;
    // The same line twice: one sale, one movement, two units promised.
    let plant = format!(
        "ALTER TABLE order_line DROP CONSTRAINT order_line_once_a_product; \
         INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity) \
           SELECT order_id, product_id, product_name, unit_price_cents, quantity FROM order_line WHERE product_id = {}; \
         UPDATE customer_order SET subtotal_cents = 2000, total_cents = 2000, due_cents = 2000, tax_cents = 319 WHERE email IS NULL",
        one.id
    );
    check_reported(&shop, &plant, &["sold-equals-order-lines"]).await;
}

#[tokio::test]
async fn a_line_whose_movement_differs_is_reported() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.buy(&product).await.expect("it is sold");
    shop.buy(&product).quantity(2).await.expect("it is sold");
    // The sums stay right: each order has the other's movement.
    let plant = format!(
        "{WITHOUT_TRIGGER} UPDATE stock_movement SET quantity = 3 - quantity WHERE product_id = {} AND kind = 'sell'",
        product.id
    );
    check_reported(&shop, &plant, &["one-sell-movement-a-line"]).await;
}

#[tokio::test]
async fn a_movement_without_its_line_is_reported() {
    let Sold { shop, one, .. } = sold().await;
    let plant = format!(
        "INSERT INTO stock_movement (product_id, kind, quantity, order_id) VALUES ({}, 'sell', 1, 999999)",
        one.id
    );
    check_reported(
        &shop,
        &plant,
        &["ledger-equals-counters", "no-movement-without-line"],
    )
    .await;
}

#[tokio::test]
async fn an_order_that_disappeared_is_reported_from_every_side() {
    let Sold { shop, one, .. } = sold().await;
    let plant = format!(
        "DELETE FROM customer_order WHERE id IN (SELECT order_id FROM order_line WHERE product_id = {})",
        one.id
    );
    check_reported(
        &shop,
        &plant,
        &["no-movement-without-line", "sold-equals-order-lines"],
    )
    .await;
}

#[tokio::test]
async fn a_total_that_is_not_the_sum_of_its_parts_is_reported() {
    for change in [
        "total_cents = total_cents + 1, due_cents = due_cents + 1",
        "subtotal_cents = subtotal_cents + 1",
        "discount_cents = discount_cents + 1, discount_code = NULL",
        "shipping_cents = shipping_cents + 1",
        "tax_cents = tax_cents + 1",
        "tax_cents = tax_cents - 1",
    ] {
        let Sold { shop, .. } = sold().await;
        let plant = format!("UPDATE customer_order SET {change} WHERE email IS NULL");
        let mut rules = vec!["total-equals-parts"];
        if change.contains("discount") {
            rules.push("codes-kept");
        }
        check_reported(&shop, &plant, &rules).await;
    }
}

/// Rounding is no violation: the rule computes the tax as the shop does, whatever the price.
#[tokio::test]
async fn an_honest_bill_accuses_nobody_whatever_its_cents() {
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
    let plant = "INSERT INTO customer_order (public_id, status, settlement, currency, total_cents, due_cents) \
                 VALUES (gen_random_uuid(), 'placed', 'on_account', 'EUR', 100, 100)";
    check_reported(&shop, plant, &["total-equals-parts"]).await;
}

#[tokio::test]
async fn holds_that_differ_from_what_is_reserved_are_reported() {
    let shop = TestShop::new().await;
    reserve(&shop).await;
    for plant in [
        "UPDATE hold SET quantity = quantity + 1",
        "UPDATE hold SET state = 'released', closed_at = now()",
    ] {
        check_reported(&shop, plant, &["reserved-equals-holds"]).await;
    }
}

#[tokio::test]
async fn a_hold_that_was_sold_without_its_movement_is_reported() {
    for (plant, rules) in [
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
        let Sold { shop, .. } = sold().await;
        let plant = format!("{WITHOUT_TRIGGER} {plant}");
        check_reported(&shop, &plant, rules).await;
    }
}

#[tokio::test]
async fn a_movement_that_names_a_hold_which_was_not_sold_is_reported() {
    for plant in [
        "UPDATE hold SET state = 'released' WHERE state = 'sold'",
        "UPDATE stock_movement SET hold_id = 999999 WHERE kind = 'sell' AND hold_id IS NOT NULL",
        // Of another product.
        "UPDATE hold SET product_id = 1 WHERE state = 'sold'",
    ] {
        let Sold { shop, .. } = sold().await;
        let plant = format!("{WITHOUT_TRIGGER} {plant}");
        check_reported(&shop, &plant, &["sell-names-its-hold"]).await;
    }
}

#[tokio::test]
async fn a_line_that_was_never_sold_and_has_a_movement_is_reported() {
    let (shop, till) = (TestShop::new().await, Till::default());
    pending(&shop, &till).await;
    let plant = "INSERT INTO stock_movement (product_id, kind, quantity, order_id) SELECT product_id, 'sell', quantity, order_id FROM order_line";
    check_reported(
        &shop,
        plant,
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
    shop.act_on_order(
        &first.order_id,
        OrderAct::TakeBack { line_id, quantity },
        None,
    )
    .await
    .expect("it comes back");
    check_audit_clean(&shop).await;
    // The sums stay right.
    let plant = "UPDATE order_line SET returned_quantity = 1 - returned_quantity";
    check_reported(&shop, plant, &["returns-equal-lines"]).await;
}

#[tokio::test]
async fn a_cancelled_order_whose_goods_did_not_come_back_is_reported() {
    let Sold { shop, .. } = sold().await;
    let plant = "UPDATE customer_order SET status = 'cancelled', due_cents = 0 WHERE email IS NULL";
    check_reported(
        &shop,
        plant,
        &["returns-equal-lines", "sold-equals-order-lines"],
    )
    .await;
}

#[tokio::test]
async fn money_that_is_neither_due_nor_paid_back_is_reported() {
    for plant in [
        "UPDATE customer_order SET due_cents = due_cents - 1 WHERE settlement = 'card'",
        "INSERT INTO refund (payment_id, order_id, reference, state, reason, amount_cents, settled_at) \
         SELECT id, order_id, gen_random_uuid(), 'succeeded', 'goodwill', 1, now() FROM payment",
    ] {
        let Sold { shop, .. } = sold().await;
        check_reported(&shop, plant, &["captured-less-refunded-equals-due"]).await;
    }
}

/// `(started, last beat)` of a server, and whether it accuses what has been due for two minutes.
const SERVERS: [(&str, &str, bool); 7] = [
    ("10 minutes", "0 seconds", true),
    // Gone by now, but it was there for long enough.
    ("10 minutes", "5 seconds", true),
    ("65 seconds", "1 second", true),
    // Has just started.
    ("20 seconds", "0 seconds", false),
    // Was switched off before.
    ("10 minutes", "3 minutes", false),
    // Was switched off soon after.
    ("10 minutes", "100 seconds", false),
    // Came and went.
    ("50 seconds", "30 seconds", false),
];

/// Plants each of [`SERVERS`], and sees the rule speak or be silent.
async fn check_counts_from_heartbeats(shop: &TestShop, rule: &str) {
    check_audit_clean(shop).await;
    for (started, beat, accuses) in SERVERS {
        let plant = format!(
            "DELETE FROM server_heartbeat; \
             INSERT INTO server_heartbeat (server_id, started_at, beat_at) \
             VALUES (gen_random_uuid(), now() - INTERVAL '{started}', now() - INTERVAL '{beat}')"
        );
        if accuses {
            check_reported(shop, &plant, &[rule]).await;
        } else {
            shop.by_hand.run(&plant).await;
            check_audit_clean(shop).await;
        }
    }
    // Many that were each there for a moment are no server that was there.
    let many = "DELETE FROM server_heartbeat; \
                INSERT INTO server_heartbeat (server_id, started_at, beat_at) \
                SELECT gen_random_uuid(), now() - n * INTERVAL '20 seconds', now() - (n - 1) * INTERVAL '20 seconds' \
                FROM generate_series(1, 30) n";
    shop.by_hand.run(many).await;
    check_audit_clean(shop).await;
    shop.without_final_audit();
}

#[tokio::test]
async fn a_payment_that_nobody_resolves_is_reported_if_somebody_was_there() {
    let (shop, till) = (TestShop::new().await, Till::default());
    pending(&shop, &till).await;
    shop.by_hand
        .run("UPDATE payment SET created_at = now() - INTERVAL '2 minutes'")
        .await;
    check_counts_from_heartbeats(&shop, "money-is-resolved").await;
}

#[tokio::test]
async fn a_refund_that_nobody_resolves_is_reported_if_somebody_was_there() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let here = shop.at_till(&till);
    let pressed = pending(&shop, &till).await;
    till.answer_refunds(Err(lost()));
    here.settle(pressed.charge, ChargeState::Captured)
        .await
        .expect("it is taken in");
    here.act_on_order(&pressed.order_id, OrderAct::Cancel, None)
        .await
        .expect("it is called off");
    shop.by_hand
        .run("UPDATE refund SET created_at = now() - INTERVAL '2 minutes'")
        .await;
    check_counts_from_heartbeats(&shop, "money-is-resolved").await;
}

#[tokio::test]
async fn a_hold_that_nobody_sweeps_is_reported_if_somebody_was_there() {
    let shop = TestShop::new().await;
    reserve(&shop).await;
    shop.by_hand
        .run("UPDATE hold SET expires_at = now() - INTERVAL '90 seconds'")
        .await;
    for (started, beat, accuses) in [
        ("10 minutes", "0 seconds", true),
        ("35 seconds", "1 second", true),
        ("10 minutes", "55 seconds", true),
        ("20 seconds", "0 seconds", false),
        ("10 minutes", "2 minutes", false),
        ("10 minutes", "85 seconds", false),
    ] {
        let plant = format!(
            "DELETE FROM server_heartbeat; \
             INSERT INTO server_heartbeat (server_id, started_at, beat_at) \
             VALUES (gen_random_uuid(), now() - INTERVAL '{started}', now() - INTERVAL '{beat}')"
        );
        if accuses {
            check_reported(&shop, &plant, &["expired-holds-are-swept"]).await;
        } else {
            shop.by_hand.run(&plant).await;
            check_audit_clean(&shop).await;
        }
    }
    shop.without_final_audit();
}

/// A machine that slept, or whose database was away, finds what was due meanwhile, and is not accused of it before it could act.
#[tokio::test]
async fn a_server_that_was_silent_starts_anew_with_its_next_beat() {
    let shop = TestShop::new().await;
    reserve(&shop).await;
    let server = Uuid::new_v4();
    shop.beat(server).await.expect("it beats");
    shop.by_hand
        .run(
            "UPDATE server_heartbeat SET started_at = now() - INTERVAL '3 hours', beat_at = now() - INTERVAL '1 hour'; \
             UPDATE hold SET expires_at = now() - INTERVAL '5 minutes'",
        )
        .await;
    shop.beat(server).await.expect("it beats");
    check_audit_clean(&shop).await;
    // One that beats all the while is accused.
    shop.by_hand
        .run("UPDATE server_heartbeat SET started_at = now() - INTERVAL '3 hours', beat_at = now() - INTERVAL '2 seconds'")
        .await;
    shop.beat(server).await.expect("it beats");
    check_reported(&shop, "SELECT 1", &["expired-holds-are-swept"]).await;
}

#[tokio::test]
async fn a_paid_order_that_its_payment_or_holds_contradict_is_reported() {
    for plant in [
        "UPDATE customer_order SET status = 'placed' WHERE settlement = 'card'",
        "UPDATE customer_order SET settlement = 'on_account' WHERE settlement = 'card'",
        "UPDATE customer_order SET due_cents = 0 WHERE settlement = 'on_account'",
        "UPDATE payment SET state = 'voided', captured_cents = 0; UPDATE customer_order SET due_cents = 0 WHERE settlement = 'card'",
        // Taken twice, and one of them given back without a word.
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
        let Sold { shop, .. } = sold().await;
        reserve(&shop).await;
        check_reported(&shop, plant, &["states-agree"]).await;
    }
}

#[tokio::test]
async fn an_order_that_is_not_paid_and_that_its_payment_or_holds_contradict_is_reported() {
    const FREE: &str = "UPDATE hold SET order_id = NULL;";
    const TAKEN: &str =
        "UPDATE payment SET state = 'captured', captured_cents = amount_cents, settled_at = now();";
    const DECLINED: &str = "UPDATE payment SET state = 'declined', settled_at = now();";
    for plant in [
        "DELETE FROM payment".to_owned(),
        "UPDATE customer_order SET settlement = 'on_account'".to_owned(),
        DECLINED.to_owned(),
        format!("{TAKEN} UPDATE customer_order SET due_cents = total_cents"),
        // Declined.
        format!("{DECLINED} UPDATE customer_order SET status = 'declined'"),
        format!("{FREE} UPDATE customer_order SET status = 'declined'"),
        format!("{FREE} DELETE FROM payment; UPDATE customer_order SET status = 'declined'"),
        format!(
            "{FREE} {TAKEN} UPDATE customer_order SET status = 'declined', due_cents = total_cents"
        ),
        // Backordered.
        format!("{FREE} UPDATE customer_order SET status = 'backordered'"),
        format!(
            "{TAKEN} UPDATE customer_order SET status = 'backordered', due_cents = total_cents"
        ),
        // Cancelled.
        format!("{DECLINED} UPDATE customer_order SET status = 'cancelled'"),
        format!(
            "{FREE} {TAKEN} UPDATE customer_order SET status = 'cancelled', due_cents = total_cents"
        ),
    ] {
        let (shop, till) = (TestShop::new().await, Till::default());
        pending(&shop, &till).await;
        check_reported(&shop, &plant, &["states-agree"]).await;
    }
}

#[tokio::test]
async fn a_discount_code_that_was_used_otherwise_than_it_says_is_reported() {
    for plant in [
        "UPDATE discount_code SET uses = uses + 1",
        "ALTER TABLE discount_code DROP CONSTRAINT discount_code_uses_in_range; UPDATE discount_code SET uses_max = 0",
        "UPDATE discount_code SET per_customer_limit = 0",
        // An order with a discount and no use, with a use and no discount, with another code.
        "DELETE FROM discount_use; UPDATE discount_code SET uses = 0",
        "DELETE FROM discount_use; UPDATE discount_code SET uses = 0; UPDATE customer_order SET discount_code = NULL",
        "UPDATE customer_order SET discount_code = NULL",
        "UPDATE customer_order SET discount_code = 'OTHER'",
        // Given back, though the order stands.
        "UPDATE discount_use SET given_back = true; UPDATE discount_code SET uses = 0",
    ] {
        let shop = TestShop::new().await;
        with_code(&shop, test_cards::CAPTURED).await;
        check_reported(&shop, plant, &["codes-kept"]).await;
    }
}

#[tokio::test]
async fn a_use_that_an_order_which_came_to_nothing_did_not_give_back_is_reported() {
    let shop = TestShop::new().await;
    with_code(&shop, test_cards::DECLINED).await;
    let plant =
        "UPDATE discount_use SET given_back = false; UPDATE discount_code SET uses = uses + 1";
    check_reported(&shop, plant, &["codes-kept"]).await;
}

#[tokio::test]
async fn a_customer_above_the_limit_is_reported() {
    let Sold { shop, two, .. } = sold().await;
    let plant = format!(
        "UPDATE product SET per_customer_limit = 1 WHERE id = {}",
        two.id
    );
    check_reported(&shop, &plant, &["limits-kept"]).await;
}

#[tokio::test]
async fn a_key_without_an_answer_is_reported() {
    let Sold { shop, .. } = sold().await;
    let plant = "INSERT INTO idempotency_key (key, fingerprint) VALUES ('mute', repeat('0', 64))";
    check_reported(&shop, plant, &["key-has-answer"]).await;
}

#[tokio::test]
async fn a_product_without_stock_row_is_reported() {
    let Sold { shop, .. } = sold().await;
    let plant = "INSERT INTO product (slug, name, description, category, artwork, price_cents, currency) \
                 VALUES ('ghost', 'Ghost', '', '', '', 1, 'EUR')";
    check_reported(&shop, plant, &["stock-row-for-each-product"]).await;
}

/// A rule that nothing above plants a violation for would be a rule that perhaps never speaks.
#[test]
fn every_rule_has_its_violation_planted_here() {
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
async fn many_violations_are_counted_and_some_are_listed() {
    let shop = TestShop::new().await;
    shop.without_final_audit();
    let plant = "INSERT INTO idempotency_key (key, fingerprint) SELECT 'mute-' || n, repeat('0', 64) FROM generate_series(1, 25) n";
    shop.by_hand.run(plant).await;
    let report = shop.audit().await;
    let rule = report
        .rules
        .iter()
        .find(|rule| rule.rule == "key-has-answer")
        .expect("it is a rule");
    assert_eq!((rule.violations, rule.listed.len()), (25, 20));
}

/// What an unguarded lane has lost is shown, and accuses nobody.
#[tokio::test]
async fn an_exhibit_is_no_violation() {
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

/// One snapshot: between two of its statements a hundred orders may be placed, and it accuses nobody.
#[tokio::test]
async fn it_may_run_while_the_shop_sells() {
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
        buyer.expect("it ends").expect("there is enough for all");
    }
    assert!(audits > 0);
    assert_eq!(shop.units_ordered(&product).await, 240);
    check_audit_clean(&shop).await;
}
