//! The database or the payment provider is unavailable: after a few failures, answers come at once,
//! and the shop works again soon after the service is back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use doorbuster::{
    db::{Db, PoolSettings},
    feed::Feed,
    model::{OrderStatus, ShopError},
    payment::gateway::{GatewayAddress, GuardedGateway, HttpGateway, PaymentGateway},
    resilience::{
        Thresholds,
        breaker::{Breaker, State},
    },
    shop::Shop,
    web::{AppState, health::exposition},
};
use futures::future::join_all;
use url::Url;
use uuid::Uuid;

use super::support::{TestResponse, TestShop, Visitor, state};
use crate::support::{
    PlacesOrders,
    provider::{self, SECRET},
    proxy::Proxy,
};

const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test breakers",
    transactions_max: 4,
    readers_max: 4,
    ..PoolSettings::SHOP
};

/// A call that is refused waits for a probe at most. Without the breaker it would take three
/// seconds.
const REFUSAL_MAX: Duration = Duration::from_secs(2);
/// How soon a service is used again. A connection that was dead needs a second to notice, and a
/// machine that is busy with other tests the rest.
const RECOVERY_MAX: Duration = Duration::from_secs(2);
const DEAD_CONNECTIONS_MAX: Duration = Duration::from_secs(3);
const BUY: &str = r#"{"productId":1,"quantity":1}"#;

/// A server whose database is behind a proxy.
async fn server_behind(proxy: &Proxy) -> AppState {
    let db = Db::connect(proxy.url(), POOL)
        .await
        .expect("the proxy accepts connections");
    let shop = Shop::new(db, Feed::default());
    state(shop, proxy.url(), "http://shop.test")
}

fn database_breaker(state: &AppState) -> &Breaker {
    let breaker = state.shop.db().guard().breaker();
    breaker.expect("the pool of the shop is guarded")
}

fn check_refused(answer: &TestResponse) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
}

/// Asks `/readyz` until the server is ready.
async fn until_ready(visitor: &mut Visitor, limit: Duration) {
    let begin = Instant::now();
    while visitor.page("/readyz").await.status != StatusCode::OK {
        assert!(begin.elapsed() < limit, "not ready after {limit:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_cut_off_gets_no_requests_and_used_again_within_two_seconds() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let state = server_behind(&proxy).await;
    let mut visitor = Visitor::at(state.clone());
    let before = visitor.post_json("/api/purchase", BUY).await;
    assert_eq!(before.status, StatusCode::OK, "{before:?}");
    let breaker = database_breaker(&state);
    assert_eq!(breaker.state(), State::Closed);

    proxy.cut();
    for _ in 0..Thresholds::SERVICE.failures {
        check_refused(&visitor.post_json("/api/purchase", BUY).await);
    }
    assert_ne!(breaker.state(), State::Closed, "{breaker:?}");
    assert_eq!(breaker.openings(), 1);
    let refusals = breaker.refusals();
    let opened = Instant::now();
    while breaker.refusals() == refusals {
        check_refused(&visitor.post_json("/api/purchase", BUY).await);
        assert!(opened.elapsed() < REFUSAL_MAX, "{breaker:?}");
    }
    let metrics = exposition::text(&state).expect("a text can be written");
    let closed = "doorbuster_breaker_state{breaker=\"database\",state=\"closed\"} 0";
    let opened = "doorbuster_breaker_openings_total{breaker=\"database\"} 1";
    for series in [closed, opened] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }

    proxy.restore();
    until_ready(&mut visitor, RECOVERY_MAX).await;
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.openings(), 1, "one outage");
    let after = visitor.post_json("/api/purchase", BUY).await;
    assert_eq!(after.status, StatusCode::OK, "{after:?}");
    assert_eq!(shop.count("customer_order").await, 2, "what was confirmed");
}

/// Each read would be a failure for the breaker, and so many would open it.
#[tokio::test]
async fn probes_at_the_same_moment_share_one_read() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let state = server_behind(&proxy).await;
    let visitor = Visitor::at(state.clone());
    proxy.drop_traffic();
    let probes = (0..4 * Thresholds::SERVICE.failures).map(|_| {
        let mut probe = visitor.with_the_same_cookies();
        async move { probe.page("/readyz").await }
    });
    for answer in join_all(probes).await {
        check_refused(&answer);
    }
    let breaker = database_breaker(&state);
    assert_eq!(breaker.state(), State::Closed, "{breaker:?}");
    assert_eq!(breaker.openings(), 0);
}

#[tokio::test]
async fn a_database_that_is_silent_is_answered_for_at_once() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let state = server_behind(&proxy).await;
    let mut visitor = Visitor::at(state.clone());
    let breaker = database_breaker(&state);
    proxy.drop_traffic();
    // More than the pool has connections: each of them waits for a deadline.
    let waiting = (0..2 * POOL.readers_max + Thresholds::SERVICE.failures).map(|_| {
        let mut visitor = visitor.with_the_same_cookies();
        async move {
            let order = format!("/api/orders/{}", Uuid::new_v4());
            visitor.page(&order).await
        }
    });
    for answer in join_all(waiting).await {
        check_refused(&answer);
    }
    assert_ne!(breaker.state(), State::Closed, "{breaker:?}");
    for _ in 0..3 {
        let begin = Instant::now();
        check_refused(&visitor.page("/api/products").await);
        check_refused(&visitor.post_json("/api/purchase", BUY).await);
        assert!(begin.elapsed() < 2 * REFUSAL_MAX, "{:?}", begin.elapsed());
    }
    assert_eq!(visitor.page("/healthz").await.status, StatusCode::OK);

    proxy.restore();
    until_ready(&mut visitor, RECOVERY_MAX + DEAD_CONNECTIONS_MAX).await;
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(shop.count("customer_order").await, 0);
}

/// Returns the address at which a page tries again.
fn next_attempt(page: &TestResponse) -> Option<&str> {
    let (seconds, address) = page.header("refresh").split_once("; url=")?;
    assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds >= 2));
    Some(address)
}

#[tokio::test]
async fn a_page_says_so_and_tries_again_by_itself_four_times() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let state = server_behind(&proxy).await;
    let mut visitor = Visitor::at(state);
    proxy.cut();
    let mut address = "/search?q=lamp".to_owned();
    for attempt in 1..=4 {
        let page = visitor.page(&address).await;
        check_refused(&page);
        let number = format!("Attempt {attempt} of 4.");
        assert!(page.body.contains(&number), "{number} in {}", page.body);
        assert!(page.body.contains("href=\"/search?q=lamp\""), "{page:?}");
        match next_attempt(&page) {
            Some(next) => {
                assert!(attempt < 4 && next.starts_with("/search?q=lamp&retry="));
                address = next.to_owned();
            }
            None => assert_eq!(attempt, 4, "{page:?}"),
        }
    }
    // A program gets its problem, and no page.
    let refused = visitor.page("/api/products").await;
    check_refused(&refused);
    assert!(!refused.detail().is_empty());
    assert_eq!(refused.header("refresh"), "");

    proxy.restore();
    until_ready(&mut visitor, RECOVERY_MAX).await;
    let shown = visitor.page(&address).await;
    assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
    assert_eq!(shown.header("refresh"), "");
}

#[tokio::test]
async fn a_provider_that_is_silent_gets_no_requests_and_nothing_is_falsely_paid() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let (url, _stop) = provider::serve(shop.database.url()).await;
    let proxy = Proxy::before_http(&url).await;
    let address = GatewayAddress::new(Url::parse(proxy.url()).expect("a URL"));
    let gateway = HttpGateway::new(address, SECRET).expect("a client");
    let gateway = Arc::new(GuardedGateway::new(Arc::new(gateway)));
    let paying = shop.handle().with_gateway(gateway.clone());
    let breaker = gateway.breaker().expect("it is guarded");
    let order = async |email: &str| {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let request = shop.checkout(cart, email);
        let outcome = paying.place_order(request).await;
        let answer = outcome.result.map_err(ShopError::from);
        answer.map(|paid| paid.status)
    };
    assert_eq!(order("first@example.com").await, Ok(OrderStatus::Paid));

    proxy.drop_traffic();
    let questions = (1..Thresholds::SERVICE.failures).map(|_| gateway.charge_state(Uuid::new_v4()));
    let (in_doubt, answers) = tokio::join!(order("second@example.com"), join_all(questions));
    assert_eq!(in_doubt, Ok(OrderStatus::Pending), "its outcome is unknown");
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    // The charge, or a question about it, is the last failure.
    while breaker.state() == State::Closed {
        let answer = gateway.charge_state(Uuid::new_v4()).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    let orders = shop.count("customer_order").await;
    let begin = Instant::now();
    let unavailable = ShopError::ProviderUnavailable { retry_after_s: 5 };
    assert_eq!(order("third@example.com").await, Err(unavailable.clone()));
    assert!(begin.elapsed() < 2 * REFUSAL_MAX, "{:?}", begin.elapsed());
    assert_eq!(shop.count("customer_order").await, orders, "none is begun");
    assert_eq!(shop.level(&product).await.sold, 1, "only the first is paid");

    proxy.restore();
    let restored = Instant::now();
    while let Err(error) = order("fourth@example.com").await {
        assert_eq!(error, unavailable);
        assert!(restored.elapsed() < RECOVERY_MAX, "{breaker:?}");
    }
    assert_eq!(breaker.state(), State::Closed);
    shop.make_status_queries_due().await;
    let resolved = paying.payments().resolve_unknown_outcomes().await;
    assert!(resolved.is_ok(), "{resolved:?}");
    assert_eq!(shop.level(&product).await.sold, 2, "none is falsely paid");
}
