//! Captured charges and declined cards.

use doorbuster::payment::{
    gateway::{ChargeState, PaymentGateway},
    provider::test_cards,
};
use futures::future::join_all;
use uuid::Uuid;

use super::support::{StateOf as _, TestProvider, charge_to, euros, is_refused};
use crate::support::TestDatabase;

#[tokio::test]
async fn a_repeated_charge_request_charges_once() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    assert_eq!(
        provider
            .gateway
            .charge_state(charge.reference)
            .await
            .state(),
        Ok(None)
    );
    for _ in 0..3 {
        let answer = provider.gateway.charge(&charge).await.state();
        assert_eq!(answer, Ok(ChargeState::Captured));
    }
    let state = provider
        .gateway
        .charge_state(charge.reference)
        .await
        .state();
    assert_eq!(state, Ok(Some(ChargeState::Captured)));
    let by_hand = database.by_hand().await;
    let rows: i64 = by_hand.value("SELECT count(*) FROM provider.charge").await;
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn fifty_concurrent_charges_with_one_reference_charge_once() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    let answers = join_all((0..50).map(|_| provider.spawn_charge(charge.clone()))).await;
    for answer in answers {
        assert_eq!(answer.expect("no panic"), Ok(ChargeState::Captured));
    }
    let by_hand = database.by_hand().await;
    let rows: i64 = by_hand.value("SELECT count(*) FROM provider.charge").await;
    assert_eq!(rows, 1);
    let kinds: String = by_hand
        .value("SELECT string_agg(kind, ' ' ORDER BY id) FROM provider.event")
        .await;
    assert_eq!(kinds, "charge.created charge.authorized charge.captured");
}

#[tokio::test]
async fn a_declined_charge_states_its_reason() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    for (number, sentence) in [
        (test_cards::DECLINED, "The card was declined."),
        (
            test_cards::INSUFFICIENT_FUNDS,
            "The card was declined: insufficient funds.",
        ),
        (test_cards::EXPIRED, "The card has expired."),
        ("4242424242424241", "The card number is invalid."),
        ("4242 4242 4242 4242", "The card number is invalid."),
        ("", "The card number is invalid."),
    ] {
        let charge = charge_to(number);
        let reason = sentence.to_owned();
        let declined = ChargeState::Declined { reason };
        let answer = provider.gateway.charge(&charge).await.state();
        assert_eq!(answer, Ok(declined.clone()), "{number}");
        let state = provider
            .gateway
            .charge_state(charge.reference)
            .await
            .state();
        assert_eq!(state, Ok(Some(declined)), "{number}");
    }
    let other = charge_to("5555555555554444");
    let answer = provider.gateway.charge(&other).await.state();
    assert_eq!(answer, Ok(ChargeState::Captured));
}

#[tokio::test]
async fn a_reference_cannot_be_reused_for_another_amount() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let mut charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    charge.amount = euros(1_251);
    let answer = provider.gateway.charge(&charge).await.state();
    assert!(is_refused(&answer), "{answer:?}");
    for cents in [0, -1, i64::MAX] {
        charge.reference = Uuid::new_v4();
        charge.amount = euros(cents);
        let answer = provider.gateway.charge(&charge).await.state();
        assert!(is_refused(&answer), "{cents}: {answer:?}");
    }
}

#[tokio::test]
async fn no_card_number_is_stored() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let mistyped = charge_to("4242424242424241");
    provider.gateway.charge(&mistyped).await.expect("declined");
    let by_hand = database.by_hand().await;
    let kept: String = by_hand
        .value("SELECT string_agg(charge::text, ' ') FROM provider.charge")
        .await;
    assert!(
        !kept.contains("42424242") && !kept.contains("4241"),
        "{kept}"
    );
    let last: Vec<String> = by_hand
        .value("SELECT array_agg(card_last4) FROM provider.charge WHERE card_last4 IS NOT NULL")
        .await;
    assert_eq!(last, ["4242"]);
}
