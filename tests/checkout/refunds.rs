//! Administrators' actions on an order: cancel, refund, return.

use doorbuster::{
    model::{DiscountValue, OrderStatus, OrderView, RefundReason, ShopError},
    shop::{Shop, discounts::NewCode, refunds::OrderAction},
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    PATIENCE, PlacesOrders, ScriptedProvider, TestProduct, TestShop, administrator,
    check_audit_clean,
    shop::{Counters, claim, units_of},
    within,
};

const ANN: &str = "ann@example.com";

/// A paid order of three units.
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
    async fn apply(&self, action: OrderAction) -> Result<(), ShopError> {
        self.shop
            .order_administration(&administrator())
            .apply(&self.id, action, None)
            .await
    }

    async fn order(&self) -> OrderView {
        order(&self.shop, &self.id).await
    }

    fn refund_line(&self, units: u32) -> OrderAction {
        OrderAction::RefundLine {
            line_id: self.line_id,
            quantity: units_of(units),
        }
    }

    fn return_line(&self, units: u32) -> OrderAction {
        OrderAction::ReturnLine {
            line_id: self.line_id,
            quantity: units_of(units),
        }
    }
}

async fn order(shop: &Shop, id: &str) -> OrderView {
    shop.orders().find(id).await.expect("the order exists")
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

fn is_invalid_state(result: &Result<(), ShopError>) -> bool {
    matches!(result, Err(ShopError::InvalidState(_)))
}

#[tokio::test]
async fn a_cancelled_order_returns_its_goods_and_is_refunded() {
    let paid = paid().await;
    paid.apply(OrderAction::Cancel)
        .await
        .expect("it is cancelled");
    let order = paid.order().await;
    assert_eq!(order.status, OrderStatus::Cancelled);
    assert_eq!(refunds(&order), [(9_000, RefundReason::Cancelled, true)]);
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 5, 0, 0));
    assert_eq!(
        paid.shop.ledger_of(&paid.product).await,
        "hold 3 #, sell 3 @#, return 3 @"
    );
    assert_eq!(
        order.status_view().sentence,
        "The shop has cancelled this order."
    );
    let again = paid.apply(OrderAction::Cancel).await;
    assert!(is_invalid_state(&again), "{again:?}");
}

#[tokio::test]
async fn a_full_refund_returns_no_goods() {
    let paid = paid().await;
    paid.apply(OrderAction::RefundAll)
        .await
        .expect("it is refunded");
    let order = paid.order().await;
    assert_eq!(order.status, OrderStatus::Paid);
    assert_eq!(refunds(&order), [(9_000, RefundReason::Goodwill, true)]);
    assert_eq!(order.lines[0].refunded, 3);
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 2, 0, 3));
    for action in [OrderAction::RefundAll, paid.refund_line(1)] {
        let again = paid.apply(action).await;
        assert!(is_invalid_state(&again), "{action:?}: {again:?}");
    }
}

#[tokio::test]
async fn returned_units_are_for_sale_again_without_a_refund() {
    let paid = paid().await;
    paid.apply(paid.return_line(2))
        .await
        .expect("it is returned");
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 4, 0, 1));
    assert_eq!(
        paid.shop.ledger_of(&paid.product).await,
        "hold 3 #, sell 3 @#, return 2 @"
    );
    let order = paid.order().await;
    assert_eq!((order.lines[0].returned, refunds(&order)), (2, vec![]));
    let too_many = paid.apply(paid.return_line(2)).await;
    assert!(is_invalid_state(&too_many), "{too_many:?}");
    paid.apply(paid.return_line(1)).await.expect("the last one");
    assert_eq!(paid.shop.level(&paid.product).await, counters(5, 5, 0, 0));
}

async fn create_code(shop: &Shop, code: &str, value: DiscountValue, limit: Option<u32>) {
    let new = NewCode {
        code: code.to_owned(),
        value,
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 10,
        per_customer_limit: limit,
    };
    shop.discount_administration(&administrator())
        .create(new, None)
        .await
        .expect("it is created");
}

/// With prices at which every share is rounded, the refunds of a line add up to the line, in
/// whatever steps they are made.
#[tokio::test]
async fn partial_refunds_of_a_discounted_line_add_up_to_the_line() {
    let shop = TestShop::new().await;
    let (odd, even) = (
        shop.product().stock(30).price_cents(333).create().await,
        shop.product().stock(20).price_cents(1_001).create().await,
    );
    create_code(&shop, "SEVEN", DiscountValue::Percent(7), None).await;
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
            shop.order_administration(&administrator())
                .apply(&id, OrderAction::RefundLine { line_id, quantity }, None)
                .await
                .expect("it is refunded");
        }
        let order = order(&shop, &id).await;
        in_steps.push(order.refunded_cents());
        let beyond = OrderAction::RefundLine {
            line_id,
            quantity: units_of(1),
        };
        let beyond = shop
            .order_administration(&administrator())
            .apply(&id, beyond, None)
            .await;
        assert!(is_invalid_state(&beyond), "{beyond:?}");
    }
    // 4,333 minus 303 plus 490 for the delivery, of which this line's share is 2,331 : 4,333.
    assert_eq!(in_steps, [2_432; 3]);
}

/// Three lines and a fixed discount: rounding each line by itself would lose a cent.
#[tokio::test]
async fn lines_that_are_refunded_one_by_one_add_up_to_what_was_paid() {
    let shop = TestShop::new().await;
    let products = [
        shop.product().stock(30).price_cents(20_900).create().await,
        shop.product().stock(30).price_cents(20_900).create().await,
        shop.product().stock(30).price_cents(20_900).create().await,
    ];
    create_code(&shop, "EURO", DiscountValue::Cents(100), None).await;
    for order_of_lines in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let lines: Vec<_> = products.iter().map(|product| (product, 1)).collect();
        let mut request = shop.checkout(shop.cart_of(&lines).await, ANN);
        request.code = Some("EURO".to_owned());
        let paid = shop.place_order(request).await.result.expect("it is paid");
        let id = paid.receipt.order_id;
        for index in order_of_lines {
            let line_id = shop.line_id(&id, &products[index]).await;
            let quantity = units_of(1);
            shop.order_administration(&administrator())
                .apply(&id, OrderAction::RefundLine { line_id, quantity }, None)
                .await
                .expect("it is refunded");
        }
        let order = order(&shop, &id).await;
        assert_eq!(order.refunded_cents(), 62_600);
        let (refunded, tax) = order.refunded().expect("there are refunds");
        assert_eq!((refunded, tax), (order.bill.total, order.bill.tax));
        assert_eq!(order.status_view().status, "Refunded");
    }
}

#[tokio::test]
async fn each_unit_is_refunded_with_its_share_of_the_delivery() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(20).price_cents(999).create().await;
    let id = shop.paid(&[(&product, 2)], ANN).await;
    let line_id = shop.line_id(&id, &product).await;
    let quantity = units_of(1);
    for refunded in [1_244, 2_488] {
        shop.order_administration(&administrator())
            .apply(&id, OrderAction::RefundLine { line_id, quantity }, None)
            .await
            .expect("it is refunded");
        assert_eq!(order(&shop, &id).await.refunded_cents(), refunded);
    }
    let order = order(&shop, &id).await;
    assert_eq!(order.refunded_cents(), order.bill.total.cents);
}

/// An order that was partly refunded by another rule, without a share of the delivery.
#[tokio::test]
async fn an_order_that_was_partly_refunded_by_an_older_rule_adds_up_too() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(20).price_cents(999).create().await;
    let id = shop.paid(&[(&product, 2)], ANN).await;
    let line_id = shop.line_id(&id, &product).await;
    let quantity = units_of(1);
    let refund = || OrderAction::RefundLine { line_id, quantity };
    let administrator = administrator();
    let administration = shop.order_administration(&administrator);
    administration
        .apply(&id, refund(), None)
        .await
        .expect("it is refunded");
    shop.by_hand
        .run("UPDATE refund SET amount_cents = 999; UPDATE customer_order SET due_cents = total_cents - 999")
        .await;
    administration
        .apply(&id, refund(), None)
        .await
        .expect("it is refunded");
    let order = order(&shop, &id).await;
    assert_eq!(order.refunded_cents(), order.bill.total.cents);
}

/// A code for the whole price leaves only the delivery, which more units share than it has cents.
#[tokio::test]
async fn a_unit_that_cost_nothing_is_refunded_without_money() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(1_000).price_cents(1).create().await;
    create_code(&shop, "ALL", DiscountValue::Percent(100), None).await;
    let cart = shop.cart_of(&[(&product, 1_000)]).await;
    let mut request = shop.checkout(cart, ANN);
    request.code = Some("ALL".to_owned());
    let paid = shop.place_order(request).await.result.expect("it is paid");
    let id = paid.receipt.order_id;
    let line_id = shop.line_id(&id, &product).await;
    for (units, refunded) in [(1, 0), (2, 1), (997, 490)] {
        let quantity = units_of(units);
        shop.order_administration(&administrator())
            .apply(&id, OrderAction::RefundLine { line_id, quantity }, None)
            .await
            .expect("it is refunded");
        assert_eq!(order(&shop, &id).await.refunded_cents(), refunded);
    }
}

#[tokio::test]
async fn cancelling_returns_and_refunds_only_the_rest() {
    let paid = paid().await;
    paid.apply(paid.return_line(1))
        .await
        .expect("it is returned");
    paid.apply(paid.refund_line(2))
        .await
        .expect("it is refunded");
    paid.apply(OrderAction::Cancel)
        .await
        .expect("it is cancelled");
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
    for action in [
        OrderAction::RefundAll,
        paid.refund_line(1),
        paid.return_line(1),
    ] {
        let refused = paid.apply(action).await;
        assert!(is_invalid_state(&refused), "{action:?}: {refused:?}");
    }
}

/// The use of a code counts while the customer keeps anything of the order, goods or a discount.
#[tokio::test]
async fn a_code_can_be_used_again_when_everything_was_returned_and_refunded() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(20).price_cents(3_000).create().await;
    create_code(&shop, "ONCE", DiscountValue::Percent(10), Some(1)).await;
    let buy = async || {
        let mut request = shop.checkout(shop.cart_of(&[(&product, 2)]).await, ANN);
        request.code = Some("ONCE".to_owned());
        let paid = shop.place_order(request).await.result;
        paid.map(|paid| paid.receipt.order_id)
            .map_err(ShopError::from)
    };
    let id = buy().await.expect("the first use");
    let over_limit = Err(ShopError::CodeOverCustomerLimit {
        code: "ONCE".to_owned(),
        limit: 1,
    });
    let line_id = shop.line_id(&id, &product).await;
    for action in [
        OrderAction::ReturnLine {
            line_id,
            quantity: units_of(1),
        },
        OrderAction::RefundAll,
    ] {
        shop.order_administration(&administrator())
            .apply(&id, action, None)
            .await
            .expect("it is applied");
        assert_eq!(buy().await, over_limit, "one unit is kept");
        check_audit_clean(&shop).await;
    }
    let last = OrderAction::ReturnLine {
        line_id,
        quantity: units_of(1),
    };
    shop.order_administration(&administrator())
        .apply(&id, last, None)
        .await
        .expect("the last unit is returned");
    check_audit_clean(&shop).await;
    // Cancelling it now releases no second use.
    shop.order_administration(&administrator())
        .apply(&id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    buy().await.expect("nothing of the first order is kept");
    assert_eq!(buy().await, over_limit);
    let codes = shop.discounts().all().await.expect("they are read");
    assert_eq!(codes[0].uses, 1);
}

#[tokio::test]
async fn a_cancelled_express_order_returns_goods_without_a_refund() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let id = shop
        .buy(&product)
        .quantity(2)
        .await
        .expect("it is sold")
        .order_id;
    let refused = shop
        .order_administration(&administrator())
        .apply(&id, OrderAction::RefundAll, None)
        .await;
    assert!(
        is_invalid_state(&refused),
        "nothing was captured: {refused:?}"
    );
    shop.order_administration(&administrator())
        .apply(&id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    assert_eq!(shop.level(&product).await, counters(5, 5, 0, 0));
    assert_eq!(shop.count("refund").await, 0);
}

#[tokio::test]
async fn an_unpaid_order_cannot_be_refunded_or_returned() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let (here, request) = (shop.paid_through(&scripted), shop.checkout(cart, ANN));
    let started = shop.start_payment(here.clone(), &scripted, request).await;
    let line_id = shop.line_id(&started.order_id, &product).await;
    let quantity = units_of(1);
    for action in [
        OrderAction::RefundAll,
        OrderAction::RefundLine { line_id, quantity },
        OrderAction::ReturnLine { line_id, quantity },
    ] {
        let refused = here
            .order_administration(&administrator())
            .apply(&started.order_id, action, None)
            .await;
        assert!(is_invalid_state(&refused), "{action:?}: {refused:?}");
    }
    let order = order(&shop, &started.order_id).await;
    assert_eq!((order.lines[0].refunded, order.lines[0].returned), (0, 0));
}

#[tokio::test]
async fn a_missing_order_or_line_is_unknown() {
    let paid = paid().await;
    let unknown = Err(ShopError::UnknownOrder);
    for id in [Uuid::now_v7().to_string(), "1".to_owned(), String::new()] {
        let result = paid
            .shop
            .order_administration(&administrator())
            .apply(&id, OrderAction::Cancel, None)
            .await;
        assert_eq!(result, unknown, "{id:?}");
    }
    // A line of another order.
    let other = paid.shop.paid(&[(&paid.product, 1)], ANN).await;
    let line_id = paid.shop.line_id(&other, &paid.product).await;
    let quantity = units_of(1);
    for action in [
        OrderAction::RefundLine { line_id, quantity },
        OrderAction::ReturnLine { line_id, quantity },
    ] {
        assert_eq!(paid.apply(action).await, unknown, "{action:?}");
    }
}

#[tokio::test]
async fn each_action_sent_five_times_with_one_key_is_applied_once() {
    for (name, expected) in [
        ("cancel", (9_000, 3)),
        ("refund-all", (9_000, 0)),
        ("refund-line", (3_000, 0)),
        ("take-back", (0, 1)),
    ] {
        let paid = paid().await;
        let key = Some(claim("submit", "act on order", &[&paid.id, name]));
        let action = match name {
            "cancel" => OrderAction::Cancel,
            "refund-all" => OrderAction::RefundAll,
            "refund-line" => paid.refund_line(1),
            _ => paid.return_line(1),
        };
        let requests = (0..5).map(|_| {
            let (shop, id, key) = (paid.shop.handle(), paid.id.clone(), key.clone());
            tokio::spawn(async move {
                shop.order_administration(&administrator())
                    .apply(&id, action, key)
                    .await
            })
        });
        for joined in within(PATIENCE, "5 requests", join_all(requests)).await {
            assert_eq!(joined.expect("the task ends"), Ok(()), "{name}");
        }
        let order = paid.order().await;
        let returned = order.lines[0].returned;
        assert_eq!((order.refunded_cents(), returned), expected, "{name}");
        check_audit_clean(&paid.shop).await;
    }
}

/// Two administrators, with different keys.
#[tokio::test]
async fn two_concurrent_full_refunds_pay_once() {
    let paid = paid().await;
    let blocker = paid.shop.database.by_hand().await;
    blocker
        .run("BEGIN; SELECT 1 FROM customer_order FOR UPDATE")
        .await;
    let requests: Vec<_> = (0..2)
        .map(|_| {
            let (shop, id) = (paid.shop.handle(), paid.id.clone());
            tokio::spawn(async move {
                shop.order_administration(&administrator())
                    .apply(&id, OrderAction::RefundAll, None)
                    .await
            })
        })
        .collect();
    paid.shop.until_blocked(2).await;
    blocker.run("COMMIT").await;
    let mut refused = 0;
    for request in requests {
        refused += i32::from(is_invalid_state(&request.await.expect("the task ends")));
    }
    assert_eq!(refused, 1);
    assert_eq!(paid.order().await.refunded_cents(), 9_000);
}
