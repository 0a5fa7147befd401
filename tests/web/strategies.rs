//! `POST /api/purchase?strategy=…`: every strategy, forbidden strategies, and a full batch queue.

use axum::http::StatusCode;
use doorbuster::{
    config::ShopTerms, db::engine::Engine, model::StrategyKey,
    shop::inventory::batch_queue::WAITING_MAX, simulation::run_secret::BUYER_HEADER,
};
use futures::future::join_all;
use serde_json::Value;

use super::support::{TestShop, Visitor, state};
use crate::support::{PATIENCE, StockLock, check_audit_clean, sessions, strategies, within};

fn body(product: i64) -> String {
    format!(r#"{{"productId":{product},"quantity":2}}"#)
}

#[tokio::test]
async fn every_strategy_sells_a_lane_and_rejects_an_order_above_the_stock() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    for strategy in strategies() {
        let lane = shop.with_lane(strategy, 5).await;
        let path = format!("/api/purchase?strategy={strategy}");
        let token = lane.buyer_token();
        let of_run = [(BUYER_HEADER, token.as_str())];
        let body = body(lane.id);
        let sold = caller.purchase(&path, &body, &of_run).await;
        assert_eq!(sold.status, StatusCode::OK, "{strategy}: {}", sold.body);
        let receipt: Value = serde_json::from_str(&sold.body).expect("JSON");
        let id = receipt["orderId"].as_str().or(receipt["id"].as_str());
        let page = format!("/orders/{}", id.expect("an id"));
        assert_eq!(caller.page(&page).await.status, StatusCode::OK);
        assert_eq!(shop.level(&lane).await.available, 3, "{strategy}");
        caller.purchase(&path, &body, &of_run).await;
        let refused = caller.purchase(&path, &body, &of_run).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{strategy}");
        assert_eq!(
            refused.detail(),
            format!(
                "Insufficient stock for {} (available: 1, requested: 2)",
                lane.name
            )
        );
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn only_allowed_strategies_sell_a_product_of_the_shop() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    let product = shop.with_product(100).await;
    for strategy in strategies() {
        let path = format!("/api/purchase?strategy={strategy}");
        let answer = caller.post_json(&path, &body(product.id)).await;
        let expected = match strategy {
            StrategyKey::RedisStream => StatusCode::ACCEPTED,
            _ if strategy.may_sell_in_shop() => StatusCode::OK,
            _ => StatusCode::FORBIDDEN,
        };
        assert_eq!(answer.status, expected, "{strategy}: {}", answer.body);
        caller.follow(answer).await;
    }
    check_audit_clean(&shop).await;
}

/// A purchase without a strategy uses the configured one: the statement that waits for the row lock
/// belongs to it.
#[tokio::test]
async fn the_configured_strategy_is_the_default() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    for (strategy, on_postgres, on_mysql) in [
        (
            StrategyKey::RowLock,
            "= $1 LIMIT $2 FOR UPDATE",
            &["LIMIT", "FOR UPDATE"][..],
        ),
        (
            StrategyKey::ConditionalUpdate,
            "UPDATE \"stock\"",
            &["UPDATE `stock`"],
        ),
        (
            StrategyKey::MicroBatch,
            "= ANY($7) AND layout",
            &["IN (", "FOR UPDATE"],
        ),
    ] {
        let parts = match shop.db().engine() {
            Engine::Postgres => &[on_postgres][..],
            Engine::MySql => on_mysql,
        };
        let terms = ShopTerms {
            strategy,
            ..ShopTerms::default()
        };
        let address = "http://127.0.0.1:3000";
        let state = state(shop.on_terms(terms), shop.database.url(), address);
        let mut caller = Visitor::at(state);
        let stock_lock = StockLock::acquire(&shop, &product).await;
        let waiting = async {
            shop.until_blocked(1).await;
            let mut blocked = sessions::all(&shop.by_hand).await;
            blocked.retain(|session| session.is_blocked);
            stock_lock.release().await;
            blocked.remove(0).statement
        };
        let body = body(product.id);
        let (sold, waiting) = tokio::join!(caller.post_json("/api/purchase", &body), waiting);
        assert_eq!(sold.status, StatusCode::OK, "{}", sold.body);
        let locks = parts.iter().all(|part| waiting.contains(part));
        assert!(locks, "{strategy}: {waiting}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_full_batch_queue_returns_429_with_retry_after() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10_000).await;
    let mut caller = Visitor::of(&shop);
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let first = shop.buy(&product).by(StrategyKey::MicroBatch).spawn();
    shop.until_blocked(1).await;
    let mut crowd: Vec<_> = (0..=WAITING_MAX)
        .map(|_| shop.buy(&product).by(StrategyKey::MicroBatch).spawn())
        .collect();
    // The queue rejects the last buyer; all others are waiting now.
    let late = crowd.pop().expect("there are buyers");
    late.await
        .expect("the task ends")
        .expect_err("the queue is full");
    let refused = caller
        .post_json("/api/purchase?strategy=micro-batch", &body(product.id))
        .await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(
        refused.detail(),
        "The shop is very busy. Nothing was bought; try again in 1 s."
    );
    stock_lock.release().await;
    first
        .await
        .expect("the task ends")
        .expect("the purchase succeeds");
    for answer in within(PATIENCE, "the queue", join_all(crowd)).await {
        answer
            .expect("the task ends")
            .expect("the purchase succeeds");
    }
    check_audit_clean(&shop).await;
}
