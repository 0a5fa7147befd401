//! The database's own constraints, which hold even if the code is wrong.

use doorbuster::{
    db::engine::{self, Engine},
    model::StrategyKey,
};

use crate::support::{TestProduct, TestShop, check_audit_clean};

async fn check_broken(shop: &TestShop, sql: &str, constraint: &str) {
    let error = shop.by_hand.try_run(sql).await.expect_err(sql);
    assert_eq!(
        engine::broken_constraint(&error).as_deref(),
        Some(constraint),
        "{sql}: {error}"
    );
}

#[tokio::test]
async fn the_stock_row_rejects_unbalanced_counters() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let set = |change: &str| {
        format!(
            "UPDATE stock SET {change} WHERE product_id = {}",
            product.id
        )
    };
    check_broken(
        &shop,
        &set("available = available - 4, sold = sold + 4"),
        "stock_available_not_negative",
    )
    .await;
    for change in [
        "available = available - 1",
        "sold = sold + 1",
        "available = available + 1, sold = sold - 1",
        "available = available + 1, reserved = reserved - 1",
        "total = total + 1",
    ] {
        check_broken(&shop, &set(change), "stock_conserved").await;
    }
    shop.by_hand
        .run(&set("available = available - 1, sold = sold + 1"))
        .await;
    shop.by_hand
        .run(&set("available = available + 1, sold = sold - 1"))
        .await;
    check_audit_clean(&shop).await;
}

/// The row of an unsafe strategy has no constraints on purpose; once it violates them, it cannot
/// become guarded.
#[tokio::test]
async fn an_unguarded_row_may_violate_the_rules_and_cannot_become_guarded() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::Unguarded, 1).await;
    let set = |change: &str| format!("UPDATE stock SET {change} WHERE product_id = {}", lane.id);
    shop.by_hand.run(&set("available = -1")).await;
    let error = shop.by_hand.try_run(&set("unguarded = false")).await;
    assert!(error.is_err(), "a row below zero cannot become guarded");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_ledger_rejects_every_change() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let own = |product: &TestProduct| format!("WHERE product_id = {}", product.id);
    // No trigger of MySQL can refuse TRUNCATE.
    let (code, truncations) = match shop.db().engine() {
        Engine::Postgres => (
            "23001",
            &["TRUNCATE stock_movement", "TRUNCATE stock_movement CASCADE"][..],
        ),
        Engine::MySql => ("1644", &[][..]),
    };
    let changes = [
        format!("UPDATE stock_movement SET quantity = 4 {}", own(&product)),
        format!("DELETE FROM stock_movement {}", own(&product)),
        "DELETE FROM stock_movement".to_owned(),
    ];
    let truncations = truncations.iter().map(|sql| (*sql).to_owned());
    for sql in changes.into_iter().chain(truncations) {
        let error = shop.by_hand.try_run(&sql).await.expect_err(&sql);
        assert_eq!(
            engine::error_code(&error).as_deref(),
            Some(code),
            "{sql}: {error}"
        );
    }
    check_audit_clean(&shop).await;
    // A lane is deleted together with its movements; they cannot be changed either.
    let lane = shop.with_lane(StrategyKey::RowLock, 3).await;
    let changed = shop
        .by_hand
        .try_run(&format!(
            "UPDATE stock_movement SET quantity = 4 {}",
            own(&lane)
        ))
        .await;
    assert!(changed.is_err());
    let delete_lane = format!(
        "BEGIN; DELETE FROM stock_movement {}; DELETE FROM product WHERE id = {}; COMMIT",
        own(&lane),
        lane.id
    );
    shop.by_hand.run(&delete_lane).await;
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_ledger_rejects_invalid_movements() {
    let shop = TestShop::new().await;
    let insert = |kind: &str, quantity: i64| {
        format!(
            "INSERT INTO stock_movement (product_id, kind, quantity) VALUES (1, '{kind}', {quantity})"
        )
    };
    check_broken(&shop, &insert("stolen", 1), "stock_movement_kind_known").await;
    for (kind, quantity) in [("sell", 0), ("sell", -1), ("receive", -5), ("adjust", 0)] {
        check_broken(
            &shop,
            &insert(kind, quantity),
            "stock_movement_quantity_signed",
        )
        .await;
    }
    check_audit_clean(&shop).await;
}
