//! The provider charges another amount than is due, or in another currency: nothing is sold, and
//! what was charged is refunded.

use doorbuster::{
    model::{CancelReason, OrderStatus, OrderView, PaymentState, RefundReason},
    payment::gateway::{
        ChargeReport, ChargeState, GatewayError, ProviderEvent, RefundState, ReportedAmount,
    },
    shop::{Shop, refunds::OrderAction},
};
use uuid::Uuid;

use crate::support::{
    ScriptedProvider, TestProduct, TestShop, administrator, check_audit_clean,
    scripted_provider::declined,
    shop::{Counters, PendingPayment},
};

/// What one unit at €10.00 costs with shipping.
const DUE: i64 = 1_490;

fn charged(cents: i64, currency: &str) -> ChargeReport {
    ChargeReport {
        state: ChargeState::Captured,
        captured: Some(ReportedAmount::new(cents, currency)),
    }
}

/// Orders one of five units, and leaves the charge unanswered. Returns the shop on its provider as
/// well.
async fn waiting(
    shop: &TestShop,
    scripted: &ScriptedProvider,
) -> (Shop, TestProduct, PendingPayment) {
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let (here, request) = (
        shop.paid_through(scripted),
        shop.checkout(cart, "ann@example.com"),
    );
    let pressed = shop.start_payment(here.clone(), scripted, request).await;
    (here, product, pressed)
}

async fn settle(shop: &Shop, charge: Uuid, report: impl Into<ChargeReport>) {
    let settled = shop.payments().settle(charge, report).await;
    settled.expect("it is settled");
}

async fn order(shop: &Shop, id: &str) -> OrderView {
    shop.orders().find(id).await.expect("the order exists")
}

/// Checks that the order is cancelled, that all five units are available, and that these amounts in
/// cents are refunded.
async fn check_refunded(shop: &TestShop, product: &TestProduct, order_id: &str, refunds: &[i64]) {
    let order = order(shop, order_id).await;
    assert_eq!(order.status, OrderStatus::Cancelled);
    assert_eq!(order.cancel_reason, Some(CancelReason::WrongAmount));
    let planned: Vec<_> = order
        .refunds
        .iter()
        .map(|refund| (refund.amount.cents, refund.reason))
        .collect();
    let expected: Vec<_> = refunds
        .iter()
        .map(|cents| (*cents, RefundReason::WrongAmount))
        .collect();
    assert_eq!(planned, expected);
    let all_available = Counters {
        total: 5,
        available: 5,
        reserved: 0,
        sold: 0,
    };
    assert_eq!(shop.level(product).await, all_available);
    check_audit_clean(shop).await;
}

#[tokio::test]
async fn a_response_about_another_amount_sells_nothing() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (_, product, pressed) = waiting(&shop, &scripted).await;
    scripted.report(pressed.charge, Ok(charged(DUE - 1, "EUR")));
    let id = pressed.order_id.clone();
    let answer = pressed.answer().await.expect("the request ends");
    assert_eq!(answer.status, OrderStatus::Cancelled);
    check_refunded(&shop, &product, &id, &[DUE - 1]).await;
}

#[tokio::test]
async fn a_query_about_another_currency_sells_nothing() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (here, product, pressed) = waiting(&shop, &scripted).await;
    scripted.set_report(pressed.charge, charged(DUE, "USD"));
    shop.make_status_queries_due().await;
    here.payments()
        .resolve_unknown_outcomes()
        .await
        .expect("the provider is queried");
    check_refunded(&shop, &product, &pressed.order_id, &[DUE]).await;
    let view = order(&shop, &pressed.order_id).await;
    assert_eq!(view.refunds[0].amount.to_string(), "$14.90");
    let payment = view.payment.expect("it was charged");
    assert_eq!(payment.wrong_amount.as_deref(), Some("14.90 USD"));
}

#[tokio::test]
async fn a_later_report_of_more_refunds_the_rest() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (here, product, pressed) = waiting(&shop, &scripted).await;
    settle(&here, pressed.charge, charged(1, "EUR")).await;
    // The right amount, twice; then reports that contradict it.
    for report in [
        charged(DUE, "EUR"),
        charged(DUE, "EUR"),
        charged(2, "EUR"),
        charged(DUE * 2, "USD"),
        ChargeState::Voided.into(),
    ] {
        settle(&here, pressed.charge, report).await;
    }
    check_refunded(&shop, &product, &pressed.order_id, &[1, DUE - 1]).await;
}

#[tokio::test]
async fn a_wrong_amount_after_a_decline_is_refunded() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (here, _, pressed) = waiting(&shop, &scripted).await;
    settle(&here, pressed.charge, declined()).await;
    settle(&here, pressed.charge, charged(5, "EUR")).await;
    let order = order(&shop, &pressed.order_id).await;
    assert_eq!(order.status, OrderStatus::Declined);
    assert_eq!(order.refunded_cents(), 5);
    check_audit_clean(&shop).await;
}

/// The order is sold and paid. Which report is right is a question for a person.
#[tokio::test]
async fn a_wrong_amount_after_the_right_one_only_alerts() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (here, _, pressed) = waiting(&shop, &scripted).await;
    settle(&here, pressed.charge, charged(DUE, "EUR")).await;
    settle(&here, pressed.charge, charged(DUE + 1, "EUR")).await;
    let order = order(&shop, &pressed.order_id).await;
    assert_eq!(order.status, OrderStatus::Paid);
    assert_eq!(order.refunded_cents(), 0);
    let payment = order.payment.expect("it was charged");
    assert_eq!(payment.state, PaymentState::Captured);
    assert_eq!(payment.wrong_amount.as_deref(), Some("14.91 EUR"));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_refund_of_another_amount_stays_open() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (here, _, pressed) = waiting(&shop, &scripted).await;
    settle(&here, pressed.charge, charged(DUE, "EUR")).await;
    scripted.answer_refunds(Err(GatewayError::Unknown("lost".to_owned())));
    here.order_administration(&administrator())
        .apply(&pressed.order_id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    let refund: Uuid = shop.by_hand.value("SELECT reference FROM refund").await;
    for (event_id, cents, is_done) in [("evt_1", DUE - 1, false), ("evt_2", DUE, true)] {
        let event = ProviderEvent {
            event_id: event_id.to_owned(),
            kind: "refund.succeeded".to_owned(),
            charge: pressed.charge,
            charge_state: ChargeState::Captured,
            captured: Some(ReportedAmount::new(DUE, "EUR")),
            refund: Some((refund, RefundState::Succeeded)),
            refund_cents: Some(cents),
        };
        let processed = here.payments().process_webhook_event(event).await;
        processed.expect("it is processed");
        let order = order(&shop, &pressed.order_id).await;
        assert_eq!(order.refunds[0].done, is_done, "{cents}");
    }
}
