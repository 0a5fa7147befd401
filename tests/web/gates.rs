//! The admin page about Redis.

use std::time::Duration;

use axum::http::StatusCode;
use doorbuster::{
    model::StrategyKey,
    shop::{
        audit::rules::RULES,
        inventory::{
            counters::Level,
            gate::{LevelWrite, Reservation},
        },
    },
};

use super::{
    redis_pages::{admin_at, check_refused_to_strangers, check_shows_redis_unavailable},
    support::{TestShop, Visitor},
};
use crate::support::{PATIENCE, check_audit_clean, redis::TestRedis, within};

const POLL: Duration = Duration::from_millis(50);

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
    check_shows_redis_unavailable(&mut admin, "/admin/redis").await;
    check_audit_clean(&shop).await;
}

/// Presses *Check now*, and waits until the tile shows these texts: the audit looks several times
/// at a gate that differs, which takes longer than the answer waits.
async fn check_now(admin: &mut Visitor, texts: &[&str]) {
    let done = admin.submit("/admin", "/api/form/admin/audit", "").await;
    assert_eq!(done.header("location"), "/admin", "{done:?}");
    within(PATIENCE, "the results of the audits", async {
        loop {
            let page = admin.page("/admin").await.body;
            if texts.iter().all(|text| page.contains(text)) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_audit_of_the_servers_checks_the_gates() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let gate = redis.gate();
    let server = shop.handle().with_gate(Some(gate.clone()));
    let bought = shop.buy(&product).by(StrategyKey::RedisCounter).on(&server);
    bought.await.expect("it is sold");
    let mut admin = admin_at(&shop, Some(gate.clone())).await;
    let all = format!("All of history: {} rules", RULES.len() + 2);
    check_now(&mut admin, &[&all, "Every unit accounted for"]).await;

    let above = Level {
        available: 50,
        version: 0,
    };
    gate.store_level(product.id, above, LevelWrite::Always)
        .await
        .expect("Redis answers");
    let finding = format!("gates-within-rows: product {}: the gate has 50", product.id);
    check_now(&mut admin, &[&finding]).await;

    // A rule that cannot be checked is no violation.
    redis.kill();
    let checked = format!("All of history: {} rules", RULES.len());
    let unchecked = "Not checked: gates-within-rows (";
    let texts = [
        checked.as_str(),
        unchecked,
        "queue-decided (",
        "Every unit accounted for",
    ];
    check_now(&mut admin, &texts).await;
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_product_shows_its_leases() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(500).await;
    let gate = redis.gate();
    let row = Level {
        available: 500,
        version: 1,
    };
    gate.store_level(product.id, row, LevelWrite::Always)
        .await
        .expect("Redis answers");
    let reserve = async |units: i64, key: String, lease_s: u64| {
        let reservation = Reservation {
            product_id: product.id,
            units,
            key,
        };
        let lease = Duration::from_secs(lease_s);
        let reserved = gate.reserve(&reservation, lease).await;
        reserved.expect("Redis answers");
    };
    reserve(3, "ends-last".to_owned(), 900).await;
    for number in 0..100 {
        reserve(1, format!("ends-soon-{number}"), 600).await;
    }
    let mut admin = admin_at(&shop, Some(gate.clone())).await;
    let list = admin.page("/admin/redis").await.body;
    let path = format!("/admin/redis/{}", product.id);
    assert!(list.contains(&format!("href=\"{path}\"")), "{list}");
    let page = admin.page(&path).await.body;
    assert!(page.contains(&product.name), "{page}");
    assert!(page.contains("100 of 101, those that expire first."));
    assert!(page.contains("ends-soon-99") && !page.contains("ends-last"));
    assert!(page.contains(">free</dd>"), "no one has the lock: {page}");
    for unknown in ["/admin/redis/999999", "/admin/redis/x"] {
        let answer = admin.page(unknown).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_stranger_cannot_reconcile() {
    check_refused_to_strangers("/api/form/admin/reconcile-gates", "").await;
}
