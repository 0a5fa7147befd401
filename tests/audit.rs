//! The audit finds what it is for: each rule has its violation planted, and is the one that speaks.

use std::collections::BTreeSet;

use doorbuster::{
    model::{ShopError, StrategyKey},
    shop::audit::rules::RULES,
};
use futures::future::join_all;

use crate::support::{PATIENCE, PlacesOrders, TestProduct, TestShop, check_audit_clean, within};

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
    check_reported(&shop, &plant, &["stock-conserved"]).await;
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
         UPDATE customer_order o SET total_cents = (SELECT sum(unit_price_cents * quantity) FROM order_line l WHERE l.order_id = o.id)",
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
async fn a_total_that_is_not_the_sum_is_reported() {
    let Sold { shop, .. } = sold().await;
    check_reported(
        &shop,
        "UPDATE customer_order SET total_cents = total_cents + 1 WHERE email IS NULL",
        &["total-equals-parts"],
    )
    .await;
}

#[tokio::test]
async fn an_order_without_lines_is_reported() {
    let Sold { shop, .. } = sold().await;
    let plant = "INSERT INTO customer_order (public_id, status, settlement, currency, total_cents) \
                 VALUES (gen_random_uuid(), 'placed', 'on_account', 'EUR', 100)";
    check_reported(&shop, plant, &["total-equals-parts"]).await;
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
