//! Refunds: each is paid once, and their sum never exceeds the captured amount.

use std::time::Duration;

use doorbuster::payment::{
    gateway::{ChargeState, PaymentGateway, RefundState},
    provider::test_cards,
};
use futures::future::join_all;
use uuid::Uuid;

use super::support::{
    StateOf as _, TestProvider, charge_to, euros, is_refused, is_unknown, refund_of,
};
use crate::support::TestDatabase;

async fn refunded_cents(database: &TestDatabase) -> i64 {
    let by_hand = database.by_hand().await;
    let counted: i64 = by_hand
        .value("SELECT refunded_cents FROM provider.charge")
        .await;
    let summed: i64 = by_hand
        .value("SELECT coalesce(sum(amount_cents), 0)::bigint FROM provider.refund")
        .await;
    assert_eq!(
        counted, summed,
        "the charge's counter equals the sum of its refunds"
    );
    counted
}

#[tokio::test]
async fn a_refund_is_paid_once_and_never_exceeds_the_captured_amount() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let mut refund = refund_of(&charge, 400);
    for _ in 0..3 {
        let answer = provider.gateway.refund(&refund).await;
        assert_eq!(answer, Ok(RefundState::Succeeded));
    }
    assert_eq!(refunded_cents(&database).await, 400);
    refund.amount = euros(401);
    let answer = provider.gateway.refund(&refund).await;
    assert!(is_refused(&answer), "another amount: {answer:?}");
    let answer = provider.gateway.refund(&refund_of(&charge, 851)).await;
    assert!(is_refused(&answer), "too much: {answer:?}");
    let answer = provider.gateway.refund(&refund_of(&charge, 850)).await;
    assert_eq!(answer, Ok(RefundState::Succeeded));
    let answer = provider.gateway.refund(&refund_of(&charge, 1)).await;
    assert!(is_refused(&answer), "nothing is left: {answer:?}");
    assert_eq!(refunded_cents(&database).await, 1_250);
}

#[tokio::test]
async fn only_a_captured_charge_can_be_refunded() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::with(&database, Duration::from_millis(200), None).await;
    let unknown = charge_to(test_cards::CAPTURED);
    let answer = provider.gateway.refund(&refund_of(&unknown, 1)).await;
    assert!(is_refused(&answer), "{answer:?}");
    let declined = charge_to(test_cards::DECLINED);
    provider.gateway.charge(&declined).await.expect("declined");
    let answer = provider.gateway.refund(&refund_of(&declined, 1)).await;
    assert!(is_refused(&answer), "{answer:?}");
    let slow = charge_to(test_cards::SLOW);
    let waiting = provider.spawn_charge(slow.clone());
    provider
        .wait_for_state(slow.reference, ChargeState::Processing)
        .await;
    let answer = provider.gateway.refund(&refund_of(&slow, 1)).await;
    assert!(is_refused(&answer), "{answer:?}");
    let voided = provider.gateway.void(slow.reference).await.state();
    assert_eq!(voided, Ok(ChargeState::Voided));
    let answer = provider.gateway.refund(&refund_of(&slow, 1)).await;
    assert!(is_refused(&answer), "{answer:?}");
    waiting.abort();
}

#[tokio::test]
async fn concurrent_refunds_never_exceed_the_captured_amount() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let answers = join_all((0..20).map(|_| {
        let refund = refund_of(&charge, 125);
        let gateway = &provider.gateway;
        async move { gateway.refund(&refund).await }
    }))
    .await;
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.iter().filter(|answer| is_refused(answer)).count();
    assert_eq!((made, refused), (10, 10), "{answers:?}");
    assert_eq!(refunded_cents(&database).await, 1_250);
}

#[tokio::test]
async fn twenty_concurrent_requests_for_one_refund_pay_once() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let refund = refund_of(&charge, 100);
    let answers = join_all((0..20).map(|_| provider.gateway.refund(&refund))).await;
    for answer in answers {
        assert_eq!(answer, Ok(RefundState::Succeeded));
    }
    assert_eq!(refunded_cents(&database).await, 100);
}

#[tokio::test]
async fn a_refund_whose_response_is_lost_is_paid() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::REFUND_ANSWER_LOST);
    let charged = provider.gateway.charge(&charge).await.state();
    assert_eq!(charged, Ok(ChargeState::Captured));
    let refund = refund_of(&charge, 1_250);
    let answer = provider.gateway.refund(&refund).await;
    assert!(is_unknown(&answer), "{answer:?}");
    let again = provider.gateway.refund(&refund).await;
    assert_eq!(again, Ok(RefundState::Succeeded));
    assert_eq!(refunded_cents(&database).await, 1_250);
}

#[tokio::test]
async fn a_refund_reference_cannot_be_reused_for_another_charge() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charges = [test_cards::CAPTURED; 2].map(charge_to);
    let reference = Uuid::new_v4();
    let mut answers = Vec::new();
    for charge in &charges {
        provider.gateway.charge(charge).await.expect("charged");
        let mut refund = refund_of(charge, 100);
        refund.reference = reference;
        answers.push(provider.gateway.refund(&refund).await);
    }
    assert_eq!(answers[0], Ok(RefundState::Succeeded));
    assert!(is_refused(&answers[1]), "{answers:?}");
}
