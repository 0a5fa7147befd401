//! Reserve → pay → confirm or compensate, for every response of the provider and at every time.

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::{CancelReason, OrderStatus, OrderView, PaymentState, RefundReason, ShopError},
    payment::{
        gateway::{ChargeState, GatewayAddress, GatewayError, HttpGateway, RefundState},
        provider::test_cards,
    },
    shop::{
        Shop, checkout, discounts::NewCode, idempotency::Key, payments::PaymentResponse,
        refunds::OrderAction,
    },
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{
    PATIENCE, PlacesOrders, ScriptedProvider, StockLock, TestProduct, TestShop, administrator,
    check_audit_clean,
    port::ReservedPort,
    provider::SECRET,
    scripted_provider::{declined, lost},
    sessions::{self, Session},
    shop::{Counters, card, claim, contact, draft},
    within,
};

const ANN: &str = "ann@example.com";

fn counters(total: i64, available: i64, reserved: i64, sold: i64) -> Counters {
    Counters {
        total,
        available,
        reserved,
        sold,
    }
}

async fn order(shop: &Shop, id: &str) -> OrderView {
    shop.orders().find(id).await.expect("the order exists")
}

/// Starts a payment for `units` of a product, lets its hold expire and be swept, and sells `others`
/// units to another buyer.
async fn start_late_payment(
    shop: &TestShop,
    here: Shop,
    scripted: &ScriptedProvider,
    product: &TestProduct,
    (units, others): (u32, u32),
) -> crate::support::shop::PendingPayment {
    let cart = shop.cart_of(&[(product, units)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop.start_payment(here, scripted, request).await;
    shop.expire_holds().await;
    shop.reservations()
        .sweep_expired()
        .await
        .expect("it is swept");
    if others > 0 {
        let bought = shop.buy(product).quantity(others).await;
        bought.expect("the units are available again");
    }
    started
}

fn backorder() -> ShopTerms {
    ShopTerms {
        paid_without_stock: PaidWithoutStock::Backorder,
        ..ShopTerms::default()
    }
}

/// Polls until `sql` counts at least one row.
async fn wait_until_counted(shop: &TestShop, sql: &str) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while shop.by_hand.try_value::<i64>(sql).await.unwrap_or(0) == 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "{sql}: no row before the deadline"
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_paid_order_is_sold_from_its_hold() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let id = shop.paid(&[(&product, 2)], ANN).await;
    let order = order(&shop, &id).await;
    assert_eq!(order.status, OrderStatus::Paid);
    assert_eq!(shop.level(&product).await, counters(5, 3, 0, 2));
    assert_eq!(shop.ledger_of(&product).await, "hold 2 #, sell 2 @#");
    let payment = order.payment.expect("it was paid by card");
    assert_eq!(payment.captured, order.bill.total);
}

/// The hold is expired but not swept, so its units are not available to other buyers and can be
/// sold.
#[tokio::test]
async fn a_hold_that_expired_unswept_during_the_charge_is_still_sold() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(2).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    shop.expire_holds().await;
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    let answer = started.answer().await.expect("it is paid");
    assert_eq!(answer.status, OrderStatus::Paid);
    assert_eq!(shop.ledger_of(&product).await, "hold 2 #, sell 2 @#");
}

#[tokio::test]
async fn no_row_is_locked_and_nothing_sold_during_the_charge() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
    // No transaction is open across the call.
    sessions::wait_until_no_transaction_is_idle(&shop.by_hand).await;
    let status = order(&shop, &started.order_id).await.status_view();
    assert!(status.is_open && status.status == "Confirming");
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    started.answer().await.expect("it is paid");
}

#[tokio::test]
async fn a_late_payment_without_a_hold_sells_available_stock() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let here = shop.paid_through(&scripted);
    let started = start_late_payment(&shop, here, &scripted, &product, (2, 3)).await;
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    let answer = started.answer().await.expect("it is paid");
    assert_eq!(answer.status, OrderStatus::Paid);
    assert_eq!(shop.level(&product).await, counters(5, 0, 0, 5));
    assert_eq!(
        shop.ledger_of(&product).await,
        "hold 2 #, release 2 @#, sell 3 @, sell 2 @"
    );
}

#[tokio::test]
async fn a_late_payment_without_stock_is_cancelled_and_refunded() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(2).await;
    let here = shop.paid_through(&scripted);
    let started = start_late_payment(&shop, here, &scripted, &product, (2, 1)).await;
    let charge = started.charge;
    scripted.answer(charge, Ok(ChargeState::Captured));

    let answer = started.answer().await.expect("the request ends");

    assert_eq!(answer.status, OrderStatus::Cancelled);
    wait_until_counted(
        &shop,
        "SELECT count(*) FROM refund WHERE state = 'succeeded'",
    )
    .await;
    let order = order(&shop, &answer.receipt.order_id).await;
    assert_eq!(order.cancel_reason, Some(CancelReason::NoStock));
    let [refund] = &order.refunds[..] else {
        panic!("expected one refund: {:?}", order.refunds)
    };
    assert_eq!(
        (refund.amount, refund.reason, refund.done),
        (order.bill.total, RefundReason::NoStock, true)
    );
    let requests = scripted.refunded();
    assert_eq!(
        requests
            .iter()
            .map(|refund| (refund.charge, refund.amount))
            .collect::<Vec<_>>(),
        [(charge, order.bill.total)]
    );
    let status = order.status_view();
    assert!(!status.is_open);
    assert!(status.sentence.contains("your payment is refunded"));
    assert!(status.payment.contains("was refunded"), "{status:?}");
    assert_eq!(shop.level(&product).await, counters(2, 1, 0, 1));
}

/// An order is never fulfilled in part: its remaining holds are released too.
#[tokio::test]
async fn an_order_with_one_sold_out_line_sells_none_of_its_lines() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (gone, there) = (shop.with_product(1).await, shop.with_product(4).await);
    let cart = shop.cart_of(&[(&gone, 1), (&there, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    let one_expires = format!(
        "UPDATE hold SET expires_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE product_id = {}",
        gone.id
    );
    shop.by_hand.run(&one_expires).await;
    shop.reservations()
        .sweep_expired()
        .await
        .expect("it is swept");
    shop.buy(&gone)
        .await
        .expect("the units are available again");
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    let answer = started.answer().await.expect("the request ends");
    assert_eq!(answer.status, OrderStatus::Cancelled);
    assert_eq!(shop.level(&there).await, counters(4, 4, 0, 0));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_late_payment_without_stock_is_backordered_if_the_shop_is_configured_so() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(2).await;
    let here = shop.paid_through(&scripted).with_terms(backorder());
    let started = start_late_payment(&shop, here, &scripted, &product, (2, 2)).await;
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    let answer = started.answer().await.expect("the request ends");
    assert_eq!(answer.status, OrderStatus::Backordered);
    let order = order(&shop, &answer.receipt.order_id).await;
    assert!(order.refunds.is_empty());
    let status = order.status_view();
    assert!(
        status.is_open
            && status
                .sentence
                .contains("New stock goes to your order first")
    );
    let refused = shop
        .order_administration(&administrator())
        .apply(&answer.receipt.order_id, OrderAction::RefundAll, None)
        .await;
    assert!(
        matches!(refused, Err(ShopError::InvalidState(_))),
        "it would still be fulfilled after a refund: {refused:?}"
    );
    assert!(scripted.refunded().is_empty());
}

#[tokio::test]
async fn a_declined_card_restores_cart_form_and_reservation() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.discount_administration(&administrator())
        .create(ten_percent(), None)
        .await
        .expect("it is created");
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
    let before = shop.cart_without_time(cart).await;
    let mut request = shop.checkout(cart, ANN);
    request.code = Some("TEN".to_owned());

    let refused = shop
        .payments()
        .pay(request, card(test_cards::DECLINED))
        .await
        .result;

    let refused = refused
        .map_err(ShopError::from)
        .expect_err("it is declined");
    assert_eq!(
        refused.to_string(),
        "The card was declined. Nothing was charged."
    );
    let after = shop.cart_without_time(cart).await;
    let ends = |view: &doorbuster::model::CartView| {
        view.reservation
            .as_ref()
            .map(|reservation| reservation.ends_at.clone())
    };
    assert_eq!((ends(&after), &after.lines), (ends(&before), &before.lines));
    let mut form = draft(contact(ANN));
    form.code = "TEN".to_owned();
    assert_eq!(shop.carts().draft(Some(cart)).await, Ok(form));
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
    let codes = shop.discounts().all().await.expect("they are read");
    assert_eq!(codes[0].uses, 0, "the code was not used");

    let mut request = shop.checkout(cart, ANN);
    request.code = Some("TEN".to_owned());
    let paid = shop.place_order(request).await.result;
    assert_eq!(paid.expect("with another card").status, OrderStatus::Paid);
    assert_eq!(
        shop.ledger_of(&product).await,
        "hold 2 #, sell 2 @#",
        "from the same hold"
    );
}

fn ten_percent() -> NewCode {
    NewCode {
        code: "TEN".to_owned(),
        value: doorbuster::model::DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 10,
        per_customer_limit: Some(1),
    }
}

/// The card is declined after the hold was swept: the cart is restored without a reservation.
#[tokio::test]
async fn a_late_decline_restores_the_cart_without_its_expired_reservation() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(2).await;
    let here = shop.paid_through(&scripted);
    let started = start_late_payment(&shop, here, &scripted, &product, (2, 0)).await;
    scripted.answer(started.charge, Ok(declined()));
    let refused = started.answer().await;
    assert!(matches!(refused, Err(ShopError::CardDeclined { .. })));
    let cart: Uuid = shop.by_hand.value("SELECT id FROM cart").await;
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    assert_eq!((view.lines.len(), view.reservation), (1, None));
    assert_eq!(shop.level(&product).await, counters(2, 2, 0, 0));
}

#[tokio::test]
async fn a_late_decline_does_not_change_a_cart_that_was_refilled() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let (kettle, lamp) = (shop.with_product(5).await, shop.with_product(5).await);
    let cart = shop.cart_of(&[(&kettle, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    let added = shop
        .carts()
        .add(Some(cart), lamp.id, crate::support::shop::units_of(1), None);
    added.await.expect("the cart is empty and can be filled");
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");

    scripted.answer(started.charge, Ok(declined()));

    let refused = started.answer().await;
    assert!(matches!(refused, Err(ShopError::CardDeclined { .. })));
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    let lines: Vec<_> = view
        .lines
        .iter()
        .map(|line| (line.product.id, line.held))
        .collect();
    assert_eq!(lines, [(lamp.id, 1)]);
    assert_eq!(shop.level(&kettle).await, counters(5, 5, 0, 0));
    assert_eq!(shop.level(&lamp).await, counters(5, 4, 1, 0));
}

/// Starts a payment at the test provider, and returns without waiting for its result.
fn pay_apart(
    shop: &TestShop,
    cart: Uuid,
    number: &str,
) -> JoinHandle<Result<PaymentResponse, ShopError>> {
    let (shop, request, card) = (shop.handle(), shop.checkout(cart, ANN), card(number));
    tokio::spawn(async move {
        let outcome = shop.payments().pay(request, card).await;
        outcome.result.map_err(ShopError::from)
    })
}

#[tokio::test]
async fn a_charge_whose_response_was_lost_is_resolved_by_a_query() {
    let shop = TestShop::new().await;
    for number in [
        test_cards::ANSWER_LOST,
        test_cards::ANSWER_LOST_WITHOUT_WEBHOOK,
    ] {
        let product = shop.with_product(5).await;
        let cart = shop.cart_of(&[(&product, 2)]).await;
        let paying = pay_apart(&shop, cart, number);
        let captured = format!(
            "SELECT count(*) FROM provider.charge c JOIN payment p ON p.reference = c.reference \
             JOIN order_line l ON l.order_id = p.order_id WHERE c.state = 'captured' AND l.product_id = {}",
            product.id
        );
        wait_until_counted(&shop, &captured).await;
        assert_eq!(shop.level(&product).await.sold, 0, "{number}: unknown");
        shop.make_status_queries_due().await;

        shop.payments()
            .resolve_unknown_outcomes()
            .await
            .expect("the provider is queried");

        let answer = paying.await.expect("the task ends").expect("it is paid");
        assert_eq!(answer.status, OrderStatus::Paid, "{number}");
        assert_eq!(shop.ledger_of(&product).await, "hold 2 #, sell 2 @#");
    }
}

#[tokio::test]
async fn a_charge_whose_request_was_lost_is_voided_and_the_cart_restored() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let paying = pay_apart(&shop, cart, test_cards::REQUEST_LOST);
    wait_until_counted(&shop, "SELECT count(*) FROM payment").await;
    shop.make_status_queries_due().await;
    shop.payments()
        .resolve_unknown_outcomes()
        .await
        .expect("the provider is queried");
    let refused = paying.await.expect("the task ends");
    assert!(
        matches!(refused, Err(ShopError::ProviderUnavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    assert_eq!(view.lines[0].held, 2, "cart and reservation are restored");
}

#[tokio::test]
async fn a_slow_charge_is_reported_as_pending() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    let charge = started.charge;
    let answer = started.answer().await.expect("the request ends");
    assert_eq!(answer.status, OrderStatus::Pending);
    scripted.answer(charge, Ok(ChargeState::Captured));
    wait_until_counted(
        &shop,
        "SELECT count(*) FROM customer_order WHERE status = 'paid'",
    )
    .await;
}

#[tokio::test]
async fn a_charge_that_stays_in_processing_is_voided() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.paid_through(&scripted), shop.checkout(cart, ANN));
    let started = shop.start_payment(here.clone(), &scripted, request).await;
    scripted.set_state(started.charge, ChargeState::Processing);
    shop.make_status_queries_due().await;
    here.payments()
        .resolve_unknown_outcomes()
        .await
        .expect("the provider is queried");
    assert!(
        scripted.voided().is_empty(),
        "a recent charge may still complete"
    );
    let age = "UPDATE payment SET created_at = created_at - INTERVAL '41 seconds'";
    shop.by_hand.run(age).await;
    shop.make_status_queries_due().await;

    here.payments()
        .resolve_unknown_outcomes()
        .await
        .expect("the provider is queried");

    assert_eq!(scripted.voided(), [started.charge]);
    let refused = started.answer().await;
    assert!(matches!(
        refused,
        Err(ShopError::ProviderUnavailable { .. })
    ));
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
}

#[tokio::test]
async fn an_unknown_outcome_is_queried_only_at_intervals() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.paid_through(&scripted), shop.checkout(cart, ANN));
    let started = shop.start_payment(here.clone(), &scripted, request).await;
    // The provider does not know the charge: a query voids it.
    here.payments()
        .resolve_unknown_outcomes()
        .await
        .expect("nothing is due");
    assert!(
        scripted.voided().is_empty(),
        "the call itself is not over yet"
    );
    shop.make_status_queries_due().await;
    for _ in 0..2 {
        here.payments()
            .resolve_unknown_outcomes()
            .await
            .expect("the provider is queried");
    }
    assert_eq!(scripted.voided().len(), 1);
    drop(started);
}

#[tokio::test]
async fn an_unreachable_provider_leaves_no_pending_payment() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let unused_port = ReservedPort::reserve();
    let unused_address = format!("http://{}", unused_port.address());
    let unused_address = url::Url::parse(&unused_address).expect("a URL");
    let gateway = HttpGateway::new(GatewayAddress::new(unused_address), SECRET).expect("a client");
    let here = shop.handle().with_gateway(std::sync::Arc::new(gateway));
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let refused = here.place_order(shop.checkout(cart, ANN)).await.result;
    let refused = refused
        .map_err(ShopError::from)
        .expect_err("the provider is unreachable");
    assert_eq!(
        refused.to_string(),
        "The payment provider cannot be reached. Nothing was charged; try again in 5 s."
    );
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    assert_eq!(view.lines[0].held, 2, "cart and reservation are restored");
    let open: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM payment WHERE state = 'pending'")
        .await;
    assert_eq!(open, 0);
    let paid = shop.place_order(shop.checkout(cart, ANN)).await.result;
    assert!(paid.is_ok(), "once the provider is back: {paid:?}");
}

#[tokio::test]
async fn a_shop_without_a_provider_writes_no_order() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let here = Shop::new(shop.db().clone(), shop.feed().clone());
    let refused = here.place_order(shop.checkout(cart, ANN)).await.result;
    assert!(matches!(
        refused.map_err(ShopError::from),
        Err(ShopError::ProviderUnavailable { .. })
    ));
    assert_eq!(shop.count("customer_order").await, 0);
}

/// Starts to pay for a cart, and cancels the order while the provider has not answered.
async fn start_cancelled_payment(
    shop: &TestShop,
    scripted: &ScriptedProvider,
    cart: Uuid,
) -> crate::support::shop::PendingPayment {
    let (here, request) = (shop.paid_through(scripted), shop.checkout(cart, ANN));
    let started = shop.start_payment(here.clone(), scripted, request).await;
    here.order_administration(&administrator())
        .apply(&started.order_id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    started
}

#[tokio::test]
async fn a_capture_after_the_order_was_cancelled_is_refunded() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let started = start_cancelled_payment(&shop, &scripted, cart).await;
    assert_eq!(shop.level(&product).await, counters(5, 5, 0, 0));
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    let id = started.order_id.clone();
    let answer = started.answer().await.expect("the request ends");
    assert_eq!(answer.status, OrderStatus::Cancelled);
    wait_until_counted(
        &shop,
        "SELECT count(*) FROM refund WHERE state = 'succeeded'",
    )
    .await;
    let order = order(&shop, &id).await;
    assert_eq!(order.cancel_reason, Some(CancelReason::Shop));
    assert_eq!(order.refunds[0].amount, order.bill.total);
    assert_eq!(shop.ledger_of(&product).await, "hold 2 #, release 2 @#");
}

#[tokio::test]
async fn a_decline_after_the_order_was_cancelled_changes_no_order() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let started = start_cancelled_payment(&shop, &scripted, cart).await;
    shop.paid_through(&scripted)
        .payments()
        .settle(started.charge, declined())
        .await
        .expect("it is settled");
    let order = order(&shop, &started.order_id).await;
    assert_eq!(order.status, OrderStatus::Cancelled);
    let payment = order.payment.expect("it has one");
    assert_eq!(payment.state, PaymentState::Declined);
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    assert!(view.lines.is_empty());
}

/// The provider contradicts itself: the late capture is refunded.
#[tokio::test]
async fn a_capture_after_a_decline_is_refunded() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.paid_through(&scripted), shop.checkout(cart, ANN));
    let started = shop.start_payment(here.clone(), &scripted, request).await;
    for state in [declined(), ChargeState::Captured, ChargeState::Captured] {
        here.payments()
            .settle(started.charge, state)
            .await
            .expect("it is settled");
    }
    let order = order(&shop, &started.order_id).await;
    assert_eq!(order.status, OrderStatus::Declined);
    assert_eq!(order.refunds.len(), 1);
    assert_eq!(order.refunds[0].amount, order.bill.total);
    assert_eq!(scripted.refunded().len(), 1);
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
}

#[tokio::test]
async fn a_refund_whose_response_was_lost_is_retried_and_paid_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let outcome = shop
        .payments()
        .pay(
            shop.checkout(cart, ANN),
            card(test_cards::REFUND_ANSWER_LOST),
        )
        .await;
    let id = outcome.result.expect("it is paid").receipt.order_id;
    shop.order_administration(&administrator())
        .apply(&id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    // The task of the payment may still be looking for refunds to send. Then it sends this one a
    // second time, and the provider answers with the refund that it has.
    let before = order(&shop, &id).await;
    assert_eq!(before.refunds[0].done, !before.status_view().is_open);
    shop.make_status_queries_due().await;

    shop.payments()
        .resolve_unknown_outcomes()
        .await
        .expect("the provider is queried");

    let after = order(&shop, &id).await;
    assert!(after.refunds[0].done && !after.status_view().is_open);
    let succeeded: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM provider.refund WHERE state = 'succeeded'")
        .await;
    assert_eq!(succeeded, 1);
}

#[tokio::test]
async fn a_processing_refund_stays_open_until_it_succeeds() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.paid_through(&scripted), shop.checkout(cart, ANN));
    let started = shop.start_payment(here.clone(), &scripted, request).await;
    let id = started.order_id.clone();
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    started.answer().await.expect("it is paid");
    for answer in [
        Err(lost()),
        Err(GatewayError::NotSent("away".to_owned())),
        Ok(RefundState::Processing),
    ] {
        scripted.answer_refunds(answer);
        // The cancellation sends the first request, and later queries send the others.
        let _ = here
            .order_administration(&administrator())
            .apply(&id, OrderAction::Cancel, Some(claim("k", "cancel", &[])))
            .await;
        shop.make_status_queries_due().await;
        here.payments()
            .resolve_unknown_outcomes()
            .await
            .expect("the provider is queried");
        let order = order(&shop, &id).await;
        assert!(!order.refunds[0].done);
    }
    scripted.answer_refunds(Ok(RefundState::Succeeded));
    shop.make_status_queries_due().await;
    here.payments()
        .resolve_unknown_outcomes()
        .await
        .expect("the provider is queried");
    assert!(order(&shop, &id).await.refunds[0].done);
    let references: std::collections::BTreeSet<_> = scripted
        .refunded()
        .iter()
        .map(|refund| refund.reference)
        .collect();
    assert_eq!(references.len(), 1, "all requests are for one refund");
}

/// Two server processes settle the same payment at the same time.
#[tokio::test]
async fn an_outcome_reported_twice_at_once_is_settled_once() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(2).await;
    let here = shop.paid_through(&scripted);
    let started = start_late_payment(&shop, here.clone(), &scripted, &product, (2, 2)).await;
    let blocker = shop.database.by_hand().await;
    blocker
        .run("BEGIN; SELECT 1 FROM customer_order FOR UPDATE")
        .await;
    let settlements = (0..2).map(|_| {
        let (here, charge) = (here.clone(), started.charge);
        tokio::spawn(async move { here.payments().settle(charge, ChargeState::Captured).await })
    });
    let settlements: Vec<_> = settlements.collect();
    shop.until_blocked(2).await;
    blocker.run("COMMIT").await;
    for settlement in settlements {
        settlement
            .await
            .expect("the task ends")
            .expect("it is settled");
    }
    assert_eq!(shop.count("refund").await, 1);
    let order = order(&shop, &started.order_id).await;
    assert_eq!(order.status, OrderStatus::Cancelled);
}

#[tokio::test]
async fn an_unknown_charge_changes_nothing() {
    let shop = TestShop::new().await;
    shop.payments()
        .settle(Uuid::new_v4(), ChargeState::Captured)
        .await
        .expect("it is ignored");
    assert_eq!(shop.count("payment").await, 0);
}

/// A form resubmitted after a decline, for example after the browser's *Back*, has the same key.
/// Its attempt had no effect, so the next one is a new attempt: another card pays, and then the key
/// belongs to the paid order.
#[tokio::test]
async fn a_declined_attempt_frees_its_key_for_another_card() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let pay = async |number: &'static str| {
        let paid = shop.payments().pay(request.clone(), card(number)).await;
        paid.result.map_err(ShopError::from)
    };
    for _ in 0..2 {
        let refused = pay(test_cards::DECLINED).await;
        assert!(
            matches!(refused, Err(ShopError::CardDeclined { .. })),
            "{refused:?}"
        );
        assert_eq!(shop.count("idempotency_key").await, 0);
    }
    let paid = pay(test_cards::CAPTURED).await.expect("it is paid");
    assert_eq!(paid.status, OrderStatus::Paid);
    for number in [test_cards::DECLINED, test_cards::CAPTURED] {
        assert_eq!(pay(number).await.as_ref(), Ok(&paid), "it is paid once");
    }
    assert_eq!(shop.level(&product).await, counters(5, 3, 0, 2));
    assert_eq!(shop.count("provider.charge").await, 3);
}

/// Another request with the key, for example with a corrected address, is a new attempt too.
#[tokio::test]
async fn a_declined_attempt_frees_its_key_for_another_form() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let key = Key::of_cart(cart, "the-key-of-the-form").expect("a valid key");
    let request = |email: &str| {
        let mut request = shop.checkout(cart, email);
        request.claim = checkout::claim(key.clone(), cart, &request.contact, None);
        request
    };
    let declined = card(test_cards::DECLINED);
    let refused = shop.payments().pay(request(ANN), declined).await.result;
    assert!(matches!(
        refused.map_err(ShopError::from),
        Err(ShopError::CardDeclined { .. })
    ));
    let paid = shop.place_order(request("ben@example.com")).await.result;
    assert_eq!(paid.expect("it is paid").status, OrderStatus::Paid);
}

/// The second click of a double click arrives while the first is in progress: both get the decline
/// of the one charge.
#[tokio::test]
async fn a_double_click_is_one_attempt_although_it_is_declined() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let scripted = ScriptedProvider::default();
    let on = shop.paid_through(&scripted).with_deadline(PATIENCE);
    let request = shop.checkout(cart, ANN);
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let clicks = [(); 2].map(|()| {
        let (on, request) = (on.clone(), request.clone());
        tokio::spawn(async move {
            let paid = on.payments().pay(request, card(test_cards::CAPTURED)).await;
            paid.result.map_err(ShopError::from)
        })
    });
    // One waits for the stock, the other for the key.
    shop.until_blocked(2).await;
    stock_lock.release().await;
    let charges = scripted.charges(1).await;
    // Both have found the order when no transaction is open any more.
    let is_open = |session: &Session| session.is_in_transaction;
    sessions::wait_until(&shop.by_hand, "are open", is_open, |count| count == 0).await;
    scripted.answer(charges[0], Ok(declined()));
    for click in clicks {
        let refused = within(PATIENCE, "the decline", click).await;
        assert!(
            matches!(refused, Ok(Err(ShopError::CardDeclined { .. }))),
            "{refused:?}"
        );
    }
    assert_eq!(scripted.charges(1).await, charges);
}

/// The provider cannot be reached, and nothing is charged: the same form pays when it is back.
#[tokio::test]
async fn an_attempt_that_never_reached_the_provider_frees_its_key() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let scripted = ScriptedProvider::default();
    let (on, request) = (shop.paid_through(&scripted), shop.checkout(cart, ANN));
    for _ in 0..2 {
        let started = shop
            .start_payment(on.clone(), &scripted, request.clone())
            .await;
        let unreachable = GatewayError::NotSent("no route".to_owned());
        scripted.answer(started.charge, Err(unreachable));
        let refused = started.answer().await;
        assert!(
            matches!(refused, Err(ShopError::ProviderUnavailable { .. })),
            "{refused:?}"
        );
    }
    let paid = shop.place_order(request).await.result;
    assert_eq!(paid.expect("it is paid").status, OrderStatus::Paid);
    assert_eq!(shop.level(&product).await, counters(5, 3, 0, 2));
}

/// Many shoppers wait for the provider; another process learns the outcomes, as by a webhook.
#[tokio::test]
async fn waiting_payers_see_the_outcomes_that_another_process_receives() {
    const PAYERS: u32 = 20;
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(PAYERS.into()).await;
    let here = shop.paid_through(&scripted).with_deadline(PATIENCE);
    let elsewhere = here.clone().as_in_another_process();
    let mut paying = Vec::new();
    for _ in 0..PAYERS {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let request = shop.checkout(cart, ANN);
        paying.push(shop.start_payment(here.clone(), &scripted, request).await);
    }
    for payment in &paying {
        let settled = elsewhere
            .payments()
            .settle(payment.charge, ChargeState::Captured);
        settled.await.expect("it is settled");
    }
    for payment in paying {
        scripted.answer(payment.charge, Ok(ChargeState::Captured));
        let answer = payment.answer().await.expect("it is paid");
        assert_eq!(answer.status, OrderStatus::Paid);
    }
    assert_eq!(shop.level(&product).await.available, 0);
}

/// The query for the changes of other processes fails, because one of its tables is missing: the
/// waiting request is woken by the settlement itself.
#[tokio::test]
async fn a_waiting_payer_is_woken_by_the_process_that_receives_the_outcome() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(3).await;
    let here = shop.paid_through(&scripted).with_deadline(PATIENCE);
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop.start_payment(here, &scripted, request).await;
    shop.by_hand
        .run("ALTER TABLE refund RENAME TO refund_elsewhere")
        .await;
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    let answer = started.answer().await.expect("it is paid");
    assert_eq!(answer.status, OrderStatus::Paid);
    shop.by_hand
        .run("ALTER TABLE refund_elsewhere RENAME TO refund")
        .await;
}
