//! Stock administration: receiving units, stock-takes, and backorders.

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    db::engine::Engine,
    model::{OrderStatus, ShopError, StrategyKey},
    payment::gateway::ChargeState,
    shop::refunds::OrderAction,
};
use futures::future::join_all;

use crate::support::{
    PATIENCE, ScriptedProvider, TestProduct, TestShop, administrator, check_audit_clean,
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

/// Creates a backorder of `lines`, which was paid after the stock had sold out, and returns its
/// public id.
async fn backorder(shop: &TestShop, lines: &[(&TestProduct, u32)], email: &str) -> String {
    let scripted = ScriptedProvider::default();
    let here = shop.paid_through(&scripted).with_terms(ShopTerms {
        paid_without_stock: PaidWithoutStock::Backorder,
        ..ShopTerms::default()
    });
    for (product, units) in lines {
        shop.restock(product, (*units).into()).await;
    }
    let cart = shop.cart_of(lines).await;
    let request = shop.checkout(cart, email);
    let started = shop.start_payment(here, &scripted, request).await;
    shop.expire_holds().await;
    shop.reservations()
        .sweep_expired()
        .await
        .expect("it is swept");
    for (product, units) in lines {
        let bought = shop.buy(product).quantity(*units).await;
        bought.expect("the units are available again");
    }
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    let answer = started.answer().await.expect("the request ends");
    assert_eq!(answer.status, OrderStatus::Backordered);
    answer.receipt.order_id
}

async fn statuses(shop: &TestShop, ids: &[&String]) -> Vec<OrderStatus> {
    let mut statuses = Vec::new();
    for id in ids {
        statuses.push(
            shop.orders()
                .find(id)
                .await
                .expect("the order exists")
                .status,
        );
    }
    statuses
}

#[tokio::test]
async fn received_units_are_for_sale_and_in_the_ledger() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    shop.stock_administration(&administrator())
        .receive(product.id, units_of(7), None)
        .await
        .expect("it is received");
    assert_eq!(shop.level(&product).await, counters(9, 9, 0, 0));
    assert_eq!(shop.ledger_of(&product).await, "receive 7");
    let announced = shop.feed().latest(&[product.id]);
    assert_eq!(announced[0].available, 9);
}

#[tokio::test]
async fn stock_of_a_lane_or_a_missing_product_cannot_be_changed() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::RowLock, 5).await;
    for id in [lane.id, -1, 999_999] {
        let unknown = Err(ShopError::UnknownProduct);
        let received = shop
            .stock_administration(&administrator())
            .receive(id, units_of(1), None)
            .await;
        assert_eq!(received, unknown, "{id}");
        let counted = shop
            .stock_administration(&administrator())
            .record_count(id, 3, "counted", None)
            .await;
        assert_eq!(counted, unknown, "{id}");
    }
}

#[tokio::test]
async fn a_stock_take_adjusts_the_recorded_stock() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    shop.buy(&product).quantity(2).await.expect("it is sold");
    let cart = shop.cart_of(&[(&product, 3)]).await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
    // Seven units are in stock, three of them reserved.
    for (counted, expected) in [
        (7, counters(9, 4, 3, 2)),
        (5, counters(7, 2, 3, 2)),
        (3, counters(5, 0, 3, 2)),
        (12, counters(14, 9, 3, 2)),
    ] {
        shop.stock_administration(&administrator())
            .record_count(product.id, counted, " two were broken ", None)
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
async fn a_count_below_the_reserved_units_is_rejected() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let cart = shop.cart_of(&[(&product, 3)]).await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
    let refused = shop
        .stock_administration(&administrator())
        .record_count(product.id, 2, "counted", None)
        .await;
    let Err(ShopError::InvalidState(sentence)) = refused else {
        panic!("{refused:?}")
    };
    assert!(sentence.starts_with("3 units are reserved"), "{sentence}");
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
        let refused = shop
            .stock_administration(&administrator())
            .record_count(product.id, counted, reason, None)
            .await;
        let error = refused.expect_err("it is refused");
        assert!(error.field_message(field).is_some(), "{counted} {reason:?}");
    }
    assert_eq!(shop.level(&product).await, counters(9, 9, 0, 0));
}

#[tokio::test]
async fn each_action_repeated_with_its_key_is_applied_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let received = (0..5).map(|_| {
        let (shop, id) = (shop.handle(), product.id);
        let key = Some(claim("in", "receive stock", &["2"]));
        tokio::spawn(async move {
            shop.stock_administration(&administrator())
                .receive(id, units_of(2), key)
                .await
        })
    });
    for joined in within(PATIENCE, "5 requests", join_all(received)).await {
        assert_eq!(joined.expect("the task ends"), Ok(()));
    }
    assert_eq!(shop.level(&product).await.total, 11);
    shop.stock_administration(&administrator())
        .record_count(
            product.id,
            5,
            "counted",
            Some(claim("count", "take", &["5"])),
        )
        .await
        .expect("it is counted");
    shop.buy(&product).await.expect("it is sold");
    shop.stock_administration(&administrator())
        .record_count(
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
async fn received_units_go_to_the_oldest_backorder_first() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let first = backorder(&shop, &[(&product, 2)], "ann@example.com").await;
    let second = backorder(&shop, &[(&product, 2)], "ben@example.com").await;

    shop.stock_administration(&administrator())
        .receive(product.id, units_of(3), None)
        .await
        .expect("it is received");

    assert_eq!(
        statuses(&shop, &[&first, &second]).await,
        [OrderStatus::Paid, OrderStatus::Backordered]
    );
    assert_eq!(shop.level(&product).await.available, 1);
    let ledger = shop.ledger_of(&product).await;
    assert!(ledger.ends_with("receive 3, sell 2 @"), "{ledger}");
    let status = shop
        .orders()
        .find(&first)
        .await
        .expect("the order exists")
        .status_view();
    assert!(!status.is_open, "{status:?}");
    check_audit_clean(&shop).await;
    shop.stock_administration(&administrator())
        .receive(product.id, units_of(1), None)
        .await
        .expect("it is received");
    assert_eq!(statuses(&shop, &[&second]).await, [OrderStatus::Paid]);
    assert_eq!(shop.level(&product).await.available, 0);
}

#[tokio::test]
async fn a_backorder_that_stock_does_not_cover_does_not_block_later_ones() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let large = backorder(&shop, &[(&product, 5)], "ann@example.com").await;
    let small = backorder(&shop, &[(&product, 1)], "ben@example.com").await;
    shop.stock_administration(&administrator())
        .receive(product.id, units_of(2), None)
        .await
        .expect("it is received");
    assert_eq!(
        statuses(&shop, &[&large, &small]).await,
        [OrderStatus::Backordered, OrderStatus::Paid]
    );
}

#[tokio::test]
async fn returned_units_fulfill_backorders() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let sold = shop.paid(&[(&product, 2)], "cleo@example.com").await;
    let backordered = backorder(&shop, &[(&product, 2)], "ann@example.com").await;
    assert_eq!(shop.backorders().fulfill(PATIENCE).await.ok(), Some(0));
    shop.order_administration(&administrator())
        .apply(&sold, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");

    assert_eq!(shop.backorders().fulfill(PATIENCE).await.ok(), Some(1));

    assert_eq!(statuses(&shop, &[&backordered]).await, [OrderStatus::Paid]);
    assert_eq!(shop.level(&product).await.available, 0);
}

#[tokio::test]
async fn a_backorder_of_several_products_waits_until_all_are_in_stock() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(0).await, shop.with_product(0).await);
    let both = backorder(&shop, &[(&kettle, 1), (&lamp, 1)], "ann@example.com").await;
    shop.stock_administration(&administrator())
        .receive(kettle.id, units_of(1), None)
        .await
        .expect("it is received");
    assert_eq!(statuses(&shop, &[&both]).await, [OrderStatus::Backordered]);
    assert_eq!(shop.level(&kettle).await.available, 1);
    shop.stock_administration(&administrator())
        .receive(lamp.id, units_of(1), None)
        .await
        .expect("it is received");
    assert_eq!(statuses(&shop, &[&both]).await, [OrderStatus::Paid]);
}

/// Stores copies of a backorder of one unit. Returns the id of the last one.
async fn copy_backorder(shop: &TestShop, backordered: &str, copies: u32) -> i64 {
    let last: i64 = shop
        .by_hand
        .value("SELECT max(id) FROM customer_order")
        .await;
    shop.by_hand
        .run(&format!(
            "INSERT INTO customer_order (public_id, status, settlement, email_folded, currency, subtotal_cents, shipping_cents,
                                         tax_cents, total_cents, due_cents)
             SELECT gen_random_uuid(), status, settlement, email_folded, currency, subtotal_cents, shipping_cents, tax_cents,
                    total_cents, due_cents
             FROM customer_order, generate_series(1, {copies}) n WHERE public_id = '{backordered}';
             INSERT INTO payment (order_id, reference, state, amount_cents, currency, captured_cents, settled_at, ask_at)
             SELECT id, gen_random_uuid(), 'captured', total_cents, currency, total_cents, now(), now()
             FROM customer_order WHERE id > {last};
             INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
             SELECT c.id, l.product_id, l.product_name, l.unit_price_cents, l.quantity
             FROM customer_order c, order_line l JOIN customer_order o ON o.id = l.order_id
             WHERE c.id > {last} AND o.public_id = '{backordered}'"
        ))
        .await;
    shop.by_hand
        .value("SELECT max(id) FROM customer_order")
        .await
}

/// More backorders than one batch wait for a product that is out of stock; they do not block a
/// later backorder of another product.
#[tokio::test]
async fn more_unfulfillable_backorders_than_one_batch_do_not_block_later_ones() {
    let shop = TestShop::new().await;
    let (missing, arriving) = (shop.with_product(0).await, shop.with_product(0).await);
    let backordered = backorder(&shop, &[(&missing, 1)], "ann@example.com").await;
    copy_backorder(&shop, &backordered, 119).await;
    let last = copy_backorder(&shop, &backordered, 1).await;
    let other = format!(
        "UPDATE order_line SET product_id = {} WHERE order_id = {last}",
        arriving.id
    );
    shop.by_hand.run(&other).await;
    shop.restock(&arriving, 1).await;
    assert_eq!(shop.backorders().fulfill(PATIENCE).await.ok(), Some(1));
    assert_eq!(shop.level(&arriving).await, counters(1, 0, 0, 1));
}

/// One transaction for all of them would hold the stock row for seconds, and miss its deadline.
#[tokio::test]
async fn a_delivery_for_hundreds_of_backorders_is_sold_in_small_transactions() {
    const COPIES: u32 = 300;
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let first = backorder(&shop, &[(&product, 1)], "ann@example.com").await;
    copy_backorder(&shop, &first, COPIES).await;
    shop.stock_administration(&administrator())
        .receive(product.id, units_of(400), None)
        .await
        .expect("it is received");
    assert_eq!(statuses(&shop, &[&first]).await, [OrderStatus::Paid]);
    let rest = shop.backorders().fulfill(PATIENCE).await;
    assert!(rest.is_ok(), "{rest:?}");

    assert_eq!(shop.level(&product).await, counters(401, 99, 0, 302));
    let waiting: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM customer_order WHERE status = 'backordered'")
        .await;
    assert_eq!(waiting, 0);
    if shop.db().engine() == Engine::Postgres {
        // Each row names the transaction that wrote it.
        let largest: i64 = shop
            .by_hand
            .value(
                "SELECT max(orders) FROM (SELECT count(*) AS orders FROM customer_order \
                 WHERE status = 'paid' GROUP BY xmin::text) AS transactions",
            )
            .await;
        assert_eq!(largest, 20);
    }
    check_audit_clean(&shop).await;
}

/// A later backorder is locked, so that the delivery stops between two of its transactions.
#[tokio::test]
async fn shoppers_buy_while_a_delivery_is_sold_to_backorders() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let first = backorder(&shop, &[(&product, 1)], "ann@example.com").await;
    let last = copy_backorder(&shop, &first, 30).await;
    let blocker = shop.database.by_hand().await;
    blocker
        .run(&format!(
            "BEGIN; SELECT 1 FROM customer_order WHERE id = {last} FOR UPDATE"
        ))
        .await;
    let receiving = tokio::spawn({
        let (shop, id) = (shop.handle(), product.id);
        async move {
            shop.stock_administration(&administrator())
                .receive(id, units_of(40), None)
                .await
        }
    });
    shop.until_blocked(1).await;
    shop.buy(&product).await.expect("the stock is not locked");
    blocker.run("COMMIT").await;
    let received = within(PATIENCE, "the delivery", receiving).await;
    assert_eq!(received.expect("the task ends"), Ok(()));
    let rest = shop.backorders().fulfill(PATIENCE).await;
    assert!(rest.is_ok(), "{rest:?}");
    assert_eq!(shop.level(&product).await, counters(41, 8, 0, 33));
}

#[tokio::test]
async fn a_backordered_order_can_be_cancelled_and_is_refunded() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let id = backorder(&shop, &[(&product, 1)], "ann@example.com").await;
    let scripted = ScriptedProvider::default();
    shop.paid_through(&scripted)
        .order_administration(&administrator())
        .apply(&id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    let order = shop.orders().find(&id).await.expect("the order exists");
    assert_eq!(order.status, OrderStatus::Cancelled);
    assert_eq!(order.refunded_cents(), order.bill.total.cents);
    shop.stock_administration(&administrator())
        .receive(product.id, units_of(1), None)
        .await
        .expect("it is received");
    assert_eq!(
        shop.level(&product).await.available,
        1,
        "no backorder is left"
    );
}

/// Two concurrent deliveries: each unit goes to another backorder.
#[tokio::test]
async fn two_concurrent_deliveries_fulfill_each_backorder_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let first = backorder(&shop, &[(&product, 1)], "ann@example.com").await;
    let second = backorder(&shop, &[(&product, 1)], "ben@example.com").await;
    let blocker = shop.database.by_hand().await;
    blocker
        .run("BEGIN; SELECT 1 FROM customer_order ORDER BY id FOR UPDATE")
        .await;
    let received: Vec<_> = (0..2)
        .map(|_| {
            let (shop, id) = (shop.handle(), product.id);
            tokio::spawn(async move {
                shop.stock_administration(&administrator())
                    .receive(id, units_of(1), None)
                    .await
            })
        })
        .collect();
    shop.until_blocked(2).await;
    blocker.run("COMMIT").await;
    for received in received {
        assert_eq!(received.await.expect("the task ends"), Ok(()));
    }
    assert_eq!(
        statuses(&shop, &[&first, &second]).await,
        [OrderStatus::Paid, OrderStatus::Paid]
    );
    assert_eq!(shop.level(&product).await.available, 0);
}
