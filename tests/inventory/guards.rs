//! The database's own guards, for the day on which the code is wrong.

use doorbuster::{db::dialect, model::StrategyKey};

use crate::support::{TestProduct, TestShop, check_audit_clean};

async fn check_broken(shop: &TestShop, sql: &str, constraint: &str) {
    let error = shop.by_hand.try_run(sql).await.expect_err(sql);
    assert_eq!(
        dialect::broken_constraint(&error).as_deref(),
        Some(constraint),
        "{sql}: {error}"
    );
}

#[tokio::test]
async fn the_stock_row_refuses_what_is_not_conserved() {
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

/// The exhibit's row is let go on purpose, and once broken it cannot be called guarded again.
#[tokio::test]
async fn an_unguarded_row_may_break_and_cannot_be_guarded_again() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::Unguarded, 1).await;
    let set = |change: &str| format!("UPDATE stock SET {change} WHERE product_id = {}", lane.id);
    shop.by_hand.run(&set("available = -1")).await;
    let error = shop.by_hand.try_run(&set("unguarded = false")).await;
    assert!(error.is_err(), "a row below zero is no guarded row");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_ledger_refuses_every_change() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let own = |product: &TestProduct| format!("WHERE product_id = {}", product.id);
    for sql in [
        format!("UPDATE stock_movement SET quantity = 4 {}", own(&product)),
        format!("DELETE FROM stock_movement {}", own(&product)),
        "DELETE FROM stock_movement".to_owned(),
        "TRUNCATE stock_movement".to_owned(),
        "TRUNCATE stock_movement CASCADE".to_owned(),
    ] {
        let error = shop.by_hand.try_run(&sql).await.expect_err(&sql);
        assert_eq!(
            dialect::sqlstate(&error).as_deref(),
            Some("23001"),
            "{sql}: {error}"
        );
    }
    check_audit_clean(&shop).await;
    // A lane leaves together with its ledger; even there, nothing is rewritten.
    let lane = shop.with_lane(StrategyKey::RowLock, 3).await;
    let rewritten = shop
        .by_hand
        .try_run(&format!(
            "UPDATE stock_movement SET quantity = 4 {}",
            own(&lane)
        ))
        .await;
    assert!(rewritten.is_err());
    let leave = format!(
        "BEGIN; DELETE FROM stock_movement {}; DELETE FROM product WHERE id = {}; COMMIT",
        own(&lane),
        lane.id
    );
    shop.by_hand.run(&leave).await;
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_ledger_refuses_movements_that_mean_nothing() {
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
