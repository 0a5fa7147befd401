//! What the shop's people may do about an order: call it off, pay back, take back.

use doorbuster::{
    model::{DiscountValue, OrderStatus, OrderView, RefundReason, ShopError},
    shop::{Shop, discounts::NewCode, refunds::OrderAct},
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    PATIENCE, PlacesOrders, TestProduct, TestShop, Till, check_audit_clean,
    shop::{Counters, claim, units_of},
    within,
};

const ANN: &str = "ann@example.com";

/// An order of three units, paid for.
struct Paid {
    shop: TestShop,
    product: TestProduct,
    id: String,
    line_id: i64,
}

async fn paid() -> Paid {
    let shop = TestShop::new().await;
    let product = shop.product().stock(5).price_cents(3_000).create().await;
    let id = shop.paid(&[(&product, 3)], ANN).await;
    let line_id = shop.line_id(&id, &product).await;
    Paid {
        shop,
        product,
        id,
        line_id,
    }
}

impl Paid {
    async fn act(&self, act: OrderAct) -> Result<(), ShopError> {
        self.shop.act_on_order(&self.id, act, None).await
    }

    async fn order(&self) -> OrderView {
        order(&self.shop, &self.id).await
    }

    fn refund_line(&self, units: u32) -> OrderAct {
        OrderAct::RefundLine {
            line_id: self.line_id,
            quantity: units_of(units),
        }
    }

    fn take_back(&self, units: u32) -> OrderAct {
        OrderAct::TakeBack {
            line_id: self.line_id,
            quantity: units_of(units),
        }
    }
}

async fn order(shop: &Shop, id: &str) -> OrderView {
    shop.order(id).await.expect("the order is there")
}

fn refunds(order: &OrderView) -> Vec<(i64, RefundReason, bool)> {
    order
        .refunds
        .iter()
        .map(|refund| (refund.amount.cents, refund.reason, refund.done))
        .collect()
}

fn counters(total: i64, available: i64, reserved: i64, sold: i64) -> Counters {
    Counters {
        total,
        available,
        reserved,
        sold,
    }
}

fn is_not_now(result: &Result<(), ShopError>) -> bool {
    matches!(result, Err(ShopError::NotNow(_)))
}

#[tokio::test]
async fn a_cancelled_order_gives_back_goods_and_money() {
    let paid = paid().await;
    paid.act(OrderAct::Cancel).await.expect("it is called off");
    let order = paid.order().await;
    assert_eq!(order.status, OrderStatus::Cancelled);
    assert_eq!(refunds(&order), [(9_000, RefundReason::Cancelled, true)]);
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 5, 0, 0));
    assert_eq!(
        paid.shop.ledger_of(&paid.product).await,
        "hold 3 #, sell 3 @#, return 3 @"
    );
    assert_eq!(
        order.standing().sentence,
        "The shop has cancelled this order."
    );
    let again = paid.act(OrderAct::Cancel).await;
    assert!(is_not_now(&again), "{again:?}");
}

#[tokio::test]
async fn a_refund_of_all_leaves_the_goods_with_the_customer() {
    let paid = paid().await;
    paid.act(OrderAct::RefundAll)
        .await
        .expect("it is paid back");
    let order = paid.order().await;
    assert_eq!(order.status, OrderStatus::Paid);
    assert_eq!(refunds(&order), [(9_000, RefundReason::Goodwill, true)]);
    assert_eq!(order.lines[0].refunded, 3);
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 2, 0, 3));
    for act in [OrderAct::RefundAll, paid.refund_line(1)] {
        let again = paid.act(act).await;
        assert!(is_not_now(&again), "{act:?}: {again:?}");
    }
}

#[tokio::test]
async fn what_comes_back_is_for_sale_again_and_moves_no_money() {
    let paid = paid().await;
    paid.act(paid.take_back(2)).await.expect("it comes back");
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 4, 0, 1));
    assert_eq!(
        paid.shop.ledger_of(&paid.product).await,
        "hold 3 #, sell 3 @#, return 2 @"
    );
    let order = paid.order().await;
    assert_eq!((order.lines[0].returned, refunds(&order)), (2, vec![]));
    let too_many = paid.act(paid.take_back(2)).await;
    assert!(is_not_now(&too_many), "{too_many:?}");
    paid.act(paid.take_back(1)).await.expect("the last one");
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 5, 0, 0));
}

/// Prices at which every share is rounded: the parts of a line add up to the line, in whatever steps they are paid back.
#[tokio::test]
async fn the_parts_of_a_discounted_line_add_up_to_the_line() {
    let shop = TestShop::new().await;
    let (odd, even) = (
        shop.product().stock(30).price_cents(333).create().await,
        shop.product().stock(20).price_cents(1_001).create().await,
    );
    shop.create_code(
        NewCode {
            code: "SEVEN".to_owned(),
            value: DiscountValue::Percent(7),
            min_subtotal_cents: 0,
            starts_at: None,
            ends_at: None,
            uses_max: 10,
            per_customer_limit: None,
        },
        None,
    )
    .await
    .expect("it is made");
    let mut in_steps = Vec::new();
    for steps in [&[1, 1, 1, 1, 1, 1, 1][..], &[3, 4], &[7]] {
        let cart = shop.cart_of(&[(&odd, 7), (&even, 2)]).await;
        let mut request = shop.checkout(cart, ANN);
        request.code = Some("SEVEN".to_owned());
        let paid = shop.place_order(request).await.result.expect("it is paid");
        let id = paid.receipt.order_id;
        let line_id = shop.line_id(&id, &odd).await;
        for step in steps {
            let quantity = units_of(*step);
            shop.act_on_order(&id, OrderAct::RefundLine { line_id, quantity }, None)
                .await
                .expect("it is paid back");
        }
        let order = order(&shop, &id).await;
        in_steps.push(order.refunded_cents());
        let beyond = OrderAct::RefundLine {
            line_id,
            quantity: units_of(1),
        };
        let beyond = shop.act_on_order(&id, beyond, None).await;
        assert!(is_not_now(&beyond), "{beyond:?}");
    }
    // 4,333 less 303, of which 2,331 : 4,333 is this line's.
    assert_eq!(in_steps, [2_168; 3]);
}

#[tokio::test]
async fn shipping_is_part_of_no_line_and_of_a_refund_of_all() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(20).price_cents(999).create().await;
    let id = shop.paid(&[(&product, 2)], ANN).await;
    let line_id = shop.line_id(&id, &product).await;
    let quantity = units_of(2);
    shop.act_on_order(&id, OrderAct::RefundLine { line_id, quantity }, None)
        .await
        .expect("it is paid back");
    assert_eq!(order(&shop, &id).await.refunded_cents(), 1_998);
    shop.act_on_order(&id, OrderAct::RefundAll, None)
        .await
        .expect("the shipping too");
    let order = order(&shop, &id).await;
    assert_eq!(order.refunded_cents(), order.bill.total.cents);
}

#[tokio::test]
async fn cancelling_gives_back_only_what_is_still_out() {
    let paid = paid().await;
    paid.act(paid.take_back(1)).await.expect("it comes back");
    paid.act(paid.refund_line(2))
        .await
        .expect("it is paid back");
    paid.act(OrderAct::Cancel).await.expect("it is called off");
    let order = paid.order().await;
    assert_eq!(
        refunds(&order),
        [
            (6_000, RefundReason::Goodwill, true),
            (3_000, RefundReason::Cancelled, true)
        ]
    );
    assert_eq!(
        paid.shop.ledger_of(&paid.product).await,
        "hold 3 #, sell 3 @#, return 1 @, return 2 @"
    );
    for act in [OrderAct::RefundAll, paid.refund_line(1), paid.take_back(1)] {
        let refused = paid.act(act).await;
        assert!(is_not_now(&refused), "{act:?}: {refused:?}");
    }
}

#[tokio::test]
async fn an_express_order_gives_back_goods_and_no_money() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let id = shop
        .buy(&product)
        .quantity(2)
        .await
        .expect("it is sold")
        .order_id;
    let refused = shop.act_on_order(&id, OrderAct::RefundAll, None).await;
    assert!(is_not_now(&refused), "nothing was taken: {refused:?}");
    shop.act_on_order(&id, OrderAct::Cancel, None)
        .await
        .expect("it is called off");
    assert_eq!(shop.level(&product).await, counters(5, 5, 0, 0));
    assert_eq!(shop.count("refund").await, 0);
}

#[tokio::test]
async fn an_order_that_is_not_paid_gives_nothing_back() {
    let (shop, till) = (TestShop::new().await, Till::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.at_till(&till), shop.checkout(cart, ANN));
    let pressed = shop.press_pay(here.clone(), &till, request).await;
    let line_id = shop.line_id(&pressed.order_id, &product).await;
    let quantity = units_of(1);
    for act in [
        OrderAct::RefundAll,
        OrderAct::RefundLine { line_id, quantity },
        OrderAct::TakeBack { line_id, quantity },
    ] {
        let refused = here.act_on_order(&pressed.order_id, act, None).await;
        assert!(is_not_now(&refused), "{act:?}: {refused:?}");
    }
    let order = order(&shop, &pressed.order_id).await;
    assert_eq!((order.lines[0].refunded, order.lines[0].returned), (0, 0));
}

#[tokio::test]
async fn an_order_or_a_line_that_is_not_there_is_unknown() {
    let paid = paid().await;
    let unknown = Err(ShopError::UnknownOrder);
    for id in [Uuid::now_v7().to_string(), "1".to_owned(), String::new()] {
        let acted = paid.shop.act_on_order(&id, OrderAct::Cancel, None).await;
        assert_eq!(acted, unknown, "{id:?}");
    }
    // A line of another order.
    let other = paid.shop.paid(&[(&paid.product, 1)], ANN).await;
    let line_id = paid.shop.line_id(&other, &paid.product).await;
    let quantity = units_of(1);
    for act in [
        OrderAct::RefundLine { line_id, quantity },
        OrderAct::TakeBack { line_id, quantity },
    ] {
        assert_eq!(paid.act(act).await, unknown, "{act:?}");
    }
}

#[tokio::test]
async fn each_act_sent_twice_under_its_key_is_done_once() {
    for (act, expected) in [
        ("cancel", (9_000, 3)),
        ("refund-all", (9_000, 0)),
        ("refund-line", (3_000, 0)),
        ("take-back", (0, 1)),
    ] {
        let paid = paid().await;
        let key = Some(claim("press", "act on order", &[&paid.id, act]));
        let the_act = match act {
            "cancel" => OrderAct::Cancel,
            "refund-all" => OrderAct::RefundAll,
            "refund-line" => paid.refund_line(1),
            _ => paid.take_back(1),
        };
        let pressed = (0..5).map(|_| {
            let (shop, id, key) = (paid.shop.handle(), paid.id.clone(), key.clone());
            tokio::spawn(async move { shop.act_on_order(&id, the_act, key).await })
        });
        for joined in within(PATIENCE, "5 presses", join_all(pressed)).await {
            assert_eq!(joined.expect("it ends"), Ok(()), "{act}");
        }
        let order = paid.order().await;
        let returned = order.lines[0].returned;
        assert_eq!((order.refunded_cents(), returned), expected, "{act}");
        check_audit_clean(&paid.shop).await;
    }
}

/// Two people at two screens, without a key in common.
#[tokio::test]
async fn two_refunds_of_all_at_once_pay_once() {
    let paid = paid().await;
    let desk = paid.shop.database.by_hand().await;
    desk.run("BEGIN; SELECT 1 FROM customer_order FOR UPDATE")
        .await;
    let acts: Vec<_> = (0..2)
        .map(|_| {
            let (shop, id) = (paid.shop.handle(), paid.id.clone());
            tokio::spawn(async move { shop.act_on_order(&id, OrderAct::RefundAll, None).await })
        })
        .collect();
    paid.shop.until_blocked(2).await;
    desk.run("COMMIT").await;
    let mut refused = 0;
    for act in acts {
        refused += i32::from(is_not_now(&act.await.expect("it ends")));
    }
    assert_eq!(refused, 1);
    assert_eq!(paid.order().await.refunded_cents(), 9_000);
}
