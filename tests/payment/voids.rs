//! Voids: of a charge that has not arrived, that is processing, and that is final.

use std::time::Duration;

use doorbuster::payment::{
    gateway::{ChargeState, PaymentGateway},
    provider::test_cards,
};
use futures::future::join_all;
use uuid::Uuid;

use super::support::{LATENCY, StateOf as _, TestProvider, charge_to, gateway, until};
use crate::support::{TestDatabase, database::ByHand, race::wait_until_blocked};

#[tokio::test]
async fn a_charge_voided_before_it_arrives_is_never_captured() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    for _ in 0..2 {
        let answer = provider.gateway.void(charge.reference).await.state();
        assert_eq!(answer, Ok(ChargeState::Voided));
    }
    let answer = provider.gateway.charge(&charge).await.state();
    assert_eq!(answer, Ok(ChargeState::Voided));
    let state = provider
        .gateway
        .charge_state(charge.reference)
        .await
        .state();
    assert_eq!(state, Ok(Some(ChargeState::Voided)));
    assert_eq!(
        final_events(&database, charge.reference).await,
        "charge.voided"
    );
}

#[tokio::test]
async fn a_processing_charge_can_be_voided() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::with(&database, Duration::from_secs(60), None).await;
    let charge = charge_to(test_cards::CAPTURED);
    let waiting = provider.spawn_charge(charge.clone());
    provider
        .wait_for_state(charge.reference, ChargeState::Processing)
        .await;
    let answer = provider.gateway.void(charge.reference).await.state();
    assert_eq!(answer, Ok(ChargeState::Voided));
    assert_eq!(waiting.await.expect("no panic"), Ok(ChargeState::Voided));
}

#[tokio::test]
async fn a_void_does_not_change_a_final_charge() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    for number in [test_cards::CAPTURED, test_cards::DECLINED] {
        let charge = charge_to(number);
        let charged = provider.gateway.charge(&charge).await.state();
        let voided = provider.gateway.void(charge.reference).await.state();
        assert!(charged.is_ok(), "{charged:?}");
        assert_eq!(voided, charged, "{number}");
    }
}

/// Long enough for the void to come first, and shorter than the statement timeout.
const LATENCY_OF_RACE: Duration = Duration::from_millis(1_000);

#[tokio::test]
async fn the_first_of_a_concurrent_void_and_capture_wins() {
    for void_first in [true, false] {
        let database = TestDatabase::empty().await;
        let provider = TestProvider::with(&database, LATENCY_OF_RACE, None).await;
        let charge = charge_to(test_cards::CAPTURED);
        let charged = provider.spawn_charge(charge.clone());
        let (holder, watcher) = (database.by_hand().await, database.by_hand().await);
        hold(&holder, charge.reference).await;
        if !void_first {
            wait_until_blocked(&watcher, 1).await;
        }
        let gateway = gateway(provider.url.clone());
        let voided = tokio::spawn(async move { gateway.void(charge.reference).await.state() });
        wait_until_blocked(&watcher, if void_first { 1 } else { 2 }).await;
        if void_first {
            wait_until_blocked(&watcher, 2).await;
        }
        holder.run("COMMIT").await;
        let (state, event) = match void_first {
            true => (ChargeState::Voided, "charge.voided"),
            false => (ChargeState::Captured, "charge.captured"),
        };
        assert_eq!(charged.await.expect("no panic"), Ok(state.clone()));
        assert_eq!(voided.await.expect("no panic"), Ok(state));
        assert_eq!(final_events(&database, charge.reference).await, event);
    }
}

#[tokio::test]
async fn a_void_and_a_capture_never_both_succeed() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let rounds = (0..40).map(|round| {
        let (provider, database) = (&provider, &database);
        async move {
            let charge = charge_to(test_cards::CAPTURED);
            let charged = provider.spawn_charge(charge.clone());
            tokio::time::sleep(LATENCY * round / 20).await;
            let voided = provider.gateway.void(charge.reference).await.state();
            assert_eq!(charged.await.expect("no panic"), voided, "round {round}");
            let expected = match voided.expect("an answer") {
                ChargeState::Voided => "charge.voided",
                _ => "charge.captured",
            };
            assert_eq!(final_events(database, charge.reference).await, expected);
        }
    });
    join_all(rounds).await;
}

/// Locks the charge's row as soon as it exists, until `COMMIT`.
async fn hold(by_hand: &ByHand, reference: Uuid) {
    let lock =
        format!("SELECT state FROM provider.charge WHERE reference = '{reference}' FOR UPDATE");
    until("the charge's row", async || {
        by_hand.try_run("BEGIN").await.ok()?;
        let row: Option<String> = by_hand.try_value(&lock).await;
        if row.is_none() {
            by_hand.run("ROLLBACK").await;
        }
        row
    })
    .await;
}

/// The final events of the charge.
async fn final_events(database: &TestDatabase, reference: Uuid) -> String {
    let by_hand = database.by_hand().await;
    by_hand
        .value(&format!(
            "SELECT coalesce(string_agg(kind, ' '), '') FROM provider.event WHERE charge_reference = '{reference}' \
             AND kind NOT IN ('charge.created', 'charge.authorized')"
        ))
        .await
}
