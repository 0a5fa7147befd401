//! What the provider tells of its own accord.

use std::{collections::HashSet, time::Duration};

use doorbuster::payment::{
    gateway::{ChargeState, PaymentGateway, RefundState},
    provider::test_cards,
};
use futures::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::json;

use super::support::{Ear, LATENCY, SECRET, TestProvider, charge_to, refund_of, refunds_in, until};
use crate::support::TestDatabase;

const CAPTURE: [&str; 3] = ["charge.created", "charge.authorized", "charge.captured"];

#[tokio::test]
async fn each_event_is_told_once_with_the_state_of_its_moment() {
    let database = TestDatabase::empty().await;
    let ear = Ear::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&ear)).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let heard = ear.until_heard(3).await;
    assert_eq!(ear.kinds(), CAPTURE);
    let states: Vec<_> = heard.iter().map(|event| &event.charge_state).collect();
    let processing = &ChargeState::Processing;
    assert_eq!(states, [processing, processing, &ChargeState::Captured]);
    let refund = refund_of(&charge, 100);
    provider.gateway.refund(&refund).await.expect("refunded");
    let heard = ear.until_heard(5).await;
    assert_eq!(
        refunds_in(&heard),
        [
            (refund.reference, RefundState::Processing),
            (refund.reference, RefundState::Succeeded)
        ]
    );
    assert!(heard.iter().all(|event| event.charge == charge.reference));
    until_all_are_told(&database).await;
    assert_eq!(ear.heard().len(), 5);
}

#[tokio::test]
async fn a_decline_and_a_void_are_told() {
    let database = TestDatabase::empty().await;
    let ear = Ear::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&ear)).await;
    let charge = charge_to(test_cards::DECLINED);
    provider.gateway.charge(&charge).await.expect("declined");
    ear.until_heard(2).await;
    let never_sent = charge_to(test_cards::CAPTURED);
    provider
        .gateway
        .void(never_sent.reference)
        .await
        .expect("voided");
    let heard = ear.until_heard(3).await;
    assert_eq!(
        ear.kinds(),
        ["charge.created", "charge.declined", "charge.voided"]
    );
    let reason = "The card was declined.".to_owned();
    assert_eq!(heard[1].charge_state, ChargeState::Declined { reason });
    assert_eq!(heard[2].charge_state, ChargeState::Voided);
    assert_eq!(heard[2].charge, never_sent.reference);
}

#[tokio::test]
async fn webhooks_of_a_lost_answer_come_late_or_never() {
    let database = TestDatabase::empty().await;
    let ear = Ear::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&ear)).await;
    let silent = charge_to(test_cards::ANSWER_LOST_WITHOUT_WEBHOOK);
    let late = charge_to(test_cards::ANSWER_LOST);
    let refunded = charge_to(test_cards::REFUND_ANSWER_LOST);
    for charge in [&silent, &late, &refunded] {
        provider.gateway.charge(charge).await.ok();
    }
    let refund = refund_of(&refunded, 100);
    provider
        .gateway
        .refund(&refund)
        .await
        .expect_err("its answer is lost");
    let by_hand = database.by_hand().await;
    let early: i64 = by_hand
        .value(&format!(
            "SELECT count(*) FROM provider.event e JOIN provider.charge c ON c.reference = e.charge_reference \
             WHERE (c.reference = '{}' OR e.refund_reference IS NOT NULL) AND e.due_at < c.settle_at + interval '3 s'",
            late.reference
        ))
        .await;
    assert_eq!(early, 0);
    let heard = ear.until_heard(8).await;
    until_all_are_told(&database).await;
    assert_eq!(ear.heard().len(), 8);
    assert_eq!(refunds_in(&heard).len(), 2);
    assert!(heard.iter().all(|event| event.charge != silent.reference));
}

#[tokio::test]
async fn each_webhook_comes_twice_and_in_reverse_order() {
    let database = TestDatabase::empty().await;
    let ear = Ear::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&ear)).await;
    let charge = charge_to(test_cards::WEBHOOKS_TWICE_REVERSED);
    provider.gateway.charge(&charge).await.expect("charged");
    let heard = ear.until_heard(6).await;
    until_all_are_told(&database).await;
    assert_eq!(ear.heard().len(), 6);
    let first = |kind: &str| heard.iter().position(|event| event.kind == kind);
    assert!(first("charge.captured") < first("charge.authorized"));
    assert!(first("charge.authorized") < first("charge.created"));
    for kind in CAPTURE {
        let of_kind: Vec<_> = heard.iter().filter(|event| event.kind == kind).collect();
        assert_eq!(of_kind.len(), 2, "{kind}");
        assert_eq!(of_kind[0], of_kind[1], "the same event, with the same id");
    }
}

#[tokio::test]
async fn an_event_is_told_until_the_shop_takes_it_in() {
    let database = TestDatabase::empty().await;
    let ear = Ear::deaf_for(4).await;
    let provider = TestProvider::with(&database, LATENCY, Some(&ear)).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    ear.until_heard(3).await;
    until_all_are_told(&database).await;
    let kinds: HashSet<String> = ear.kinds().into_iter().collect();
    assert_eq!(kinds, CAPTURE.map(str::to_owned).into());
    assert_eq!(ear.heard().len(), 3);
}

#[tokio::test]
async fn of_two_providers_on_one_database_one_tells_each_event() {
    let database = TestDatabase::empty().await;
    let ear = Ear::open().await;
    let one = TestProvider::with(&database, LATENCY, Some(&ear)).await;
    let other = TestProvider::with(&database, LATENCY, Some(&ear)).await;
    let charges: Vec<_> = (0..20).map(|_| charge_to(test_cards::CAPTURED)).collect();
    join_all(charges.iter().enumerate().map(|(at, charge)| {
        let provider = if at % 2 == 0 { &one } else { &other };
        async move { provider.gateway.charge(charge).await.expect("charged") }
    }))
    .await;
    ear.until_heard(60).await;
    until_all_are_told(&database).await;
    let heard = ear.heard();
    let ids: HashSet<_> = heard.iter().map(|event| &event.event_id).collect();
    assert_eq!((heard.len(), ids.len()), (60, 60));
}

#[tokio::test]
async fn events_are_kept_until_somebody_says_where_they_go() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let ear = Ear::open().await;
    let tell = async |url: &str| {
        let sent = Client::new()
            .post(provider.url.join("/v1/webhook-url").expect("a URL"))
            .bearer_auth(SECRET)
            .json(&json!({ "url": url }))
            .send()
            .await;
        sent.expect("an answer").status()
    };
    for wrong in ["", "shop", "https://shop.test/webhook", "file:///tmp"] {
        assert_eq!(
            tell(wrong).await,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{wrong}"
        );
    }
    assert_eq!(ear.heard(), []);
    assert_eq!(tell(ear.url.as_str()).await, StatusCode::NO_CONTENT);
    ear.until_heard(3).await;
    assert_eq!(ear.kinds(), CAPTURE);
}

/// Far longer than it takes until an event is sent again that failed a moment ago, and far shorter than after its tenth failure.
const ANEW_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_was_sent_in_vain_is_sent_at_once_to_a_new_address() {
    let database = TestDatabase::empty().await;
    let nobody = Ear::deaf_for(u32::MAX).await;
    let provider = TestProvider::with(&database, LATENCY, Some(&nobody)).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let by_hand = database.by_hand().await;
    until("the first failure of each", async || {
        let tried: i64 = by_hand
            .value("SELECT count(*) FROM provider.event WHERE attempts > 0")
            .await;
        (tried == 3).then_some(())
    })
    .await;
    by_hand
        .run("UPDATE provider.event SET attempts = 10, due_at = now() + interval '1 hour'")
        .await;
    let ear = Ear::open().await;
    Client::new()
        .post(provider.url.join("/v1/webhook-url").expect("a URL"))
        .bearer_auth(SECRET)
        .json(&json!({ "url": ear.url.as_str() }))
        .send()
        .await
        .expect("an answer");
    crate::support::within(ANEW_MAX, "the webhooks", ear.until_heard(3)).await;
}

async fn until_all_are_told(database: &TestDatabase) {
    let by_hand = database.by_hand().await;
    until("no event that is owed", async || {
        let owed: i64 = by_hand
            .value("SELECT count(*) FROM provider.event WHERE delivered_at IS NULL")
            .await;
        (owed == 0).then_some(())
    })
    .await;
}
