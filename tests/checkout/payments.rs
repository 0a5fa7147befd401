//! Hold → pay → confirm or make good, whatever the provider answers, and whenever.

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::{CancelReason, OrderStatus, OrderView, PaymentState, RefundReason, ShopError},
    payment::{
        gateway::{ChargeState, GatewayAddress, GatewayError, HttpGateway, RefundState},
        provider::test_cards,
    },
    shop::{Shop, discounts::NewCode, payments::PayAnswer, refunds::OrderAct},
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{
    PlacesOrders, TestProduct, TestShop, Till, check_audit_clean,
    provider::SECRET,
    shop::{Counters, card, claim, contact, draft, unkeyed},
    till::{declined, lost},
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
    shop.order(id).await.expect("the order is there")
}

/// Somebody pays for all `units` of a product; their hold runs out, is swept, and `others` units are sold elsewhere.
async fn pays_too_late(
    shop: &TestShop,
    here: Shop,
    till: &Till,
    product: &TestProduct,
    (units, others): (u32, u32),
) -> crate::support::shop::Pressed {
    let cart = shop.cart_of(&[(product, units)]).await;
    let request = shop.checkout(cart, ANN);
    let pressed = shop.press_pay(here, till, request).await;
    shop.let_holds_expire().await;
    shop.sweep_expired_holds().await.expect("it is swept");
    if others > 0 {
        let bought = shop.buy(product).quantity(others).await;
        bought.expect("it is there for everybody");
    }
    pressed
}

fn backorder() -> ShopTerms {
    ShopTerms {
        paid_without_stock: PaidWithoutStock::Backorder,
        ..ShopTerms::default()
    }
}

/// Asks until `sql` counts at least one row.
async fn until_there(shop: &TestShop, sql: &str) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while shop.by_hand.try_value::<i64>(sql).await.unwrap_or(0) == 0 {
        assert!(std::time::Instant::now() < deadline, "{sql}: not by now");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_is_paid_for_in_time_is_sold_out_of_its_hold() {
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

/// Over by the clock, and not swept yet: nobody else can have it, so it is sold.
#[tokio::test]
async fn a_hold_that_ran_out_unswept_while_the_card_was_asked_is_still_sold() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(2).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let pressed = shop.press_pay(shop.at_till(&till), &till, request).await;
    shop.let_holds_expire().await;
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    let answer = pressed.answer().await.expect("it is paid");
    assert_eq!(answer.status, OrderStatus::Paid);
    assert_eq!(shop.ledger_of(&product).await, "hold 2 #, sell 2 @#");
}

#[tokio::test]
async fn while_the_card_is_asked_nothing_is_locked_and_nothing_sold() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let pressed = shop.press_pay(shop.at_till(&till), &till, request).await;
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
    let open: i64 = shop
        .by_hand
        .value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .await;
    assert_eq!(open, 0, "no transaction is open across the call");
    let standing = order(&shop, &pressed.order_id).await.standing();
    assert!(standing.is_open && standing.status == "Confirming");
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    pressed.answer().await.expect("it is paid");
}

#[tokio::test]
async fn paid_when_the_hold_is_gone_takes_what_is_left() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let here = shop.at_till(&till);
    let pressed = pays_too_late(&shop, here, &till, &product, (2, 3)).await;
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    let answer = pressed.answer().await.expect("it is paid");
    assert_eq!(answer.status, OrderStatus::Paid);
    assert_eq!(shop.level(&product).await, counters(5, 0, 0, 5));
    assert_eq!(
        shop.ledger_of(&product).await,
        "hold 2 #, release 2 @#, sell 3 @, sell 2 @"
    );
}

#[tokio::test]
async fn paid_when_nothing_is_left_is_cancelled_and_paid_back() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(2).await;
    let here = shop.at_till(&till);
    let pressed = pays_too_late(&shop, here, &till, &product, (2, 1)).await;
    let charge = pressed.charge;
    till.answer(charge, Ok(ChargeState::Captured));

    let answer = pressed.answer().await.expect("it is answered");

    assert_eq!(answer.status, OrderStatus::Cancelled);
    until_there(
        &shop,
        "SELECT count(*) FROM refund WHERE state = 'succeeded'",
    )
    .await;
    let order = order(&shop, &answer.receipt.order_id).await;
    assert_eq!(order.cancel_reason, Some(CancelReason::NoStock));
    let [refund] = &order.refunds[..] else {
        panic!("one refund: {:?}", order.refunds)
    };
    assert_eq!(
        (refund.amount, refund.reason, refund.done),
        (order.bill.total, RefundReason::NoStock, true)
    );
    let asked = till.refunded();
    assert_eq!(
        asked
            .iter()
            .map(|refund| (refund.charge, refund.amount))
            .collect::<Vec<_>>(),
        [(charge, order.bill.total)]
    );
    let standing = order.standing();
    assert!(!standing.is_open);
    assert!(standing.sentence.contains("your money goes back"));
    assert!(standing.payment.contains("was refunded"), "{standing:?}");
    assert_eq!(shop.level(&product).await, counters(2, 1, 0, 1));
}

/// Half of an order is no order: what is still held of it goes back too.
#[tokio::test]
async fn an_order_of_which_one_line_is_gone_takes_none_of_the_others() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let (gone, there) = (shop.with_product(1).await, shop.with_product(4).await);
    let cart = shop.cart_of(&[(&gone, 1), (&there, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let pressed = shop.press_pay(shop.at_till(&till), &till, request).await;
    let one_expires = format!(
        "UPDATE hold SET expires_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE product_id = {}",
        gone.id
    );
    shop.by_hand.run(&one_expires).await;
    shop.sweep_expired_holds().await.expect("it is swept");
    shop.buy(&gone).await.expect("it is there for everybody");
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    let answer = pressed.answer().await.expect("it is answered");
    assert_eq!(answer.status, OrderStatus::Cancelled);
    assert_eq!(shop.level(&there).await, counters(4, 4, 0, 0));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn paid_when_nothing_is_left_waits_if_the_shop_says_so() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(2).await;
    let here = shop.at_till(&till).with_terms(backorder());
    let pressed = pays_too_late(&shop, here, &till, &product, (2, 2)).await;
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    let answer = pressed.answer().await.expect("it is answered");
    assert_eq!(answer.status, OrderStatus::Backordered);
    let order = order(&shop, &answer.receipt.order_id).await;
    assert!(order.refunds.is_empty());
    let standing = order.standing();
    assert!(standing.is_open && standing.sentence.contains("first in line"));
    let refused = shop
        .act_on_order(&answer.receipt.order_id, OrderAct::RefundAll, None)
        .await;
    assert!(
        matches!(refused, Err(ShopError::NotNow(_))),
        "it would still be served, for nothing: {refused:?}"
    );
    assert!(till.refunded().is_empty());
}

#[tokio::test]
async fn a_declined_card_leaves_cart_form_and_reservation_as_they_were() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.create_code(ten_percent(), None)
        .await
        .expect("it is made");
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let reserved = shop.reserve_cart(cart, None).await.result;
    reserved.expect("it is reserved");
    let before = shop.cart(Some(cart)).await.expect("the cart is read");
    let mut request = shop.checkout(cart, ANN);
    request.code = Some("TEN".to_owned());

    let refused = shop.pay(request, card(test_cards::DECLINED)).await.result;

    let refused = refused
        .map_err(ShopError::from)
        .expect_err("it is declined");
    assert_eq!(
        refused.to_string(),
        "The card was declined. Nothing was charged."
    );
    let after = shop.cart(Some(cart)).await.expect("the cart is read");
    let ends = |view: &doorbuster::model::CartView| {
        view.reservation
            .as_ref()
            .map(|reservation| reservation.ends_at.clone())
    };
    assert_eq!((ends(&after), &after.lines), (ends(&before), &before.lines));
    let mut form = draft(contact(ANN));
    form.code = "TEN".to_owned();
    assert_eq!(shop.draft(Some(cart)).await, Ok(form));
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
    let codes = shop.discount_codes().await.expect("they are read");
    assert_eq!(codes[0].uses, 0, "the code was not used");

    let mut request = shop.checkout(cart, ANN);
    request.code = Some("TEN".to_owned());
    let paid = shop.place_order(request).await.result;
    assert_eq!(paid.expect("with another card").status, OrderStatus::Paid);
    assert_eq!(
        shop.ledger_of(&product).await,
        "hold 2 #, sell 2 @#",
        "out of the same hold"
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

/// Declined when the hold was gone already: the cart comes back, without a reservation.
#[tokio::test]
async fn a_late_decline_gives_the_cart_back_without_what_ran_out() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(2).await;
    let here = shop.at_till(&till);
    let pressed = pays_too_late(&shop, here, &till, &product, (2, 0)).await;
    till.answer(pressed.charge, Ok(declined()));
    let refused = pressed.answer().await;
    assert!(matches!(refused, Err(ShopError::CardDeclined { .. })));
    let cart: Uuid = shop.by_hand.value("SELECT id FROM cart").await;
    let view = shop.cart(Some(cart)).await.expect("the cart is read");
    assert_eq!((view.lines.len(), view.reservation), (1, None));
    assert_eq!(shop.level(&product).await, counters(2, 2, 0, 0));
}

#[tokio::test]
async fn a_late_decline_leaves_a_cart_alone_that_was_filled_anew() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let (kettle, lamp) = (shop.with_product(5).await, shop.with_product(5).await);
    let cart = shop.cart_of(&[(&kettle, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let pressed = shop.press_pay(shop.at_till(&till), &till, request).await;
    let added = shop.add_to_cart(Some(cart), lamp.id, crate::support::shop::units_of(1), None);
    added.await.expect("the cart is empty and free");
    let reserved = shop.reserve_cart(cart, None).await.result;
    reserved.expect("it is reserved");

    till.answer(pressed.charge, Ok(declined()));

    let refused = pressed.answer().await;
    assert!(matches!(refused, Err(ShopError::CardDeclined { .. })));
    let view = shop.cart(Some(cart)).await.expect("the cart is read");
    let lines: Vec<_> = view
        .lines
        .iter()
        .map(|line| (line.product.id, line.held))
        .collect();
    assert_eq!(lines, [(lamp.id, 1)]);
    assert_eq!(shop.level(&kettle).await, counters(5, 5, 0, 0));
    assert_eq!(shop.level(&lamp).await, counters(5, 4, 1, 0));
}

/// Presses *Pay* at the real provider and returns at once.
fn pay_apart(
    shop: &TestShop,
    cart: Uuid,
    number: &str,
) -> JoinHandle<Result<PayAnswer, ShopError>> {
    let (shop, request, card) = (shop.handle(), shop.checkout(cart, ANN), card(number));
    tokio::spawn(async move {
        let outcome = shop.pay(request, card).await;
        outcome.result.map_err(ShopError::from)
    })
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_by_asking() {
    for number in [
        test_cards::ANSWER_LOST,
        test_cards::ANSWER_LOST_WITHOUT_WEBHOOK,
    ] {
        let shop = TestShop::new().await;
        let product = shop.with_product(5).await;
        let cart = shop.cart_of(&[(&product, 2)]).await;
        let paying = pay_apart(&shop, cart, number);
        until_there(
            &shop,
            "SELECT count(*) FROM provider.charge WHERE state = 'captured'",
        )
        .await;
        assert_eq!(shop.level(&product).await.sold, 0, "{number}: unknown");
        shop.let_questions_be_due().await;

        shop.resolve_unknown().await.expect("it is asked");

        let answer = paying.await.expect("it ends").expect("it is paid");
        assert_eq!(answer.status, OrderStatus::Paid, "{number}");
        assert_eq!(shop.ledger_of(&product).await, "hold 2 #, sell 2 @#");
    }
}

#[tokio::test]
async fn a_charge_that_never_arrived_is_withdrawn_and_nothing_is_lost() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let paying = pay_apart(&shop, cart, test_cards::REQUEST_LOST);
    until_there(&shop, "SELECT count(*) FROM payment").await;
    shop.let_questions_be_due().await;
    shop.resolve_unknown().await.expect("it is asked");
    let refused = paying.await.expect("it ends");
    assert!(
        matches!(refused, Err(ShopError::ProviderAway { .. })),
        "{refused:?}"
    );
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
    let view = shop.cart(Some(cart)).await.expect("the cart is read");
    assert_eq!(view.lines[0].held, 2, "cart and reservation are back");
}

#[tokio::test]
async fn whoever_waits_too_long_is_told_that_the_payment_is_being_confirmed() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let pressed = shop.press_pay(shop.at_till(&till), &till, request).await;
    let charge = pressed.charge;
    let answer = pressed.answer().await.expect("it is answered");
    assert_eq!(answer.status, OrderStatus::Pending);
    till.answer(charge, Ok(ChargeState::Captured));
    until_there(
        &shop,
        "SELECT count(*) FROM customer_order WHERE status = 'paid'",
    )
    .await;
}

#[tokio::test]
async fn a_charge_that_never_ends_is_given_up_and_withdrawn() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.at_till(&till), shop.checkout(cart, ANN));
    let pressed = shop.press_pay(here.clone(), &till, request).await;
    till.stands(pressed.charge, ChargeState::Processing);
    shop.let_questions_be_due().await;
    here.resolve_unknown().await.expect("it is asked");
    assert!(till.voided().is_empty(), "it is young: it may still end");
    let age = "UPDATE payment SET created_at = created_at - INTERVAL '41 seconds'";
    shop.by_hand.run(age).await;
    shop.let_questions_be_due().await;

    here.resolve_unknown().await.expect("it is asked");

    assert_eq!(till.voided(), [pressed.charge]);
    let refused = pressed.answer().await;
    assert!(matches!(refused, Err(ShopError::ProviderAway { .. })));
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
}

#[tokio::test]
async fn a_question_is_asked_again_only_after_a_while() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.at_till(&till), shop.checkout(cart, ANN));
    let pressed = shop.press_pay(here.clone(), &till, request).await;
    // Nothing is known at the till: whoever asks withdraws it.
    here.resolve_unknown().await.expect("nothing is due");
    assert!(till.voided().is_empty(), "the call itself is not over yet");
    shop.let_questions_be_due().await;
    for _ in 0..2 {
        here.resolve_unknown().await.expect("it is asked");
    }
    assert_eq!(till.voided().len(), 1);
    drop(pressed);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_leaves_nothing() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        url::Url::parse(&format!("http://{address}")).expect("a URL")
    };
    let gateway = HttpGateway::new(GatewayAddress::new(nobody), SECRET).expect("a client");
    let here = shop.handle().with_gateway(std::sync::Arc::new(gateway));
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let refused = here.place_order(shop.checkout(cart, ANN)).await.result;
    let refused = refused
        .map_err(ShopError::from)
        .expect_err("nobody is there");
    assert_eq!(
        refused.to_string(),
        "The payment provider cannot be reached. Nothing was charged; try again in 5 s."
    );
    let view = shop.cart(Some(cart)).await.expect("the cart is read");
    assert_eq!(view.lines[0].held, 2, "cart and reservation are back");
    let open: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM payment WHERE state = 'pending'")
        .await;
    assert_eq!(open, 0);
    let paid = shop.place_order(shop.checkout(cart, ANN)).await.result;
    assert!(paid.is_ok(), "once it is back: {paid:?}");
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
        Err(ShopError::ProviderAway { .. })
    ));
    assert_eq!(shop.count("customer_order").await, 0);
}

#[tokio::test]
async fn what_is_taken_after_the_order_was_cancelled_goes_back() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.at_till(&till), shop.checkout(cart, ANN));
    let pressed = shop.press_pay(here.clone(), &till, request).await;
    here.act_on_order(&pressed.order_id, OrderAct::Cancel, None)
        .await
        .expect("it is called off");
    assert_eq!(shop.level(&product).await, counters(5, 5, 0, 0));
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    let id = pressed.order_id.clone();
    let answer = pressed.answer().await.expect("it is answered");
    assert_eq!(answer.status, OrderStatus::Cancelled);
    until_there(
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
async fn what_is_declined_after_the_order_was_cancelled_changes_nothing() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.at_till(&till), shop.checkout(cart, ANN));
    let pressed = shop.press_pay(here.clone(), &till, request).await;
    here.act_on_order(&pressed.order_id, OrderAct::Cancel, None)
        .await
        .expect("it is called off");
    here.settle(pressed.charge, declined())
        .await
        .expect("it is taken in");
    let order = order(&shop, &pressed.order_id).await;
    assert_eq!(order.status, OrderStatus::Cancelled);
    let payment = order.payment.expect("it has one");
    assert_eq!(payment.state, PaymentState::Declined);
    let view = shop.cart(Some(cart)).await.expect("the cart is read");
    assert!(view.lines.is_empty());
}

/// The provider contradicts itself: what it took after all is given back.
#[tokio::test]
async fn what_is_taken_after_it_was_declined_goes_back() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.at_till(&till), shop.checkout(cart, ANN));
    let pressed = shop.press_pay(here.clone(), &till, request).await;
    for state in [declined(), ChargeState::Captured, ChargeState::Captured] {
        here.settle(pressed.charge, state)
            .await
            .expect("it is taken in");
    }
    let order = order(&shop, &pressed.order_id).await;
    assert_eq!(order.status, OrderStatus::Declined);
    assert_eq!(order.refunds.len(), 1);
    assert_eq!(order.refunds[0].amount, order.bill.total);
    assert_eq!(till.refunded().len(), 1);
    assert_eq!(shop.level(&product).await, counters(5, 3, 2, 0));
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_asked_about_and_paid_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let outcome = shop
        .pay(
            shop.checkout(cart, ANN),
            card(test_cards::REFUND_ANSWER_LOST),
        )
        .await;
    let id = outcome.result.expect("it is paid").receipt.order_id;
    shop.act_on_order(&id, OrderAct::Cancel, None)
        .await
        .expect("it is called off");
    let before = order(&shop, &id).await;
    assert!(!before.refunds[0].done && before.standing().is_open);
    shop.let_questions_be_due().await;

    shop.resolve_unknown().await.expect("it is asked");

    let after = order(&shop, &id).await;
    assert!(after.refunds[0].done && !after.standing().is_open);
    let paid_back: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM provider.refund WHERE state = 'succeeded'")
        .await;
    assert_eq!(paid_back, 1);
}

#[tokio::test]
async fn a_refund_that_is_only_promised_stays_open_until_it_is_paid() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.at_till(&till), shop.checkout(cart, ANN));
    let pressed = shop.press_pay(here.clone(), &till, request).await;
    let id = pressed.order_id.clone();
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    pressed.answer().await.expect("it is paid");
    for answer in [
        Err(lost()),
        Err(GatewayError::NotSent("away".to_owned())),
        Ok(RefundState::Processing),
    ] {
        till.answer_refunds(answer);
        // The first of them by the act itself, and the others by asking.
        let _ = here
            .act_on_order(&id, OrderAct::Cancel, Some(claim("k", "cancel", &[])))
            .await;
        shop.let_questions_be_due().await;
        here.resolve_unknown().await.expect("it is asked");
        let order = order(&shop, &id).await;
        assert!(!order.refunds[0].done);
    }
    till.answer_refunds(Ok(RefundState::Succeeded));
    shop.let_questions_be_due().await;
    here.resolve_unknown().await.expect("it is asked");
    assert!(order(&shop, &id).await.refunds[0].done);
    let references: std::collections::BTreeSet<_> = till
        .refunded()
        .iter()
        .map(|refund| refund.reference)
        .collect();
    assert_eq!(references.len(), 1, "it is one refund all the while");
}

/// Two servers ask about the same payment, and the provider answers both.
#[tokio::test]
async fn an_outcome_told_twice_at_once_is_settled_once() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(2).await;
    let here = shop.at_till(&till);
    let pressed = pays_too_late(&shop, here.clone(), &till, &product, (2, 2)).await;
    let shelf = shop.database.by_hand().await;
    shelf
        .run("BEGIN; SELECT 1 FROM customer_order FOR UPDATE")
        .await;
    let told = (0..2).map(|_| {
        let (here, charge) = (here.clone(), pressed.charge);
        tokio::spawn(async move { here.settle(charge, ChargeState::Captured).await })
    });
    let told: Vec<_> = told.collect();
    shop.until_blocked(2).await;
    shelf.run("COMMIT").await;
    for told in told {
        told.await.expect("it ends").expect("it is taken in");
    }
    assert_eq!(shop.count("refund").await, 1);
    let order = order(&shop, &pressed.order_id).await;
    assert_eq!(order.status, OrderStatus::Cancelled);
}

#[tokio::test]
async fn a_charge_that_is_none_of_ours_changes_nothing() {
    let shop = TestShop::new().await;
    shop.settle(Uuid::new_v4(), ChargeState::Captured)
        .await
        .expect("it is passed over");
    assert_eq!(shop.count("payment").await, 0);
}

/// A form sent again after a decline, as by the browser's *Back*: it is the same press, and charges nothing.
#[tokio::test]
async fn the_same_press_after_a_decline_has_the_same_answer() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    for _ in 0..2 {
        let refused = shop
            .pay(request.clone(), card(test_cards::DECLINED))
            .await
            .result;
        assert!(matches!(
            refused.map_err(ShopError::from),
            Err(ShopError::CardDeclined { .. })
        ));
    }
    let asked: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM provider.charge")
        .await;
    assert_eq!(asked, 1);
    shop.remove_from_cart(unkeyed(cart), product.id)
        .await
        .expect("it goes");
}
