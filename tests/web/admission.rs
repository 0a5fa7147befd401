//! A crowd beyond the limit of requests at once: simulations are refused before browsing, and
//! browsing before paying; the others are answered. One network does not take the places of others,
//! a slow provider costs only payments, and operators see a full server.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use doorbuster::{
    payment::gateway::ChargeState,
    resilience::{Admitted, Class, ConcurrencyLimiter, LimiterSettings},
    simulation::run_secret::BUYER_HEADER,
    web::{
        AppState, ServerParts,
        health::{endpoint, exposition},
        operators::FigureTurns,
    },
};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::{
    checkout,
    support::{TestResponse, TestShop, Visitor, parts},
};
use crate::support::{PATIENCE, StockLock, TestProduct, scripted_provider::ScriptedProvider};

const LIMIT: u32 = 10;

/// A limiter that does not adapt: the test decides how full the server is.
fn fixed(limit: u32) -> Arc<ConcurrencyLimiter> {
    Arc::new(ConcurrencyLimiter::new(LimiterSettings::fixed(limit)))
}

fn parts_of(shop: &TestShop) -> ServerParts {
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.admission.requests = fixed(LIMIT);
    parts
}

fn server_of(shop: &TestShop) -> AppState {
    AppState::new(parts_of(shop))
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
    send_from(None, state, product, count, in_flight).await
}

/// The same from a client at this address.
async fn send_from(
    address: Option<&'static str>,
    state: &AppState,
    product: &TestProduct,
    count: u32,
    in_flight: u32,
) -> Vec<JoinHandle<TestResponse>> {
    let sent = (0..count).map(|_| {
        let (mut buyer, body) = (Visitor::at(state.clone()), body(product));
        tokio::spawn(async move { buy(&mut buyer, address, &body).await })
    });
    let sent = sent.collect();
    let deadline = Instant::now() + PATIENCE;
    while in_progress(&state.admission.requests) != in_flight {
        assert!(Instant::now() < deadline, "{:?}", state.admission);
        tokio::task::yield_now().await;
    }
    sent
}

async fn buy(buyer: &mut Visitor, address: Option<&str>, body: &str) -> TestResponse {
    let headers: Vec<_> = address
        .map(|address| ("x-forwarded-for", address))
        .into_iter()
        .collect();
    buyer.post_json_with("/api/purchase", body, &headers).await
}

/// Returns how many requests of all classes are in progress.
fn in_progress(limiter: &ConcurrencyLimiter) -> u32 {
    limiter.in_flight().map(|(_, count)| count).sum()
}

fn refusals(state: &AppState) -> Vec<u64> {
    let refusals = state.admission.requests.refusals();
    refusals.map(|(_, count)| count).collect()
}

/// Takes a place, as a request does.
fn take_place(limiter: &Arc<ConcurrencyLimiter>) -> Admitted {
    let admitted = limiter.admit(Class::Paying, None);
    admitted.expect("there is a place")
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

/// One client sends as many purchases as it can, then others arrive.
#[tokio::test]
async fn one_network_leaves_places_for_others() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    let mut parts = parts_of(&shop);
    // The address of a connection that a test does not open.
    parts.trusted_proxies = Arc::new([IpAddr::from([0, 0, 0, 0])]);
    let state = AppState::new(parts);
    let lock = StockLock::acquire(&shop, &product).await;
    let (body, crowd) = (body(&product), Some("2001:db8:1:2::1"));
    let mut waiting = send_from(crowd, &state, &product, 5, 5).await;
    let mut buyer = Visitor::at(state.clone());
    for same_network in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"] {
        let refused = buy(&mut buyer, Some(same_network), &body).await;
        check_refused(&refused, "1");
        let reason = "your network sends many requests at once";
        assert!(refused.body.contains(reason), "{refused:?}");
        assert!(refused.body.contains("#busy"), "{refused:?}");
    }
    // Neither the places of others are taken, nor those that the program itself may take.
    let same_site = Some("2001:db8:1:3::1");
    check_refused(&buy(&mut buyer, same_site, &body).await, "1");
    let other = Some("2001:db8:2:1::1");
    waiting.extend(send_from(other, &state, &product, 2, 7).await);
    check_refused(&buy(&mut buyer, other, &body).await, "1");
    waiting.extend(send(&state, &product, 3, LIMIT).await);
    assert_eq!(refusals(&state), [0; 3], "the server was never full");
    let metrics = exposition::text(&state).expect("a text can be written");
    let series = "doorbuster_admission_network_refusals_total{class=\"paying\"} 4";
    assert!(metrics.contains(series), "{series} in\n{metrics}");

    lock.release().await;
    for paid in waiting {
        let answer = paid.await.expect("it ends");
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(shop.units_ordered(&product).await, i64::from(LIMIT));
    let after = buy(&mut buyer, crowd, &body).await;
    assert_eq!(after.status, StatusCode::OK, "{after:?}");
}

#[tokio::test]
async fn a_slow_provider_costs_only_payments() {
    let shop = TestShop::new().await;
    let scripted = ScriptedProvider::default();
    let paid_through = shop.paid_through(&scripted);
    let mut parts = parts(paid_through, shop.database.url(), "http://shop.test");
    parts.admission.requests = fixed(LIMIT);
    parts.admission.payments = fixed(1);
    let state = AppState::new(parts);
    let mut shopper = Visitor::at(state.clone());
    checkout::reserve(&mut shopper).await;

    let place = take_place(&state.admission.payments);
    let refused = checkout::pay(&mut shopper).await;
    check_refused(&refused, "1");
    assert!(
        refused.body.contains("href=\"/checkout/now\">Back"),
        "{refused:?}"
    );
    assert_eq!(shop.count("customer_order").await, 0);
    assert_eq!(shopper.page("/").await.status, StatusCode::OK);
    let metrics = exposition::text(&state).expect("a text can be written");
    for series in [
        "doorbuster_admission_in_flight{class=\"payments\"} 1",
        "doorbuster_admission_refusals_total{class=\"payments\"} 1",
        "doorbuster_admission_refusals_total{class=\"paying\"} 0",
    ] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }

    drop(place);
    let paying = tokio::spawn(async move { checkout::pay(&mut shopper).await });
    let charges = scripted.charges(1).await;
    assert_eq!(in_progress(&state.admission.payments), 1);
    assert_eq!(in_progress(&state.admission.requests), 0);
    scripted.answer(charges[0], Ok(ChargeState::Captured));
    let paid = paying.await.expect("it ends");
    assert!(paid.header("location").starts_with("/orders/"), "{paid:?}");
    assert_eq!(in_progress(&state.admission.payments), 0);
}

#[tokio::test]
async fn operators_see_a_full_server() {
    let shop = TestShop::new().await;
    let state = server_of(&shop);
    let mut admin = Visitor::at(state.clone());
    admin.sign_in(&shop).await;
    let places: Vec<_> = (0..LIMIT)
        .map(|_| take_place(&state.admission.requests))
        .collect();
    check_refused(&admin.page("/admin").await, "1");
    for path in ["/metrics", "/admin/health", "/admin/health/guide"] {
        let shown = admin.page(path).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}: {shown:?}");
    }
    drop(places);
}

/// No request of this test waits for a turn.
#[tokio::test]
async fn few_figures_are_computed_at_once() {
    let shop = TestShop::new().await;
    let mut parts = parts_of(&shop);
    let one_turn = || Arc::new(FigureTurns::new(1, Duration::ZERO));
    (parts.admission.figures, parts.admission.metrics) = (one_turn(), one_turn());
    parts.admission.operators = fixed(4);
    let state = AppState::new(parts);
    let mut admin = Visitor::at(state.clone());
    admin.sign_in(&shop).await;
    let own_address = endpoint::router(state.clone());
    let at_own_address = async || {
        let request = Request::get("/metrics").body(Body::empty());
        let answer = own_address.clone().oneshot(request.expect("a request"));
        answer.await.expect("the router is infallible").status()
    };

    let turn = state.admission.figures.wait().await;
    assert!(turn.is_some());
    for path in ["/metrics", "/admin/health"] {
        check_refused(&admin.page(path).await, "1");
    }
    // Pages that wait for the database do not keep Prometheus out.
    assert_eq!(at_own_address().await, StatusCode::OK);
    for path in ["/", "/admin", "/admin/health/guide"] {
        assert_eq!(admin.page(path).await.status, StatusCode::OK, "{path}");
    }
    let stranger = Visitor::at(state.clone()).page("/metrics").await;
    assert_eq!(stranger.header("location"), "/admin/login", "no turn");
    drop(turn);
    let turn = state.admission.metrics.wait().await;
    assert!(turn.is_some());
    assert_eq!(at_own_address().await, StatusCode::SERVICE_UNAVAILABLE);
    for path in ["/metrics", "/admin/health"] {
        assert_eq!(admin.page(path).await.status, StatusCode::OK, "{path}");
    }
    drop(turn);
    assert_eq!(at_own_address().await, StatusCode::OK);

    // Requests for these addresses that are not computed yet have a limit, too.
    let places: Vec<_> = (0..4)
        .map(|_| take_place(&state.admission.operators))
        .collect();
    check_refused(&admin.page("/metrics").await, "1");
    assert_eq!(admin.page("/admin").await.status, StatusCode::OK);
    drop(places);
    assert_eq!(admin.page("/metrics").await.status, StatusCode::OK);
}
