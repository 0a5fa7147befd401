//! The database stops responding: the server returns 503 with `Retry-After` within five seconds,
//! and never reports a purchase that did not happen.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use doorbuster::{
    db::{Db, PoolSettings},
    feed::Feed,
    shop::Shop,
};

use super::support::{TestShop, Visitor, state};
use crate::support::proxy::Proxy;

const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test web away",
    transactions_max: 2,
    readers_max: 2,
    ..PoolSettings::SHOP
};

/// Five seconds, plus three for a machine that is busy with other tests. Two deadlines one after
/// the other take longer.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// Much shorter than the time after which the network notices a dead connection.
const RECOVERY_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn pages_and_purchases_return_503_in_time_and_recover() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let db = Db::connect(proxy.url(), POOL)
        .await
        .expect("the proxy accepts connections");
    let unreachable = Shop::new(db, Feed::default());
    let mut visitor = Visitor::at(state(unreachable, proxy.url(), "http://shop.test"));
    visitor
        .submit(
            "/products/flash-sale-smartphone",
            "/api/form/cart/add",
            "product_id=1&quantity=1",
        )
        .await;
    proxy.drop_traffic();
    for path in ["/healthz", "/api/health"] {
        let alive = visitor.page(path).await;
        assert_eq!(alive.status, StatusCode::OK, "{path}: {alive:?}");
    }
    for path in ["/", "/cart", "/readyz", "/admin"] {
        let begin = Instant::now();
        let answer = visitor.page(path).await;
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}: {}",
            answer.body
        );
        assert!(!answer.header("retry-after").is_empty(), "{path}");
        assert!(
            begin.elapsed() < ANSWER_MAX,
            "{path}: {:?}",
            begin.elapsed()
        );
    }
    let begin = Instant::now();
    let bought = visitor
        .post_json("/api/purchase", r#"{"productId":1,"quantity":1}"#)
        .await;
    assert_eq!(
        bought.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        bought.body
    );
    assert!(!bought.header("retry-after").is_empty());
    assert!(begin.elapsed() < ANSWER_MAX, "{:?}", begin.elapsed());
    let has_notice = check_checkout_forms(&mut visitor).await;
    proxy.restore();
    let deadline = Instant::now() + RECOVERY_MAX;
    while visitor.page("/readyz").await.status != StatusCode::OK {
        assert!(Instant::now() < deadline, "the server does not recover");
    }
    if has_notice {
        let shown = visitor.page("/checkout").await.body;
        assert!(shown.contains("Nothing was ordered."), "{shown}");
    }
    assert_eq!(shop.count("customer_order").await, 0);
}

/// A browser's checkout leads back to its page, with a notice for later; if the server was too slow
/// for that, it says so. It never says that the form is malformed. Returns whether there is a
/// notice.
async fn check_checkout_forms(visitor: &mut Visitor) -> bool {
    let mut has_notice = false;
    for form in ["checkout/pay", "checkout/change"] {
        let begin = Instant::now();
        let path = format!("/api/form/{form}");
        let answer = visitor.submit("/checkout", &path, "act=reserve").await;
        if answer.status == StatusCode::FOUND {
            assert_eq!(answer.header("location"), "/checkout", "{answer:?}");
            let cookie = answer.header("set-cookie");
            assert!(cookie.starts_with("doorbuster-notice="), "{answer:?}");
            has_notice = true;
        } else {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{form}");
        }
        assert!(begin.elapsed() < ANSWER_MAX, "{form}: {answer:?}");
    }
    has_notice
}
