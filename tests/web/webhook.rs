//! `POST /api/payments/webhook`: signature checks, malformed events and responses.

use axum::http::{Request, StatusCode, header};
use doorbuster::{model::OrderStatus, payment::signature};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::support::{TestResponse, Visitor, state};
use crate::support::{ScriptedProvider, TestShop, provider::SECRET, shop::PendingPayment};

pub const WEBHOOK: &str = "/api/payments/webhook";

pub fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// Sends a webhook with this signature header, or without one.
pub async fn send(provider: &mut Visitor, body: &str, signed: Option<&str>) -> TestResponse {
    let mut request = Request::post(WEBHOOK).header(header::CONTENT_TYPE, "application/json");
    if let Some(signed) = signed {
        request = request.header(signature::HEADER, signed);
    }
    let request = request.body(body.to_owned().into()).expect("a request");
    provider.send(request).await
}

/// Sends a webhook with a valid signature.
pub async fn send_signed(provider: &mut Visitor, body: &str) -> TestResponse {
    let signed = signature::sign(SECRET, now(), body.as_bytes());
    send(provider, body, Some(&signed)).await
}

/// Returns the body of an event about a charge and, optionally, its refund.
pub fn event(id: &str, kind: &str, charge: Uuid, refund: Option<(Uuid, &str)>) -> Value {
    let state = match kind {
        "charge.created" | "charge.authorized" => "processing",
        "charge.declined" => "declined",
        _ => "captured",
    };
    json!({
        "id": id,
        "type": kind,
        "created": "2026-11-27T08:00:00Z",
        "charge": {
            "reference": charge,
            "state": state,
            "amountCents": 1_490,
            "currency": "EUR",
            "declineReason": (state == "declined").then_some("The card was declined."),
        },
        "refund": refund.map(|(reference, state)| json!({
            "reference": reference,
            "state": state,
            "amountCents": 1_490,
        })),
    })
}

/// Creates a shop with an order that waits for payment, and a client that acts as the provider.
pub async fn waiting() -> (TestShop, ScriptedProvider, PendingPayment, Visitor) {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let (here, request) = (
        shop.paid_through(&scripted),
        shop.checkout(cart, "ann@example.com"),
    );
    let pressed = shop.start_payment(here.clone(), &scripted, request).await;
    let provider = Visitor::at(state(here, shop.database.url(), "http://shop.test"));
    (shop, scripted, pressed, provider)
}

async fn status(shop: &TestShop, id: &str) -> OrderStatus {
    shop.orders()
        .find(id)
        .await
        .expect("the order exists")
        .status
}

#[tokio::test]
async fn a_webhook_without_a_valid_signature_is_rejected_and_changes_nothing() {
    let (shop, _till, pressed, mut provider) = waiting().await;
    let body = event("evt_1", "charge.captured", pressed.charge, None).to_string();
    let body_signed = |secret: &str, t: i64| signature::sign(secret, t, body.as_bytes());
    for (what, signed) in [
        ("absent", None),
        ("empty", Some(String::new())),
        ("nonsense", Some("v1=1234".to_owned())),
        ("with another secret", Some(body_signed("guessed", now()))),
        ("too old", Some(body_signed(SECRET, now() - 301))),
        ("from the future", Some(body_signed(SECRET, now() + 310))),
        (
            "of another body",
            Some(signature::sign(SECRET, now(), b"{}")),
        ),
    ] {
        let answer = send(&mut provider, &body, signed.as_deref()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(
            answer.detail(),
            "The signature of this message is invalid.",
            "{what}"
        );
    }
    assert_eq!(shop.count("payment_event").await, 0);
    assert_eq!(status(&shop, &pressed.order_id).await, OrderStatus::Pending);
}

#[tokio::test]
async fn a_signed_body_that_is_not_an_event_is_malformed() {
    let (shop, _till, pressed, mut provider) = waiting().await;
    let mut without_id = event("evt_1", "charge.captured", pressed.charge, None);
    without_id["id"] = Value::Null;
    let mut unknown_state = event("evt_1", "charge.captured", pressed.charge, None);
    unknown_state["charge"]["state"] = "stolen".into();
    for body in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        without_id.to_string(),
        unknown_state.to_string(),
        event(&"x".repeat(101), "charge.captured", pressed.charge, None).to_string(),
        event("evt_\0", "charge.captured", pressed.charge, None).to_string(),
        event("evt_1", &"x".repeat(41), pressed.charge, None).to_string(),
    ] {
        let answer = send_signed(&mut provider, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.detail().contains("malformed"), "{body}");
    }
    assert_eq!(shop.count("payment_event").await, 0);
}

#[tokio::test]
async fn a_repeated_event_is_accepted_and_takes_effect_once() {
    let (shop, _till, pressed, mut provider) = waiting().await;
    let body = event("evt_1", "charge.captured", pressed.charge, None).to_string();
    for _ in 0..2 {
        let answer = send_signed(&mut provider, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(shop.count("payment_event").await, 1);
    assert_eq!(status(&shop, &pressed.order_id).await, OrderStatus::Paid);
    let sold: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM stock_movement WHERE kind = 'sell'")
        .await;
    assert_eq!(sold, 1);
}

#[tokio::test]
async fn an_event_of_an_unknown_charge_is_accepted() {
    let (shop, _till, _pressed, mut provider) = waiting().await;
    let body = event("evt_1", "charge.captured", Uuid::new_v4(), None).to_string();
    assert_eq!(
        send_signed(&mut provider, &body).await.status,
        StatusCode::OK
    );
    assert_eq!(shop.count("payment_event").await, 1);
}

#[tokio::test]
async fn a_decline_by_webhook_restores_the_cart() {
    let (shop, _till, pressed, mut provider) = waiting().await;
    let body = event("evt_1", "charge.declined", pressed.charge, None).to_string();
    let answer = send_signed(&mut provider, &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        status(&shop, &pressed.order_id).await,
        OrderStatus::Declined
    );
    assert_eq!(shop.count("cart_item").await, 1);
}
