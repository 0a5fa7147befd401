//! Lost responses, and how the shop finds out the outcome.

use axum::{Json, Router, http::StatusCode, routing::get};
use doorbuster::payment::{
    gateway::{ChargeState, GatewayAddress, GatewayError, HttpGateway, PaymentGateway},
    provider::test_cards,
};
use serde_json::json;
use uuid::Uuid;

use super::support::{
    SECRET, StateOf as _, TestProvider, charge_to, gateway, is_refused, is_unknown, listener,
    url_of,
};
use crate::support::TestDatabase;

#[tokio::test]
async fn a_charge_whose_response_is_lost_is_found_by_a_query() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    for number in [
        test_cards::ANSWER_LOST,
        test_cards::ANSWER_LOST_WITHOUT_WEBHOOK,
    ] {
        let charge = charge_to(number);
        let answer = provider.gateway.charge(&charge).await.state();
        assert!(is_unknown(&answer), "{number}: {answer:?}");
        let state = provider
            .gateway
            .charge_state(charge.reference)
            .await
            .state();
        assert_eq!(state, Ok(Some(ChargeState::Captured)), "{number}");
        let again = provider.gateway.charge(&charge).await.state();
        assert_eq!(again, Ok(ChargeState::Captured), "{number}");
    }
}

#[tokio::test]
async fn a_lost_request_charges_nothing() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::REQUEST_LOST);
    let answer = provider.gateway.charge(&charge).await.state();
    assert!(is_unknown(&answer), "{answer:?}");
    let state = provider
        .gateway
        .charge_state(charge.reference)
        .await
        .state();
    assert_eq!(state, Ok(None));
}

#[tokio::test]
async fn a_slow_charge_is_captured_after_its_client_timed_out() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::SLOW);
    let answer = provider.gateway.charge(&charge).await.state();
    assert!(is_unknown(&answer), "{answer:?}");
    let state = provider
        .gateway
        .charge_state(charge.reference)
        .await
        .state();
    assert_eq!(state, Ok(Some(ChargeState::Processing)));
    provider
        .wait_for_state(charge.reference, ChargeState::Captured)
        .await;
}

#[tokio::test]
async fn a_closed_port_means_not_sent_and_the_address_can_change() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let unused_url = url_of(&listener().await);
    let address = GatewayAddress::new(unused_url);
    let gateway = HttpGateway::new(address.clone(), SECRET).expect("a client");
    let charge = charge_to(test_cards::CAPTURED);
    let answer = gateway.charge(&charge).await.state();
    assert!(
        matches!(answer, Err(GatewayError::NotSent(_))),
        "{answer:?}"
    );
    address.set(provider.url.clone());
    assert_eq!(
        gateway.charge(&charge).await.state(),
        Ok(ChargeState::Captured)
    );
    let shown = format!("{gateway:?}");
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn a_response_of_another_program_leaves_the_outcome_unknown() {
    let listener = listener().await;
    let stranger = gateway(url_of(&listener));
    let [broken, garbled, elsewhere, gone] = [1, 2, 3, 4].map(Uuid::from_u128);
    let at = |reference| format!("/v1/charges/{reference}");
    let message = || Json(json!({ "error": "No." }));
    let router = Router::new()
        .route(
            &at(broken),
            get(async move || (StatusCode::BAD_GATEWAY, message())),
        )
        .route(&at(garbled), get(async || "<p>Welcome</p>"))
        .route(
            &at(elsewhere),
            get(async || (StatusCode::NOT_FOUND, "Not found")),
        )
        .route(&at(gone), get(async move || (StatusCode::GONE, message())));
    tokio::spawn(async move { axum::serve(listener, router).await });
    for reference in [broken, garbled, elsewhere] {
        let answer = stranger.charge_state(reference).await.state();
        assert!(is_unknown(&answer), "{reference}: {answer:?}");
    }
    let answer = stranger.charge_state(gone).await.state();
    assert!(is_refused(&answer), "{answer:?}");
}
