//! The page of an order and its stream.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use doorbuster::{
    model::OrderStatus, payment::gateway::ChargeState, shop::refunds::OrderAction, web::server,
};
use futures::StreamExt;
use tower::ServiceExt;
use uuid::Uuid;

use super::support::{TestShop, Visitor, administrator, state};
use crate::support::{
    PATIENCE, ScriptedProvider,
    scripted_provider::declined,
    shop::{PendingPayment, units_of},
    within,
};

const ANN: &str = "ann@example.com";

/// Creates an order that waits for its payment.
async fn waiting(shop: &TestShop, scripted: &ScriptedProvider) -> PendingPayment {
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let request = shop.checkout(cart, ANN);
    shop.start_payment(shop.paid_through(scripted), scripted, request)
        .await
}

/// Escapes a text as in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[tokio::test]
async fn the_page_of_an_order_shows_its_status_and_is_not_indexed() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let here = shop.paid_through(&scripted);
    let product = shop.with_product(9).await;
    let pending = waiting(&shop, &scripted).await.order_id;
    let refused = waiting(&shop, &scripted).await;
    here.payments()
        .settle(refused.charge, declined())
        .await
        .expect("the response is processed");
    let paid = shop.paid(&[(&product, 1)], ANN).await;
    let cancelled = shop.paid(&[(&product, 1)], ANN).await;
    shop.order_administration(&administrator())
        .apply(&cancelled, OrderAction::Cancel, None)
        .await
        .expect("the order is cancelled");
    let express = shop
        .buy(&product)
        .await
        .expect("the purchase succeeds")
        .order_id;
    for (id, status) in [
        (pending, OrderStatus::Pending),
        (refused.order_id, OrderStatus::Declined),
        (paid, OrderStatus::Paid),
        (cancelled, OrderStatus::Cancelled),
        (express, OrderStatus::Placed),
    ] {
        let order = shop.orders().find(&id).await.expect("the order exists");
        assert_eq!(order.status, status);
        let answer = Visitor::of(&shop).page(&format!("/orders/{id}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{status:?}");
        assert_eq!(answer.header("x-robots-tag"), "noindex", "{status:?}");
        let page = answer.body;
        let standing = order.status_view();
        for said in [
            &standing.status,
            &standing.sentence,
            &standing.payment,
            &order.number,
        ] {
            assert!(page.contains(&escaped(said)), "{status:?}: {said}");
        }
        assert_eq!(
            page.contains("http-equiv=\"refresh\""),
            standing.is_open,
            "{status:?}: the page reloads itself only while the order may change"
        );
    }
}

#[tokio::test]
async fn an_unknown_order_is_not_found() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    for id in [Uuid::now_v7().to_string(), "1".to_owned()] {
        for path in [format!("/orders/{id}"), format!("/live/orders/{id}")] {
            let answer = visitor.page(&path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn the_stream_of_a_final_order_sends_its_status_and_ends() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let id = shop.paid(&[(&product, 1)], ANN).await;
    let mut visitor = Visitor::of(&shop);
    let path = format!("/live/orders/{id}");
    let answer = within(PATIENCE, "the stream's end", visitor.page(&path)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/event-stream")
    );
    let standing = shop
        .orders()
        .find(&id)
        .await
        .expect("the order exists")
        .status_view();
    let lines: Vec<_> = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(
        lines,
        [
            "closed",
            "ok",
            "Thank you, Ann Buyer",
            "Paid",
            &standing.sentence,
            &standing.payment
        ]
    );
}

#[tokio::test]
async fn the_stream_of_an_open_order_ends_when_it_is_paid() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let pressed = waiting(&shop, &scripted).await;
    let router = server::router(state(
        shop.handle(),
        shop.database.url(),
        "http://shop.test",
    ));
    let request = Request::get(format!("/live/orders/{}", pressed.order_id));
    let request = request.body(Body::empty()).expect("a request");
    let response = router
        .expect("the public URL is an origin")
        .oneshot(request)
        .await;
    let mut stream = response
        .expect("the router is infallible")
        .into_body()
        .into_data_stream();
    let mut next = async || {
        let chunk = within(PATIENCE, "news of the order", stream.next()).await;
        chunk.map(|chunk| {
            let chunk = chunk.expect("the stream is whole");
            String::from_utf8_lossy(&chunk).into_owned()
        })
    };
    let first = next().await.expect("the stream sends an event at once");
    assert!(first.contains("data: Confirming"), "{first}");
    scripted.answer(pressed.charge, Ok(ChargeState::Captured));
    pressed.answer().await.expect("the payment succeeds");
    let last = next().await.expect("the stream sends the payment");
    assert!(last.contains("data: Paid"), "{last}");
    assert_eq!(next().await, None, "the stream ends");
}

#[tokio::test]
async fn the_page_shows_what_the_refunds_add_up_to() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(9).price_cents(999).create().await;
    let id = shop.paid(&[(&product, 2)], ANN).await;
    let line_id = shop.line_id(&id, &product).await;
    // 1,998 and 490 for the delivery; the tax in it is 397.
    for (total, tax) in [("€12.44", "€1.99"), ("€24.88", "€3.97")] {
        let quantity = units_of(1);
        shop.order_administration(&administrator())
            .apply(&id, OrderAction::RefundLine { line_id, quantity }, None)
            .await
            .expect("the unit is refunded");
        let page = Visitor::of(&shop).page(&format!("/orders/{id}")).await.body;
        let (_, refunds) = page.split_once("Refunds</caption>").expect("the table");
        let (_, sums) = refunds.split_once("Refunded in total").expect("the sums");
        let cells: Vec<_> = sums
            .split("class=\"n\">")
            .skip(1)
            .filter_map(|cell| cell.split('<').next())
            .take(2)
            .collect();
        assert_eq!(cells, [total, tax]);
    }
}
