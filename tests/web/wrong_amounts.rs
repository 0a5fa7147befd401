//! Rightly signed webhooks about another amount or currency than is due: a signature proves who
//! sent a message, not that it is right.

use axum::http::StatusCode;
use doorbuster::model::{CancelReason, OrderStatus};

use super::webhook::{event, send_signed, waiting};
use crate::support::check_audit_clean;

#[tokio::test]
async fn an_event_about_another_amount_or_currency_sells_nothing_and_alerts() {
    for (cents, currency, refunded) in [
        (1, "EUR", 1),
        (-5, "EUR", 0),
        (0, "EUR", 0),
        (1_491, "EUR", 1_491),
        (1_490, "USD", 1_490),
        (1_490, "eur", 1_490),
        (1_490, "gold\0", 1_490),
    ] {
        let what = format!("{cents} {currency}");
        let (shop, scripted, pressed, mut provider) = waiting().await;
        let mut body = event("evt_1", "charge.captured", pressed.charge, None);
        body["charge"]["amountCents"] = cents.into();
        body["charge"]["currency"] = currency.into();
        // A repeated event changes nothing.
        for _ in 0..2 {
            let answer = send_signed(&mut provider, &body.to_string()).await;
            assert_eq!(answer.status, StatusCode::OK, "{what}: {answer:?}");
        }
        let order = shop.orders().find(&pressed.order_id).await;
        let order = order.expect("the order exists");
        assert_eq!(order.status, OrderStatus::Cancelled, "{what}");
        assert_eq!(order.cancel_reason, Some(CancelReason::WrongAmount));
        assert_eq!(order.refunded_cents(), refunded, "{what}");
        let requested: i64 = scripted
            .refunded()
            .iter()
            .map(|refund| refund.amount.cents)
            .sum();
        assert_eq!(requested, refunded, "{what}");
        assert_eq!(
            shop.count("stock_movement WHERE kind = 'sell'").await,
            0,
            "{what}"
        );
        provider.sign_in(&shop).await;
        let page = format!("/admin/orders/{}", pressed.order_id);
        let page = provider.page(&page).await.body;
        assert!(
            page.contains("The payment provider reported another amount than is due."),
            "{what}: {page}"
        );
        assert!(page.contains("Due: €14.90."), "{what}: {page}");
        check_audit_clean(&shop).await;
    }
}

#[tokio::test]
async fn an_event_about_the_right_amount_raises_no_alert() {
    let (shop, _scripted, pressed, mut provider) = waiting().await;
    let body = event("evt_1", "charge.captured", pressed.charge, None).to_string();
    let answer = send_signed(&mut provider, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    provider.sign_in(&shop).await;
    let page = format!("/admin/orders/{}", pressed.order_id);
    let page = provider.page(&page).await.body;
    assert!(page.contains("€14.90 paid by card."), "{page}");
    assert!(!page.contains("another amount"), "{page}");
}
