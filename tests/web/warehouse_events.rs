//! What a warehouse needs of events: the lines of orders, refunds, returns and backorders. Each is
//! written in the transaction of its change, once, and as the document describes it.

use std::time::Duration;

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::ShopError,
    payment::gateway::ChargeState,
    shop::refunds::OrderAction,
};
use serde_json::{Value, json};

use super::{documented::webhook_of, schema_differences::differences, support::TestShop};
use crate::support::{
    ScriptedProvider, TestProduct, administrator,
    shop::{claim, units_of},
};

const ANN: &str = "ann@example.com";

/// A shop with a subscription. No server sends its events.
async fn subscribed() -> TestShop {
    let shop = TestShop::new().await;
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    outbox
        .subscribe("http://127.0.0.1:1/")
        .await
        .expect("a URL");
    shop
}

/// Returns the events that were written since the last call, without levels of stock, in the order
/// of their ids. Checks that they are as the document describes them.
async fn written(shop: &TestShop) -> Vec<Value> {
    let claimed = shop.outbox().claim(|_, _| true).await;
    let claimed = claimed.expect("they are claimed");
    let mut events = Vec::new();
    for claimed in claimed.into_iter().flat_map(|claimed| claimed.events) {
        let event: Value = serde_json::from_str(&claimed.body).expect("JSON");
        let (_, schema) = webhook_of(&claimed.kind)
            .unwrap_or_else(|| panic!("no webhook is described for {event}"));
        let found = differences(schema, &event, &claimed.kind);
        assert!(found.is_empty(), "{}", found.join("\n"));
        if claimed.kind != "stock.level" {
            events.push(event);
        }
    }
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

/// Two products, and a paid order of three units of the first and one of the second.
struct Paid {
    shop: TestShop,
    products: [TestProduct; 2],
    id: String,
}

async fn paid() -> Paid {
    let shop = subscribed().await;
    let products = [shop.with_product(5).await, shop.with_product(5).await];
    let id = shop
        .paid(&[(&products[0], 3), (&products[1], 1)], ANN)
        .await;
    Paid { shop, products, id }
}

impl Paid {
    /// Applies an action twice, with the same key.
    async fn apply_twice(&self, name: &str, action: OrderAction) -> Result<(), ShopError> {
        let key = claim(name, "act on order", &[&self.id, name]);
        for _ in 0..2 {
            self.shop
                .order_administration(&administrator())
                .apply(&self.id, action, Some(key.clone()))
                .await?;
        }
        Ok(())
    }

    /// The id of the line with three units.
    async fn line_id(&self) -> i64 {
        self.shop.line_id(&self.id, &self.products[0]).await
    }

    /// The ids and slugs of the products.
    async fn named(&self) -> Vec<(i64, String)> {
        let mut named = Vec::new();
        for product in &self.products {
            let slug = format!("SELECT slug FROM product WHERE id = {}", product.id);
            named.push((product.id, self.shop.by_hand.value(&slug).await));
        }
        named
    }
}

#[tokio::test]
async fn an_order_is_sent_with_its_lines_also_when_they_are_written_after_it() {
    let paid = paid().await;
    let events = written(&paid.shop).await;
    assert_eq!(kinds(&events), ["order.pending", "order.paid"]);
    let named = paid.named().await;
    for event in &events {
        assert_eq!(event["data"]["orderId"], paid.id.as_str());
        assert_eq!(event["data"].get("cancelReason"), Some(&Value::Null));
        let lines = event["data"]["lines"].as_array().expect("a list");
        let lines: Vec<_> = lines
            .iter()
            .map(|line| json!([line["productId"], line["productSlug"], line["quantity"]]))
            .collect();
        let expected = [
            json!([named[0].0, named[0].1, 3]),
            json!([named[1].0, named[1].1, 1]),
        ];
        assert_eq!(lines, expected);
    }
    // One statement writes the order and its line.
    let bought = paid.shop.buy(&paid.products[1]).quantity(2).await;
    let bought = bought.expect("it is sold");
    let events = written(&paid.shop).await;
    assert_eq!(kinds(&events), ["order.placed"]);
    assert_eq!(events[0]["data"]["orderId"], bought.order_id.as_str());
    assert_eq!(events[0]["data"]["lines"][0]["productId"], named[1].0);
    assert_eq!(events[0]["data"]["lines"][0]["quantity"], 2);
}

/// During an upgrade, a server of the previous version may claim an event. It sends what the
/// trigger has written.
#[tokio::test]
async fn an_event_without_lines_from_a_previous_server_is_described_too() {
    let shop = subscribed().await;
    let product = shop.with_product(5).await;
    shop.buy(&product).await.expect("it is sold");
    let mut event = written(&shop).await.remove(0);
    let stored: String = shop
        .by_hand
        .value("SELECT payload FROM outbox_event WHERE kind = 'order.placed'")
        .await;
    event["data"] = serde_json::from_str(&stored).expect("JSON");
    assert_eq!(event["data"].get("lines"), None);
    let (_, schema) = webhook_of("order.placed").expect("it is described");
    let found = differences(schema, &event, "order.placed");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn a_return_is_one_event_also_if_it_is_requested_twice() {
    let paid = paid().await;
    written(&paid.shop).await;
    let action = OrderAction::ReturnLine {
        line_id: paid.line_id().await,
        quantity: units_of(2),
    };
    paid.apply_twice("return", action)
        .await
        .expect("two units are returned");
    let events = written(&paid.shop).await;
    assert_eq!(kinds(&events), ["line.returned"]);
    let data = &events[0]["data"];
    assert_eq!(data["orderId"], paid.id.as_str());
    assert_eq!(data["productId"], paid.products[0].id);
    let units = ["units", "quantity", "returned"].map(|name| data[name].as_i64());
    assert_eq!(units, [2, 3, 2].map(Some));
}

#[tokio::test]
async fn a_refund_is_one_event_when_it_is_decided_and_one_when_it_is_paid() {
    let paid = paid().await;
    written(&paid.shop).await;
    let action = OrderAction::RefundLine {
        line_id: paid.line_id().await,
        quantity: units_of(1),
    };
    paid.apply_twice("refund", action)
        .await
        .expect("a unit is refunded");
    // The provider may report it again.
    paid.shop
        .by_hand
        .run("UPDATE refund SET state = 'succeeded'")
        .await;
    let events = written(&paid.shop).await;
    assert_eq!(kinds(&events), ["order.refunded", "order.refund_paid"]);
    let refunded: i64 = paid
        .shop
        .by_hand
        .value("SELECT amount_cents FROM refund")
        .await;
    for event in &events {
        let data = &event["data"];
        assert_eq!(data["refundId"], events[0]["data"]["refundId"]);
        assert_eq!(data["reason"], "goodwill");
        assert_eq!(data["amountCents"], refunded);
        let mut lines = data["lines"].as_array().expect("a list").clone();
        lines.sort_by_key(|line| line["productId"].as_i64());
        let units: Vec<_> = lines
            .iter()
            .map(|line| ["quantity", "refunded", "returned"].map(|name| line[name].as_i64()))
            .collect();
        assert_eq!(units, [[3, 1, 0], [1, 0, 0]].map(|units| units.map(Some)));
    }
}

#[tokio::test]
async fn a_cancelled_order_returns_each_line_and_says_why() {
    let paid = paid().await;
    written(&paid.shop).await;
    paid.apply_twice("cancel", OrderAction::Cancel)
        .await
        .expect("it is cancelled");
    let events = written(&paid.shop).await;
    assert_eq!(
        kinds(&events),
        [
            "line.returned",
            "line.returned",
            "order.cancelled",
            "order.refunded",
            "order.refund_paid",
        ]
    );
    assert_eq!(events[2]["data"]["cancelReason"], "shop");
    assert_eq!(events[3]["data"]["reason"], "cancelled");
}

/// The hold of a payment has expired, and another buyer has the units: the paid order waits.
#[tokio::test]
async fn a_backorder_is_an_event_and_so_is_its_stock() {
    let (shop, scripted) = (subscribed().await, ScriptedProvider::default());
    let product = shop.with_product(2).await;
    let here = shop.paid_through(&scripted).with_terms(ShopTerms {
        paid_without_stock: PaidWithoutStock::Backorder,
        ..ShopTerms::default()
    });
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, ANN);
    let started = shop.start_payment(here, &scripted, request).await;
    shop.expire_holds().await;
    let swept = shop.reservations().sweep_expired().await;
    swept.expect("the hold is released");
    let other = shop.buy(&product).quantity(2).await;
    other.expect("the units are available again");
    written(&shop).await;
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    started.answer().await.expect("the request ends");
    assert_eq!(kinds(&written(&shop).await), ["order.backordered"]);
    shop.restock(&product, 2).await;
    for expected in [1, 0] {
        let fulfilled = shop.backorders().fulfill(Duration::from_secs(60)).await;
        assert_eq!(fulfilled.expect("the database answers"), expected);
    }
    assert_eq!(kinds(&written(&shop).await), ["order.paid"]);
}

#[tokio::test]
async fn an_event_is_rolled_back_with_its_change() {
    let paid = paid().await;
    let shop = &paid.shop;
    let of = async |kind: &str| {
        shop.count(&format!("outbox_event WHERE kind = '{kind}'"))
            .await
    };
    let all = shop.count("outbox_event").await;
    shop.by_hand.run("BEGIN").await;
    for (kind, change) in [
        (
            "order.cancelled",
            "UPDATE customer_order SET status = 'cancelled', due_cents = 0",
        ),
        (
            "line.returned",
            "UPDATE order_line SET returned_quantity = 1 WHERE quantity = 3",
        ),
        (
            "order.refunded",
            "INSERT INTO refund (payment_id, order_id, reference, state, reason, amount_cents) \
             SELECT id, order_id, gen_random_uuid(), 'pending', 'goodwill', 1 FROM payment",
        ),
        (
            "order.refund_paid",
            "UPDATE refund SET state = 'succeeded', settled_at = CURRENT_TIMESTAMP",
        ),
    ] {
        assert_eq!(of(kind).await, 0, "{kind}");
        shop.by_hand.run(change).await;
        assert_eq!(of(kind).await, 1, "{kind}");
    }
    shop.by_hand.run("ROLLBACK").await;
    assert_eq!(shop.count("outbox_event").await, all);
    // Other changes of the same rows are no events.
    shop.by_hand
        .run("UPDATE customer_order SET changed_at = CURRENT_TIMESTAMP")
        .await;
    assert_eq!(shop.count("outbox_event").await, all);
}
