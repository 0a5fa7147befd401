//! A crowd beyond the limit of requests at once: simulations are refused before browsing, and
//! browsing before paying; the others are answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use doorbuster::{
    resilience::{Class, ConcurrencyLimiter, LimiterSettings},
    simulation::run_secret::BUYER_HEADER,
    web::{AppState, health::exposition},
};
use tokio::task::JoinHandle;

use super::support::{TestResponse, TestShop, Visitor, parts};
use crate::support::{PATIENCE, StockLock, TestProduct};

const LIMIT: u32 = 10;
/// It does not adapt: the test decides how full the server is.
const FIXED: LimiterSettings = LimiterSettings {
    initial: LIMIT,
    min: LIMIT,
    max: LIMIT,
    latency_target: Duration::from_secs(3_600),
};

fn server_of(shop: &TestShop) -> AppState {
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.admission = Arc::new(ConcurrencyLimiter::new(FIXED));
    AppState::new(parts)
}

fn body(product: &TestProduct) -> String {
    format!("{{\"productId\": {}, \"quantity\": 1}}", product.id)
}

/// Sends so many purchases, and waits until the server works on all that it admits.
async fn send(
    state: &AppState,
    product: &TestProduct,
    count: u32,
    in_flight: u32,
) -> Vec<JoinHandle<TestResponse>> {
    let sent = (0..count).map(|_| {
        let (mut buyer, body) = (Visitor::at(state.clone()), body(product));
        tokio::spawn(async move { buyer.post_json("/api/purchase", &body).await })
    });
    let sent = sent.collect();
    let deadline = Instant::now() + PATIENCE;
    let paying = || {
        let mut classes = state.admission.in_flight();
        classes.find_map(|(class, count)| (class == Class::Paying).then_some(count))
    };
    while paying() != Some(in_flight) {
        assert!(Instant::now() < deadline, "{:?}", state.admission);
        tokio::task::yield_now().await;
    }
    sent
}

fn refusals(state: &AppState) -> Vec<u64> {
    let refusals = state.admission.refusals();
    refusals.map(|(_, count)| count).collect()
}

fn check_refused(answer: &TestResponse, retry_after_s: &str) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.header("retry-after"), retry_after_s, "{answer:?}");
}

#[tokio::test]
async fn the_last_places_are_for_those_who_pay() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    let state = server_of(&shop);
    let mut visitor = Visitor::at(state.clone());
    let lock = StockLock::acquire(&shop, &product).await;
    let mut waiting = send(&state, &product, 5, 5).await;
    let of_run = [(BUYER_HEADER, "a secret of a run")];
    let simulated = visitor
        .post_json_with("/api/purchase", &body(&product), &of_run)
        .await;
    check_refused(&simulated, "5");
    let browsing = visitor.page("/").await;
    assert_eq!(browsing.status, StatusCode::OK, "{browsing:?}");

    waiting.extend(send(&state, &product, 3, 8).await);
    let browsing = visitor.page("/").await;
    check_refused(&browsing, "2");
    assert!(browsing.body.contains("Attempt 1 of 4."), "{browsing:?}");
    assert!(browsing.header("refresh").contains("url=/?retry=2."));
    assert!(
        browsing
            .header("content-security-policy")
            .contains("style-src 'self'")
    );
    let form = "product_id=1&quantity=1";
    let form = visitor.submit("/cart", "/api/form/cart/add", form).await;
    check_refused(&form, "2");
    assert!(form.body.contains("href=\"/cart\">Back"), "{form:?}");
    assert_eq!(form.header("refresh"), "", "a form is not sent twice");

    waiting.extend(send(&state, &product, 2, LIMIT).await);
    let beyond = visitor.post_json("/api/purchase", &body(&product)).await;
    check_refused(&beyond, "1");
    for path in ["/healthz", "/readyz", "/assets/none", "/robots.txt"] {
        let unlimited = visitor.page(path).await.status;
        assert_ne!(unlimited, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(refusals(&state), [1, 2, 1]);
    let metrics = exposition::text(&state).expect("a text can be written");
    for series in [
        "doorbuster_admission_limit 10",
        "doorbuster_admission_in_flight{class=\"paying\"} 10",
        "doorbuster_admission_refusals_total{class=\"browsing\"} 2",
    ] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }

    lock.release().await;
    for paid in waiting {
        let answer = paid.await.expect("it ends");
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(shop.units_ordered(&product).await, i64::from(LIMIT));
    assert_eq!(visitor.page("/").await.status, StatusCode::OK);
}

/// Fifty buyers at once, on a server that admits ten: none of them waits for the others.
#[tokio::test]
async fn a_crowd_over_capacity_is_refused_and_the_admitted_are_answered() {
    let shop = TestShop::new().await;
    let product = shop.with_product(100).await;
    let state = server_of(&shop);
    let lock = StockLock::acquire(&shop, &product).await;
    let crowd = send(&state, &product, 5 * LIMIT, LIMIT).await;
    let deadline = Instant::now() + PATIENCE;
    while refusals(&state)[0] < u64::from(4 * LIMIT) {
        assert!(Instant::now() < deadline, "{:?}", state.admission);
        tokio::task::yield_now().await;
    }
    lock.release().await;
    let mut bought = 0;
    for answer in crowd {
        let answer = answer.await.expect("it ends");
        if answer.status == StatusCode::OK {
            bought += 1;
        } else {
            check_refused(&answer, "1");
        }
    }
    assert_eq!(bought, i64::from(LIMIT));
    assert_eq!(shop.units_ordered(&product).await, bought);
}

#[tokio::test]
async fn streams_leave_connections_for_requests() {
    let shop = TestShop::new().await;
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.streams_max = 0;
    let mut visitor = Visitor::at(AppState::new(parts));
    check_refused(&visitor.page("/live/all").await, "2");
    assert_eq!(visitor.page("/").await.status, StatusCode::OK);
}
