//! The shelf: what comes in, what is counted, and who has waited for it.

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::{OrderStatus, ShopError, StrategyKey},
    payment::gateway::ChargeState,
    shop::refunds::OrderAct,
};
use futures::future::join_all;

use crate::support::{
    PATIENCE, TestProduct, TestShop, Till, check_audit_clean,
    shop::{Counters, claim, units_of},
    within,
};

fn counters(total: i64, available: i64, reserved: i64, sold: i64) -> Counters {
    Counters {
        total,
        available,
        reserved,
        sold,
    }
}

/// An order of `lines` that was paid for when nothing was left, and waits; its public id.
async fn waiting(shop: &TestShop, lines: &[(&TestProduct, u32)], email: &str) -> String {
    let till = Till::default();
    let here = shop.at_till(&till).with_terms(ShopTerms {
        paid_without_stock: PaidWithoutStock::Backorder,
        ..ShopTerms::default()
    });
    for (product, units) in lines {
        shop.restock(product, (*units).into()).await;
    }
    let cart = shop.cart_of(lines).await;
    let request = shop.checkout(cart, email);
    let pressed = shop.press_pay(here, &till, request).await;
    shop.let_holds_expire().await;
    shop.sweep_expired_holds().await.expect("it is swept");
    for (product, units) in lines {
        let bought = shop.buy(product).quantity(*units).await;
        bought.expect("it is there for everybody");
    }
    till.answer(pressed.charge, Ok(ChargeState::Captured));
    let answer = pressed.answer().await.expect("it is answered");
    assert_eq!(answer.status, OrderStatus::Backordered);
    answer.receipt.order_id
}

async fn statuses(shop: &TestShop, ids: &[&String]) -> Vec<OrderStatus> {
    let mut statuses = Vec::new();
    for id in ids {
        statuses.push(shop.order(id).await.expect("it is there").status);
    }
    statuses
}

#[tokio::test]
async fn what_comes_in_is_for_sale_and_in_the_ledger() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    shop.receive_stock(product.id, units_of(7), None)
        .await
        .expect("it comes in");
    assert_eq!(shop.level(&product).await, counters(9, 9, 0, 0));
    assert_eq!(shop.ledger_of(&product).await, "receive 7");
    let announced = shop.feed().latest(&[product.id]);
    assert_eq!(announced[0].available, 9);
}

#[tokio::test]
async fn the_shop_has_no_such_product() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::RowLock, 5).await;
    for id in [lane.id, -1, 999_999] {
        let unknown = Err(ShopError::UnknownProduct);
        let received = shop.receive_stock(id, units_of(1), None).await;
        assert_eq!(received, unknown, "{id}");
        let taken = shop.take_stock(id, 3, "counted", None).await;
        assert_eq!(taken, unknown, "{id}");
    }
}

#[tokio::test]
async fn a_count_makes_the_books_agree_with_the_shelf() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    shop.buy(&product).quantity(2).await.expect("it is sold");
    let cart = shop.cart_of(&[(&product, 3)]).await;
    let reserved = shop.reserve_cart(cart, None).await.result;
    reserved.expect("it is reserved");
    // Seven lie on the shelf, three of them held.
    for (counted, expected) in [
        (7, counters(9, 4, 3, 2)),
        (5, counters(7, 2, 3, 2)),
        (3, counters(5, 0, 3, 2)),
        (12, counters(14, 9, 3, 2)),
    ] {
        shop.take_stock(product.id, counted, " two were broken ", None)
            .await
            .expect("it is counted");
        assert_eq!(shop.level(&product).await, expected, "{counted} counted");
    }
    assert_eq!(
        shop.ledger_of(&product).await,
        "sell 2 @, hold 3 #, adjust -2, adjust -2, adjust 9"
    );
    let reasons: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM stock_movement WHERE kind = 'adjust' AND reason = 'two were broken'")
        .await;
    assert_eq!(reasons, 3);
}

#[tokio::test]
async fn a_count_below_what_is_held_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let cart = shop.cart_of(&[(&product, 3)]).await;
    let reserved = shop.reserve_cart(cart, None).await.result;
    reserved.expect("it is reserved");
    let refused = shop.take_stock(product.id, 2, "counted", None).await;
    let Err(ShopError::NotNow(sentence)) = refused else {
        panic!("{refused:?}")
    };
    assert!(sentence.starts_with("3 units are held"), "{sentence}");
    assert_eq!(shop.level(&product).await, counters(9, 6, 3, 0));
}

#[tokio::test]
async fn a_count_needs_a_reason_and_a_number_in_range() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let long = "x".repeat(201);
    for (counted, reason, field) in [
        (5, "", "reason"),
        (5, "   ", "reason"),
        (5, long.as_str(), "reason"),
        (5, "a\0b", "reason"),
        (-1, "counted", "counted"),
        (1_000_001, "counted", "counted"),
    ] {
        let refused = shop.take_stock(product.id, counted, reason, None).await;
        let error = refused.expect_err("it is refused");
        assert!(error.about_field(field).is_some(), "{counted} {reason:?}");
    }
    assert_eq!(shop.level(&product).await, counters(9, 9, 0, 0));
}

#[tokio::test]
async fn each_act_sent_twice_under_its_key_is_done_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let received = (0..5).map(|_| {
        let (shop, id) = (shop.handle(), product.id);
        let key = Some(claim("in", "receive stock", &["2"]));
        tokio::spawn(async move { shop.receive_stock(id, units_of(2), key).await })
    });
    for joined in within(PATIENCE, "5 presses", join_all(received)).await {
        assert_eq!(joined.expect("it ends"), Ok(()));
    }
    assert_eq!(shop.level(&product).await.total, 11);
    shop.take_stock(
        product.id,
        5,
        "counted",
        Some(claim("count", "take", &["5"])),
    )
    .await
    .expect("it is counted");
    shop.buy(&product).await.expect("it is sold");
    shop.take_stock(
        product.id,
        5,
        "counted",
        Some(claim("count", "take", &["5"])),
    )
    .await
    .expect("it was counted");
    assert_eq!(shop.level(&product).await, counters(5, 4, 0, 1));
}

#[tokio::test]
async fn who_has_paid_and_waited_is_served_before_anybody_sees_what_came_in() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let first = waiting(&shop, &[(&product, 2)], "ann@example.com").await;
    let second = waiting(&shop, &[(&product, 2)], "ben@example.com").await;

    shop.receive_stock(product.id, units_of(3), None)
        .await
        .expect("it comes in");

    assert_eq!(
        statuses(&shop, &[&first, &second]).await,
        [OrderStatus::Paid, OrderStatus::Backordered]
    );
    assert_eq!(shop.level(&product).await.available, 1);
    let ledger = shop.ledger_of(&product).await;
    assert!(ledger.ends_with("receive 3, sell 2 @"), "{ledger}");
    let standing = shop.order(&first).await.expect("it is there").standing();
    assert!(!standing.is_open, "{standing:?}");
    check_audit_clean(&shop).await;
    shop.receive_stock(product.id, units_of(1), None)
        .await
        .expect("it comes in");
    assert_eq!(statuses(&shop, &[&second]).await, [OrderStatus::Paid]);
    assert_eq!(shop.level(&product).await.available, 0);
}

#[tokio::test]
async fn who_wants_more_than_came_in_holds_up_nobody_behind() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let large = waiting(&shop, &[(&product, 5)], "ann@example.com").await;
    let small = waiting(&shop, &[(&product, 1)], "ben@example.com").await;
    shop.receive_stock(product.id, units_of(2), None)
        .await
        .expect("it comes in");
    assert_eq!(
        statuses(&shop, &[&large, &small]).await,
        [OrderStatus::Backordered, OrderStatus::Paid]
    );
}

#[tokio::test]
async fn what_comes_back_serves_who_waits() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let sold = shop.paid(&[(&product, 2)], "cleo@example.com").await;
    let waiting = waiting(&shop, &[(&product, 2)], "ann@example.com").await;
    assert_eq!(shop.serve_backorders().await.ok(), Some(0));
    shop.act_on_order(&sold, OrderAct::Cancel, None)
        .await
        .expect("it is called off");

    assert_eq!(shop.serve_backorders().await.ok(), Some(1));

    assert_eq!(statuses(&shop, &[&waiting]).await, [OrderStatus::Paid]);
    assert_eq!(shop.level(&product).await.available, 0);
}

#[tokio::test]
async fn an_order_of_several_products_waits_until_all_are_there() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(0).await, shop.with_product(0).await);
    let both = waiting(&shop, &[(&kettle, 1), (&lamp, 1)], "ann@example.com").await;
    shop.receive_stock(kettle.id, units_of(1), None)
        .await
        .expect("it comes in");
    assert_eq!(statuses(&shop, &[&both]).await, [OrderStatus::Backordered]);
    assert_eq!(shop.level(&kettle).await.available, 1);
    shop.receive_stock(lamp.id, units_of(1), None)
        .await
        .expect("it comes in");
    assert_eq!(statuses(&shop, &[&both]).await, [OrderStatus::Paid]);
}

/// More than one look takes up wait for something that does not come, and stand in the way of nobody behind them.
#[tokio::test]
async fn those_who_cannot_be_served_are_passed_over_however_many() {
    let shop = TestShop::new().await;
    let (never, soon) = (shop.with_product(0).await, shop.with_product(0).await);
    let waiting = waiting(&shop, &[(&never, 1)], "ann@example.com").await;
    let many = format!(
        "WITH copied AS (
           INSERT INTO customer_order (public_id, status, settlement, email_folded, currency, subtotal_cents, shipping_cents, tax_cents,
                                       total_cents, due_cents)
           SELECT gen_random_uuid(), status, settlement, email_folded, currency, subtotal_cents, shipping_cents, tax_cents,
                  total_cents, due_cents
           FROM customer_order, generate_series(1, 120) WHERE public_id = '{waiting}' RETURNING *),
         paid AS (
           INSERT INTO payment (order_id, reference, state, amount_cents, currency, captured_cents, settled_at, ask_at)
           SELECT id, gen_random_uuid(), 'captured', total_cents, currency, total_cents, now(), now() FROM copied)
         INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
         SELECT id, CASE WHEN id = (SELECT max(id) FROM copied) THEN {soon} ELSE {never} END, 'x', 1000, 1 FROM copied",
        soon = soon.id,
        never = never.id
    );
    shop.by_hand.run(&many).await;
    shop.restock(&soon, 1).await;
    assert_eq!(shop.serve_backorders().await.ok(), Some(1));
    assert_eq!(shop.level(&soon).await, counters(1, 0, 0, 1));
}

#[tokio::test]
async fn a_backordered_order_can_be_called_off_and_is_paid_back() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let id = waiting(&shop, &[(&product, 1)], "ann@example.com").await;
    let till = Till::default();
    shop.at_till(&till)
        .act_on_order(&id, OrderAct::Cancel, None)
        .await
        .expect("it is called off");
    let order = shop.order(&id).await.expect("it is there");
    assert_eq!(order.status, OrderStatus::Cancelled);
    assert_eq!(order.refunded_cents(), order.bill.total.cents);
    shop.receive_stock(product.id, units_of(1), None)
        .await
        .expect("it comes in");
    assert_eq!(
        shop.level(&product).await.available,
        1,
        "nobody waits any more"
    );
}

/// Two deliveries at once: each unit goes to one who waits.
#[tokio::test]
async fn two_deliveries_at_once_serve_nobody_twice() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let first = waiting(&shop, &[(&product, 1)], "ann@example.com").await;
    let second = waiting(&shop, &[(&product, 1)], "ben@example.com").await;
    let desk = shop.database.by_hand().await;
    desk.run("BEGIN; SELECT 1 FROM customer_order ORDER BY id FOR UPDATE")
        .await;
    let received: Vec<_> = (0..2)
        .map(|_| {
            let (shop, id) = (shop.handle(), product.id);
            tokio::spawn(async move { shop.receive_stock(id, units_of(1), None).await })
        })
        .collect();
    shop.until_blocked(2).await;
    desk.run("COMMIT").await;
    for received in received {
        assert_eq!(received.await.expect("it ends"), Ok(()));
    }
    assert_eq!(
        statuses(&shop, &[&first, &second]).await,
        [OrderStatus::Paid, OrderStatus::Paid]
    );
    assert_eq!(shop.level(&product).await.available, 0);
}
