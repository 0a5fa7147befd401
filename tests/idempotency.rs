//! Idempotency keys: the same key with the same request returns the same response; another request
//! with it is rejected.

use std::collections::HashSet;

use doorbuster::{
    db::retention,
    model::{OrderStatus, ShopError, StrategyKey},
    payment::gateway::{ChargeState, ProviderEvent},
    shop::{
        checkout::{self, OrderRequest},
        idempotency::{Claim, Key, OLD_KEYS},
    },
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    Gate, PATIENCE, PlacesOrders, TestShop, administrator, check_audit_clean,
    shop::{claim, long_key, units_of},
    strategies, within,
};

/// The strategies that may sell a product of the shop.
fn shop_worthy() -> impl Iterator<Item = StrategyKey> {
    strategies().filter(|strategy| strategy.may_sell_in_shop())
}

#[tokio::test]
async fn one_key_sent_fifty_times_at_once_buys_once() {
    let shop = TestShop::new().await;
    // The writer of a batch answers the requests with one key one after the other, and a busy
    // machine may need more than a request's deadline for fifty.
    let patient = shop.handle().with_deadline(PATIENCE);
    for (strategy, orders) in shop_worthy().zip(1..) {
        let product = shop.with_product(60).await;
        let purchase = shop.buy(&product).by(strategy).on(&patient);
        let purchase = purchase.key(&format!("once-{strategy}"));
        let sent = (0..50).map(|_| purchase.clone().spawn());
        let responses: HashSet<_> = within(PATIENCE, "50 responses", join_all(sent))
            .await
            .into_iter()
            .map(|joined| {
                joined
                    .expect("the task ends")
                    .expect("each request succeeds")
            })
            .map(|receipt| (receipt.order_id, receipt.remaining_stock))
            .collect();
        assert_eq!(responses.len(), 1, "{strategy}: all responses are equal");
        assert_eq!(shop.units_ordered(&product).await, 1, "{strategy}");
        assert_eq!(shop.count("customer_order").await, orders, "{strategy}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_repeated_key_returns_the_same_response_after_the_stock_sold_out() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let first = shop.buy(&product).key("again").await.expect("it is sold");
    shop.buy(&product).await.expect("the rest is sold");
    let again = shop.buy(&product).key("again").await;
    assert_eq!(again, Ok(first), "also after the stock sold out");
    assert_eq!(shop.units_ordered(&product).await, 2);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn another_request_with_a_used_key_is_rejected() {
    let shop = TestShop::new().await;
    let (product, other) = (shop.with_product(9).await, shop.with_product(9).await);
    shop.buy(&product).key("used").await.expect("it is sold");
    let reused = Err(ShopError::IdempotencyKeyReused);
    assert_eq!(shop.buy(&product).quantity(2).key("used").await, reused);
    assert_eq!(shop.buy(&other).key("used").await, reused);
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.claim = claim("used", "checkout", &[&cart.to_string()]);
    let outcome = shop.place_order(request).await;
    assert_eq!(
        outcome.result.map_err(ShopError::from),
        Err(ShopError::IdempotencyKeyReused)
    );
    assert_eq!(shop.count("customer_order").await, 1);
    check_audit_clean(&shop).await;
}

/// The second request arrives while the first is in progress.
#[tokio::test]
async fn another_request_with_a_key_in_use_waits_and_is_rejected() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let gate = Gate::closed();
    let first = shop
        .buy(&product)
        .key("in-use")
        .at(gate.injection_point())
        .spawn();
    gate.arrivals(1).await;
    let second = shop.buy(&product).quantity(2).key("in-use").spawn();
    shop.until_blocked(1).await;
    gate.open();
    assert!(first.await.expect("the task ends").is_ok());
    assert_eq!(
        second.await.expect("the task ends"),
        Err(ShopError::IdempotencyKeyReused)
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_rejected_request_can_be_retried_with_its_key() {
    let shop = TestShop::new().await;
    for strategy in shop_worthy() {
        let product = shop.with_product(0).await;
        let key = format!("retried-{strategy}");
        let purchase = shop.buy(&product).by(strategy).key(&key);
        assert_eq!(
            purchase.clone().await,
            Err(product.insufficient(0, 1)),
            "{strategy}"
        );
        assert_eq!(
            shop.count(&format!("idempotency_key WHERE key = '{}'", long_key(&key)))
                .await,
            0,
            "{strategy}: a rejection stores no response"
        );
        // By the shop, which knows at once that units are for sale again.
        let stock = shop.stock_administration(&administrator());
        let received = stock.receive(product.id, units_of(5), None).await;
        received.expect("it is received");
        let receipt = purchase.await.expect("now it is sold");
        assert_eq!(receipt.remaining_stock, Some(4), "{strategy}");
    }
    check_audit_clean(&shop).await;
}

/// A request that waited for the key is processed itself after the rollback freed the key.
#[tokio::test]
async fn a_rejection_frees_its_key_for_a_waiting_request() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let gate = Gate::closed();
    let first = shop
        .buy(&product)
        .key("shared")
        .at(gate.injection_point())
        .spawn();
    gate.arrivals(1).await;
    let second = shop.buy(&product).key("shared").spawn();
    shop.until_blocked(1).await;
    gate.open();
    for response in [first, second] {
        assert_eq!(
            response.await.expect("the task ends"),
            Err(product.insufficient(0, 1))
        );
    }
    check_audit_clean(&shop).await;
}

fn checkout_claim(name: &str, request: &OrderRequest) -> Claim {
    let key = Key::of_cart(request.cart_id, &long_key(name)).expect("a valid key");
    checkout::claim(key, request.cart_id, &request.contact, None)
}

#[tokio::test]
async fn one_checkout_sent_fifty_times_at_once_creates_one_order() {
    let shop = TestShop::new().await;
    let product = shop.with_product(60).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.claim = checkout_claim("once", &request);
    let sent = (0..50).map(|_| {
        let (shop, request) = (shop.handle(), request.clone());
        tokio::spawn(async move {
            shop.place_order(request)
                .await
                .result
                .map_err(ShopError::from)
        })
    });
    let responses: HashSet<_> = within(PATIENCE, "50 responses", join_all(sent))
        .await
        .into_iter()
        .map(|joined| {
            joined
                .expect("the task ends")
                .expect("each request succeeds")
        })
        .map(|response| (response.receipt.order_id, response.status.as_str()))
        .collect();
    assert_eq!(responses.len(), 1, "all responses are equal: {responses:?}");
    assert_eq!(shop.count("customer_order").await, 1);
    assert_eq!(shop.count("payment").await, 1);
    assert_eq!(shop.count("provider.charge").await, 1);
    assert_eq!(shop.level(&product).await.sold, 2);
}

#[tokio::test]
async fn another_form_with_a_used_key_is_a_conflict() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.claim = checkout_claim("used", &request);
    let placed = shop.place_order(request).await.result;
    placed.expect("it is placed");
    let mut request = shop.checkout(cart, "ben@example.com");
    request.claim = checkout_claim("used", &request);
    let refused = shop.place_order(request).await.result;
    let error = refused.map_err(ShopError::from).expect_err("it is refused");
    assert_eq!(error, ShopError::IdempotencyKeyReused);
    assert_eq!(error.status(), 409);
    assert_eq!(shop.count("customer_order").await, 1);
}

/// Two shoppers may choose the same key: it belongs to the cart.
#[tokio::test]
async fn the_same_key_of_two_carts_creates_two_orders() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let mut orders = HashSet::new();
    for _ in 0..2 {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let mut request = shop.checkout(cart, "ann@example.com");
        request.claim = checkout_claim("the-same-key", &request);
        let placed = shop.place_order(request).await.result;
        orders.insert(placed.expect("it is placed").receipt.order_id);
    }
    assert_eq!(orders.len(), 2);
    assert_eq!(shop.count("customer_order").await, 2);
}

#[tokio::test]
async fn a_rejected_checkout_retried_with_its_key_after_a_restock_is_sold() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    shop.buy(&product).await.expect("another buyer is faster");
    let mut request = shop.checkout(cart, "ann@example.com");
    request.claim = checkout_claim("retried", &request);
    for _ in 0..2 {
        let refused = shop.place_order(request.clone()).await.result;
        assert_eq!(
            refused.map_err(ShopError::from),
            Err(product.insufficient(1, 2))
        );
    }
    shop.restock(&product, 5).await;
    let placed = shop.place_order(request).await.result;
    assert_eq!(placed.expect("now it is sold").status, OrderStatus::Paid);
    assert_eq!(shop.level(&product).await.sold, 3);
}

#[tokio::test]
async fn one_addition_sent_ten_times_at_once_is_added_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(60).await;
    let sent = (0..10).map(|_| {
        let (shop, id) = (shop.handle(), product.id);
        tokio::spawn(async move {
            let key = claim("add", "add to cart", &["3"]);
            shop.carts().add(None, id, units_of(3), Some(key)).await
        })
    });
    let carts: HashSet<_> = within(PATIENCE, "10 responses", join_all(sent))
        .await
        .into_iter()
        .map(|joined| joined.expect("the task ends").expect("it is added"))
        .collect();
    assert_eq!(carts.len(), 1, "it is one cart");
    for cart in carts {
        assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(3));
    }
    assert_eq!(shop.count("cart").await, 1);
}

#[tokio::test]
async fn keys_are_deleted_after_three_days_and_webhook_events_never() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.claim = checkout_claim("old", &request);
    let placed = shop.place_order(request).await.result;
    placed.expect("it is placed");
    shop.buy(&product).key("young").await.expect("it is sold");
    let charge: Uuid = shop.by_hand.value("SELECT reference FROM payment").await;
    let event = ProviderEvent {
        event_id: "evt_old".to_owned(),
        kind: "charge.captured".to_owned(),
        charge,
        charge_state: ChargeState::Captured,
        captured: None,
        refund: None,
        refund_cents: None,
    };
    shop.payments()
        .process_webhook_event(event)
        .await
        .expect("it is processed");
    shop.by_hand
        .run(
            "UPDATE idempotency_key SET created_at = CURRENT_TIMESTAMP - (CASE WHEN key LIKE 'cart/%' THEN 4321 ELSE 4319 END) * INTERVAL '1 minute'; \
             UPDATE payment_event SET received_at = CURRENT_TIMESTAMP - INTERVAL '400 days'",
        )
        .await;
    let deleted = retention::delete(shop.db(), &OLD_KEYS, PATIENCE).await;
    assert_eq!(deleted.map(|deleted| deleted.count).ok(), Some(1));
    let remaining: String = shop.by_hand.value("SELECT key FROM idempotency_key").await;
    assert_eq!(remaining, long_key("young"));
    assert_eq!(shop.count("payment_event").await, 1);
}
