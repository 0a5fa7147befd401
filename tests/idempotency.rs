//! Idempotency keys: the same key and request, the same answer; another request under it, a refusal.

use std::collections::HashSet;

use doorbuster::model::{ShopError, StrategyKey};
use futures::future::join_all;

use crate::support::{Gate, PATIENCE, PlacesOrders, TestShop, check_audit_clean, within};

const SAFE: [StrategyKey; 2] = [StrategyKey::RowLock, StrategyKey::ConditionalUpdate];

#[tokio::test]
async fn one_key_sent_fifty_times_at_once_buys_once() {
    for strategy in SAFE {
        let shop = TestShop::new().await;
        let product = shop.with_product(60).await;
        let sent = (0..50).map(|_| shop.buy(&product).by(strategy).key("once").spawn());
        let answers: HashSet<_> = within(PATIENCE, "50 answers", join_all(sent))
            .await
            .into_iter()
            .map(|joined| joined.expect("it ends").expect("each has its answer"))
            .map(|receipt| (receipt.order_id, receipt.remaining_stock))
            .collect();
        assert_eq!(answers.len(), 1, "{strategy}: all answers are equal");
        assert_eq!(shop.units_ordered(&product).await, 1, "{strategy}");
        assert_eq!(shop.count("customer_order").await, 1, "{strategy}");
        check_audit_clean(&shop).await;
    }
}

#[tokio::test]
async fn the_same_key_again_has_the_same_answer_whatever_happened_since() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let first = shop.buy(&product).key("again").await.expect("it is sold");
    shop.buy(&product).await.expect("the rest is sold");
    let again = shop.buy(&product).key("again").await;
    assert_eq!(again, Ok(first), "also when there is nothing left");
    assert_eq!(shop.units_ordered(&product).await, 2);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn another_request_under_a_used_key_is_refused() {
    let shop = TestShop::new().await;
    let (product, other) = (shop.with_product(9).await, shop.with_product(9).await);
    shop.buy(&product).key("used").await.expect("it is sold");
    let reused = Err(ShopError::IdempotencyKeyReused);
    assert_eq!(shop.buy(&product).quantity(2).key("used").await, reused);
    assert_eq!(shop.buy(&other).key("used").await, reused);
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.claim = crate::support::shop::claim("used", "checkout", &[&cart.to_string()]);
    let outcome = shop.place_order(request).await;
    assert_eq!(
        outcome.result.map_err(ShopError::from),
        Err(ShopError::IdempotencyKeyReused)
    );
    assert_eq!(shop.count("customer_order").await, 1);
    check_audit_clean(&shop).await;
}

/// The second request arrives while the first is still being worked on.
#[tokio::test]
async fn another_request_under_a_key_in_use_waits_and_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let gate = Gate::closed();
    let first = shop.buy(&product).key("in-use").at(gate.seam()).spawn();
    gate.arrivals(1).await;
    let second = shop.buy(&product).quantity(2).key("in-use").spawn();
    shop.until_blocked(1).await;
    gate.open();
    assert!(first.await.expect("it ends").is_ok());
    assert_eq!(
        second.await.expect("it ends"),
        Err(ShopError::IdempotencyKeyReused)
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_refused_key_may_be_tried_again() {
    for strategy in SAFE {
        let shop = TestShop::new().await;
        let product = shop.with_product(0).await;
        let purchase = shop.buy(&product).by(strategy).key("patient");
        assert_eq!(
            purchase.clone().await,
            Err(product.insufficient(0, 1)),
            "{strategy}"
        );
        assert_eq!(
            shop.count("idempotency_key").await,
            0,
            "{strategy}: no answer is kept for nothing"
        );
        shop.restock(&product, 5).await;
        let receipt = purchase.await.expect("now it is sold");
        assert_eq!(receipt.remaining_stock, Some(4), "{strategy}");
        check_audit_clean(&shop).await;
    }
}

/// Who waited for a key that was then given back asks for himself.
#[tokio::test]
async fn a_key_given_back_by_a_refusal_is_free_for_who_waited() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    let gate = Gate::closed();
    let first = shop.buy(&product).key("shared").at(gate.seam()).spawn();
    gate.arrivals(1).await;
    let second = shop.buy(&product).key("shared").spawn();
    shop.until_blocked(1).await;
    gate.open();
    for answer in [first, second] {
        assert_eq!(
            answer.await.expect("it ends"),
            Err(product.insufficient(0, 1))
        );
    }
    check_audit_clean(&shop).await;
}
