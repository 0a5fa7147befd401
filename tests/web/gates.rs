//! The admin page about Redis.

use axum::http::StatusCode;
use doorbuster::model::StrategyKey;

use super::{
    redis_pages::{admin_at, check_refused_to_strangers, check_says_redis_is_away},
    support::TestShop,
};
use crate::support::{check_audit_clean, redis::TestRedis};

#[tokio::test]
async fn a_server_without_redis_says_what_to_set() {
    let shop = TestShop::new().await;
    let mut admin = admin_at(&shop, None).await;
    let page = admin.page("/admin/redis").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Set REDIS_URL"), "{}", page.body);
    let overview = admin.page("/admin").await.body;
    assert!(!overview.contains("href=\"/admin/redis\""));
    let simulations = admin.page("/admin/simulations").await.body;
    let reason = "(not available without Redis: set REDIS_URL)";
    let needing = StrategyKey::ALL.iter().filter(|key| key.row().needs_redis);
    assert_eq!(simulations.matches(reason).count(), needing.count());
}

#[tokio::test]
async fn gates_are_listed_and_reconciled() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mut admin = admin_at(&shop, Some(redis.gate())).await;
    let overview = admin.page("/admin").await.body;
    assert!(overview.contains("href=\"/admin/redis\""));
    let empty = admin.page("/admin/redis").await.body;
    assert!(empty.contains("No gate was used in the last hour."));

    let path = "/api/purchase?strategy=redis-counter";
    let body = format!(r#"{{"productId":{},"quantity":1}}"#, product.id);
    let sold = admin.post_json(path, &body).await;
    assert_eq!(sold.status, StatusCode::OK, "{}", sold.body);
    let page = admin.page("/admin/redis").await.body;
    assert!(page.contains(&product.name) && page.contains("same as the row"));
    shop.buy(&product).quantity(2).await.expect("it is sold");
    let page = admin.page("/admin/redis").await.body;
    assert!(page.contains("above the row"), "{page}");

    let form = "/api/form/admin/reconcile-gates";
    let done = admin.submit("/admin/redis", form, "").await;
    assert_eq!(done.header("location"), "/admin/redis");
    let page = admin.page("/admin/redis").await.body;
    assert!(page.contains("same as the row"), "{page}");

    redis.kill();
    admin.submit("/admin/redis", form, "").await;
    check_says_redis_is_away(&mut admin, "/admin/redis").await;
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_stranger_cannot_reconcile() {
    check_refused_to_strangers("/api/form/admin/reconcile-gates", "").await;
}
