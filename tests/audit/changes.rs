//! The continuous audit finds every change, whenever it is committed and whichever server checks
//! it.

use doorbuster::{
    db::{Db, PoolSettings},
    shop::audit::{
        self, Stored,
        continuous::{self, Round},
    },
};

use super::violated_rules;
use crate::support::{PATIENCE, TestShop, within};

/// An order without lines.
const ORDER_WITHOUT_LINES: &str = "INSERT INTO customer_order (public_id, status, settlement, currency, total_cents, due_cents) \
                                   VALUES (gen_random_uuid(), 'placed', 'on_account', 'EUR', 100, 100)";

async fn round(shop: &TestShop) -> Round {
    within(PATIENCE, "a round", continuous::run_round(shop.db()))
        .await
        .expect("the database answers")
        .expect("no other server checks")
}

#[tokio::test]
async fn a_round_checks_only_what_changed_since_the_last_one() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    round(&shop).await;
    for bought in [0, 1, 2] {
        for _ in 0..bought {
            shop.buy(&product).await.expect("it is sold");
        }
        let round = round(&shop).await;
        assert!(round.report.is_clean(), "{:#?}", round.report);
        assert_eq!(round.report.checked_orders, Some(bought));
        assert!(!round.has_more);
    }
}

/// Its id is below ids that were verified while it was open.
#[tokio::test]
async fn a_violation_whose_transaction_was_open_for_two_rounds_is_found() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let late = shop.database.by_hand().await;
    late.run("BEGIN").await;
    late.run(ORDER_WITHOUT_LINES).await;
    for _ in 0..2 {
        shop.buy(&product).await.expect("it is sold");
        assert!(round(&shop).await.report.is_clean());
    }
    late.run("COMMIT").await;
    let found = round(&shop).await.report;
    assert_eq!(
        violated_rules(&found).into_iter().collect::<Vec<_>>(),
        ["total-equals-parts"]
    );
    shop.without_final_audit();
}

/// The same for a change that a trigger lists.
#[tokio::test]
async fn a_late_update_of_an_old_row_is_found() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.buy(&product).await.expect("it is sold");
    round(&shop).await;
    let late = shop.database.by_hand().await;
    late.run("BEGIN").await;
    late.run("UPDATE customer_order SET tax_cents = tax_cents + 1")
        .await;
    assert!(round(&shop).await.report.is_clean());
    late.run("COMMIT").await;
    assert!(!round(&shop).await.report.is_clean());
    shop.without_final_audit();
}

#[tokio::test]
async fn a_violation_is_reported_in_every_round_until_it_is_corrected() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.buy(&product).await.expect("it is sold");
    round(&shop).await;
    shop.by_hand
        .run("UPDATE customer_order SET tax_cents = tax_cents + 1")
        .await;
    for _ in 0..3 {
        let report = round(&shop).await.report;
        assert_eq!(
            violated_rules(&report).into_iter().collect::<Vec<_>>(),
            ["total-equals-parts"]
        );
    }
    let stored = audit::latest(shop.db(), Stored::Continuous).await;
    let stored = stored.expect("the database answers").expect("it is stored");
    assert_eq!(stored.report.violations(), 1);
    shop.by_hand
        .run("UPDATE customer_order SET tax_cents = tax_cents - 1")
        .await;
    assert!(round(&shop).await.report.is_clean());
    assert_eq!(shop.count("audit_change").await, 0);
}

/// The first server dies after it has checked, before it stores the result; meanwhile, another one
/// does not check.
#[tokio::test]
async fn what_a_server_checked_before_it_died_is_checked_by_the_next() {
    let shop = TestShop::new().await;
    round(&shop).await;
    shop.by_hand.run(ORDER_WITHOUT_LINES).await;
    let blocker = shop.database.by_hand().await;
    blocker.run("BEGIN").await;
    blocker
        .run("SELECT 1 FROM audit_result WHERE name = 'continuous' FOR UPDATE")
        .await;
    let dying = Db::connect_as(shop.database.url(), PoolSettings::AUDIT, "dying server")
        .await
        .expect("the pool opens");
    let dies = tokio::spawn({
        let dying = dying.clone();
        async move { continuous::run_round(&dying).await.map(|_| ()) }
    });
    shop.until_blocked(1).await;
    let other = continuous::run_round(shop.db()).await;
    assert!(other.expect("the database answers").is_none());
    dying
        .terminate_sessions(shop.db())
        .await
        .expect("it is terminated");
    let ended = within(PATIENCE, "the dying server", dies).await;
    assert!(ended.expect("the task ends").is_err());
    blocker.run("COMMIT").await;
    assert!(!round(&shop).await.report.is_clean());
    shop.without_final_audit();
}

/// A lane is deleted with its ledger; the verified sums of its product go with it.
#[tokio::test]
async fn a_deleted_product_leaves_no_sums_and_no_finding() {
    let shop = TestShop::new().await;
    let lane = shop
        .with_lane(doorbuster::model::StrategyKey::RowLock, 5)
        .await;
    round(&shop).await;
    shop.by_hand
        .run(&format!(
            "DELETE FROM stock_movement WHERE product_id = {id}; DELETE FROM product WHERE id = {id}",
            id = lane.id
        ))
        .await;
    assert!(round(&shop).await.report.is_clean());
    let sums = format!(
        "SELECT count(*) FROM audit_ledger WHERE product_id = {}",
        lane.id
    );
    assert_eq!(shop.by_hand.value::<i64>(&sums).await, 0);
    assert!(round(&shop).await.report.is_clean());
}

#[tokio::test]
async fn more_changes_than_one_round_reads_are_checked_by_the_following_rounds() {
    let shop = TestShop::new().await;
    round(&shop).await;
    // The violation is last on the list.
    shop.by_hand
        .run(
            "INSERT INTO audit_change (kind, row_id) SELECT 'order', -n FROM generate_series(1, 50000) n; \
             INSERT INTO idempotency_key (key, fingerprint, response, created_at) \
               VALUES ('old', repeat('0', 64), '{}', now() - INTERVAL '1 hour'); \
             UPDATE idempotency_key SET response = NULL WHERE key = 'old'",
        )
        .await;
    let first = round(&shop).await;
    assert!(first.has_more && first.report.is_clean());
    let second = round(&shop).await;
    assert!(!second.has_more);
    let violated = violated_rules(&second.report);
    assert_eq!(violated.into_iter().collect::<Vec<_>>(), ["key-has-answer"]);
    shop.without_final_audit();
}

/// Each round adds the movements since the last one, and counts a product again if one of its
/// movements was changed.
#[tokio::test]
async fn verified_sums_equal_the_ledger_after_each_round() {
    let shop = TestShop::new().await;
    let (one, two) = (shop.with_product(5).await, shop.with_product(9).await);
    let sums = async || {
        let sql = format!(
            "SELECT string_agg(concat_ws(' ', total, reserved, sold), ', ' ORDER BY product_id) \
             FROM audit_ledger WHERE product_id IN ({}, {})",
            one.id, two.id
        );
        shop.by_hand.value::<String>(&sql).await
    };
    round(&shop).await;
    assert_eq!(sums().await, "5 0 0, 9 0 0");
    shop.buy(&one).quantity(2).await.expect("it is sold");
    round(&shop).await;
    assert_eq!(sums().await, "5 0 2, 9 0 0");
    let cart = shop.cart_of(&[(&two, 3)]).await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
    shop.buy(&one).await.expect("it is sold");
    round(&shop).await;
    assert_eq!(sums().await, "5 0 3, 9 3 0");
    shop.without_final_audit();
    shop.by_hand
        .run(&format!(
            "ALTER TABLE stock_movement DISABLE TRIGGER stock_movement_append_only; \
             UPDATE stock_movement SET quantity = quantity + 1 WHERE product_id = {} AND kind = 'receive'; \
             ALTER TABLE stock_movement ENABLE TRIGGER stock_movement_append_only",
            one.id
        ))
        .await;
    shop.buy(&one).await.expect("it is sold");
    assert!(!round(&shop).await.report.is_clean());
    assert_eq!(sums().await, "6 0 4, 9 3 0");
}

/// More rows than one statement inserts.
#[tokio::test]
async fn every_row_of_a_large_violation_stays_on_the_list() {
    let shop = TestShop::new().await;
    shop.without_final_audit();
    round(&shop).await;
    shop.by_hand
        .run(
            "INSERT INTO idempotency_key (key, fingerprint) \
             SELECT 'no-response-' || n, repeat('0', 64) FROM generate_series(1, 2500) n",
        )
        .await;
    for _ in 0..2 {
        assert_eq!(round(&shop).await.report.violations(), 2_500);
        let keys = "SELECT count(*) FROM audit_change WHERE kind = 'key'";
        assert_eq!(shop.by_hand.value::<i64>(keys).await, 2_500);
    }
}

/// The ids of the audited tables are drawn one at a time: a session that draws several in advance
/// could commit one long after it was passed.
#[tokio::test]
async fn sequences_of_audited_tables_have_no_cache() {
    let shop = TestShop::new().await;
    let cached = "SELECT count(*) FROM pg_sequences WHERE cache_size <> 1";
    assert_eq!(shop.by_hand.value::<i64>(cached).await, 0);
}
