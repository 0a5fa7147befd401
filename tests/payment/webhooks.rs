//! The provider's webhooks.

use std::collections::HashSet;

use doorbuster::payment::{
    gateway::{ChargeState, PaymentGateway, RefundState},
    provider::test_cards,
};
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use super::support::{
    LATENCY, SECRET, TestProvider, WebhookReceiver, charge_to, refund_of, refunds_in, until,
};
use crate::support::{PATIENCE, TestDatabase, http_client, within};

const CAPTURE: [&str; 3] = ["charge.created", "charge.authorized", "charge.captured"];

#[tokio::test]
async fn each_event_is_sent_once_with_the_state_at_its_time() {
    let database = TestDatabase::empty().await;
    let receiver = WebhookReceiver::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&receiver)).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let received = receiver.wait_for(3).await;
    assert_eq!(receiver.kinds(), CAPTURE);
    let states: Vec<_> = received.iter().map(|event| &event.charge_state).collect();
    let processing = &ChargeState::Processing;
    assert_eq!(states, [processing, processing, &ChargeState::Captured]);
    let refund = refund_of(&charge, 100);
    provider.gateway.refund(&refund).await.expect("refunded");
    let received = receiver.wait_for(5).await;
    assert_eq!(
        refunds_in(&received),
        [
            (refund.reference, RefundState::Processing),
            (refund.reference, RefundState::Succeeded)
        ]
    );
    assert!(
        received
            .iter()
            .all(|event| event.charge == charge.reference)
    );
    wait_until_all_delivered(&database).await;
    assert_eq!(receiver.received().len(), 5);
}

#[tokio::test]
async fn a_decline_and_a_void_send_webhooks() {
    let database = TestDatabase::empty().await;
    let receiver = WebhookReceiver::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&receiver)).await;
    let charge = charge_to(test_cards::DECLINED);
    provider.gateway.charge(&charge).await.expect("declined");
    receiver.wait_for(2).await;
    let never_sent = charge_to(test_cards::CAPTURED);
    provider
        .gateway
        .void(never_sent.reference)
        .await
        .expect("voided");
    let received = receiver.wait_for(3).await;
    assert_eq!(
        receiver.kinds(),
        ["charge.created", "charge.declined", "charge.voided"]
    );
    let reason = "The card was declined.".to_owned();
    assert_eq!(received[1].charge_state, ChargeState::Declined { reason });
    assert_eq!(received[2].charge_state, ChargeState::Voided);
    assert_eq!(received[2].charge, never_sent.reference);
}

#[tokio::test]
async fn webhooks_of_a_lost_response_are_late_or_missing() {
    let database = TestDatabase::empty().await;
    let receiver = WebhookReceiver::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&receiver)).await;
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
    let received = receiver.wait_for(8).await;
    wait_until_all_delivered(&database).await;
    assert_eq!(receiver.received().len(), 8);
    assert_eq!(refunds_in(&received).len(), 2);
    assert!(
        received
            .iter()
            .all(|event| event.charge != silent.reference)
    );
}

#[tokio::test]
async fn webhooks_can_arrive_twice_and_in_reverse_order() {
    let database = TestDatabase::empty().await;
    let receiver = WebhookReceiver::open().await;
    let provider = TestProvider::with(&database, LATENCY, Some(&receiver)).await;
    let charge = charge_to(test_cards::WEBHOOKS_TWICE_REVERSED);
    provider.gateway.charge(&charge).await.expect("charged");
    let received = receiver.wait_for(6).await;
    wait_until_all_delivered(&database).await;
    assert_eq!(receiver.received().len(), 6);
    let first = |kind: &str| received.iter().position(|event| event.kind == kind);
    assert!(first("charge.captured") < first("charge.authorized"));
    assert!(first("charge.authorized") < first("charge.created"));
    for kind in CAPTURE {
        let of_kind: Vec<_> = received.iter().filter(|event| event.kind == kind).collect();
        assert_eq!(of_kind.len(), 2, "{kind}");
        assert_eq!(of_kind[0], of_kind[1], "the same event, with the same id");
    }
}

#[tokio::test]
async fn a_webhook_is_retried_until_the_shop_acknowledges_it() {
    let database = TestDatabase::empty().await;
    let receiver = WebhookReceiver::rejecting(4).await;
    let provider = TestProvider::with(&database, LATENCY, Some(&receiver)).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    receiver.wait_for(3).await;
    wait_until_all_delivered(&database).await;
    let kinds: HashSet<String> = receiver.kinds().into_iter().collect();
    assert_eq!(kinds, CAPTURE.map(str::to_owned).into());
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn two_providers_on_one_database_send_each_event_once() {
    let database = TestDatabase::empty().await;
    let receiver = WebhookReceiver::open().await;
    let one = TestProvider::with(&database, LATENCY, Some(&receiver)).await;
    let other = TestProvider::with(&database, LATENCY, Some(&receiver)).await;
    let charges: Vec<_> = (0..20).map(|_| charge_to(test_cards::CAPTURED)).collect();
    join_all(charges.iter().enumerate().map(|(at, charge)| {
        let provider = if at % 2 == 0 { &one } else { &other };
        async move { provider.gateway.charge(charge).await.expect("charged") }
    }))
    .await;
    receiver.wait_for(60).await;
    wait_until_all_delivered(&database).await;
    let received = receiver.received();
    let ids: HashSet<_> = received.iter().map(|event| &event.event_id).collect();
    assert_eq!((received.len(), ids.len()), (60, 60));
}

#[tokio::test]
async fn events_are_stored_until_a_webhook_url_is_set() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let charge = charge_to(test_cards::CAPTURED);
    provider.gateway.charge(&charge).await.expect("charged");
    let receiver = WebhookReceiver::open().await;
    let set_webhook_url = async |url: &str| {
        let sent = http_client()
            .post(provider.url.join("/v1/webhook-url").expect("a URL"))
            .bearer_auth(SECRET)
            .json(&json!({ "url": url }))
            .send()
            .await;
        sent.expect("an answer").status()
    };
    for wrong in ["", "shop", "https://shop.test/webhook", "file:///tmp"] {
        assert_eq!(
            set_webhook_url(wrong).await,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{wrong}"
        );
    }
    assert_eq!(receiver.received(), []);
    assert_eq!(
        set_webhook_url(receiver.url.as_str()).await,
        StatusCode::NO_CONTENT
    );
    receiver.wait_for(3).await;
    assert_eq!(receiver.kinds(), CAPTURE);
}

#[tokio::test]
async fn failed_webhooks_are_sent_immediately_to_a_new_url() {
    let database = TestDatabase::empty().await;
    let rejecting = WebhookReceiver::rejecting(u32::MAX).await;
    let provider = TestProvider::with(&database, LATENCY, Some(&rejecting)).await;
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
    let receiver = WebhookReceiver::open().await;
    http_client()
        .post(provider.url.join("/v1/webhook-url").expect("a URL"))
        .bearer_auth(SECRET)
        .json(&json!({ "url": receiver.url.as_str() }))
        .send()
        .await
        .expect("an answer");
    // The next attempt would be due in an hour.
    within(PATIENCE, "the webhooks", receiver.wait_for(3)).await;
}

async fn wait_until_all_delivered(database: &TestDatabase) {
    let by_hand = database.by_hand().await;
    until("the delivery of all events", async || {
        let owed: i64 = by_hand
            .value("SELECT count(*) FROM provider.event WHERE delivered_at IS NULL")
            .await;
        (owed == 0).then_some(())
    })
    .await;
}
