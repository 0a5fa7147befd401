//! The queue over HTTP: `202 Accepted`, the address and the page that follow an order, and the
//! admin page.

use axum::http::StatusCode;
use doorbuster::shop::inventory::{
    PurchaseRequest, order_queue::OrderQueue, queued_order::QueuedOrder,
};
use serde_json::Value;

use super::{
    redis_pages::{admin_at, check_refused_to_strangers, check_shows_redis_unavailable},
    support::{TestShop, Visitor},
};
use crate::support::{TestProduct, check_audit_clean, redis::TestRedis, shop::units_of};

const PATH: &str = "/api/purchase?strategy=redis-stream";

fn body(product: i64, quantity: u32) -> String {
    format!(r#"{{"productId":{product},"quantity":{quantity}}}"#)
}

/// An order of one unit, which no server of the shop has accepted.
pub(super) fn order_of(product: &TestProduct) -> QueuedOrder {
    QueuedOrder::new(&PurchaseRequest {
        product_id: product.id,
        quantity: units_of(1),
        claim: None,
        lane_id: None,
    })
}

#[tokio::test]
async fn an_accepted_order_is_followed_at_its_address_and_on_its_page() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mut caller = Visitor::of_gated(&shop, Some(redis.gate()));
    let accepted = caller.post_json(PATH, &body(product.id, 2)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    assert_eq!(accepted.header("retry-after"), "1");
    let place: Value = serde_json::from_str(&accepted.body).expect("JSON");
    assert_eq!(place["status"], "queued");
    assert_eq!(place["ahead"], 0);
    let id = place["orderId"].as_str().expect("an id").to_owned();
    assert_eq!(accepted.header("location"), format!("/api/orders/{id}"));
    let written = caller.follow(accepted).await;
    assert_eq!(written.status, StatusCode::OK, "{written:?}");
    let order: Value = serde_json::from_str(&written.body).expect("JSON");
    assert_eq!(order["id"], id.as_str());
    let page = caller.page(&format!("/orders/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(&product.name), "{}", page.body);

    let too_many = caller.purchase(PATH, &body(product.id, 4), &[]).await;
    assert_eq!(too_many.status, StatusCode::CONFLICT, "{too_many:?}");
    assert!(too_many.detail().starts_with("Insufficient stock"));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_page_of_a_waiting_order_shows_its_place_and_loads_again() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let gate = redis.gate();
    let mut caller = Visitor::of_gated(&shop, Some(gate.clone()));
    // No server of this shop has accepted them, and none consumes.
    let mut order_id = String::new();
    for _ in 0..3 {
        let order = order_of(&product);
        let accepted = OrderQueue::beside(&gate).accept(&order, true).await;
        accepted.expect("Redis answers");
        order_id = order.order_id.to_string();
    }
    let page = caller.page(&format!("/orders/{order_id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let text = "2 orders are in front of yours.";
    assert!(page.body.contains(text), "{}", page.body);
    assert!(
        page.body.contains("data-reload-after=\"2\""),
        "{}",
        page.body
    );
    let place = caller.page(&format!("/api/orders/{order_id}")).await;
    assert_eq!(place.status, StatusCode::ACCEPTED);
    assert!(place.body.contains("\"ahead\":2"), "{}", place.body);
    let unknown = format!("/api/orders/{}", uuid::Uuid::now_v7());
    assert_eq!(caller.page(&unknown).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_admin_page_shows_the_promise_and_the_dead_letters() {
    let shop = TestShop::new().await;
    let mut admin = admin_at(&shop, None).await;
    let without = admin.page("/admin/queue").await;
    assert!(without.body.contains("Set REDIS_URL"), "{}", without.body);

    let Some(mut redis) = TestRedis::start_durable() else {
        return;
    };
    let gate = redis.gate();
    let queue = OrderQueue::beside(&gate);
    let mut admin = admin_at(&shop, Some(gate.clone())).await;
    let page = admin.page("/admin/queue").await.body;
    assert!(
        page.contains("appendfsync always") && page.contains("No dead letters"),
        "{page}"
    );

    let product = shop.with_product(5).await;
    let order = order_of(&product);
    queue.accept(&order, true).await.expect("Redis answers");
    let (taken, _) = queue
        .take("a consumer", false)
        .await
        .expect("Redis answers");
    queue
        .bury(&taken[0], "a reason")
        .await
        .expect("Redis answers");
    let page = admin.page("/admin/queue").await.body;
    assert!(
        page.contains("a reason") && page.contains(&product.name),
        "{page}"
    );
    let held = admin.page(&format!("/orders/{}", order.order_id)).await;
    assert!(held.body.contains("Order on hold"), "{}", held.body);

    let letters = queue.dead_letters(1).await.expect("Redis answers");
    let form = "/api/form/admin/dead-letter";
    let fields = format!("id={}&act=reject", letters[0].id);
    let done = admin.submit("/admin/queue", form, &fields).await;
    assert_eq!(done.header("location"), "/admin/queue");
    let page = admin.page("/admin/queue").await.body;
    assert!(page.contains("No dead letters"), "{page}");
    let refused = admin.page(&format!("/api/orders/{}", order.order_id)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");

    redis.kill();
    check_shows_redis_unavailable(&mut admin, "/admin/queue").await;
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_stranger_cannot_decide_about_dead_letters() {
    let form = "/api/form/admin/dead-letter";
    check_refused_to_strangers(form, "id=1-1&act=reject").await;
}
