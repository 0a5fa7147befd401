//! Concurrent checkouts and cart changes.

use doorbuster::model::ShopError;
use futures::future::join_all;

use crate::support::{Gate, PATIENCE, PlacesOrders, TestShop, check_audit_clean, within};

/// One cart was filled in id order, the other in reverse; both checkouts lock the rows in id order.
/// A deadlock would be retried and remain unnoticed, so the test checks that neither needed a
/// second attempt.
#[tokio::test]
async fn carts_filled_in_opposite_order_do_not_deadlock() {
    let shop = TestShop::new().await;
    let (low, high) = (shop.with_product(5).await, shop.with_product(5).await);
    let carts = [
        shop.cart_of(&[(&low, 1), (&high, 1)]).await,
        shop.cart_of(&[(&high, 1), (&low, 1)]).await,
    ];
    // Both are blocked at the row with the lower id. A checkout that had locked the higher row
    // first would now hold a row that the other needs.
    let blocker = shop.database.by_hand().await;
    blocker
        .run(&format!(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
            low.id
        ))
        .await;
    let orders = carts.map(|cart| {
        let (request, shop) = (
            shop.checkout(cart, &format!("{cart}@example.com")),
            shop.handle(),
        );
        tokio::spawn(async move { shop.place_order(request).await })
    });
    shop.until_blocked(2).await;
    let free: i64 = shop
        .by_hand
        .value(&format!(
            "SELECT count(*) FROM (SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE SKIP LOCKED) free",
            high.id
        ))
        .await;
    assert_eq!(
        free, 1,
        "neither holds the higher row while it waits for the lower one"
    );
    blocker.run("COMMIT").await;
    for order in orders {
        let outcome = order.await.expect("the task ends");
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        assert_eq!(outcome.attempts, 1);
    }
    assert_eq!(
        (shop.level(&low).await.sold, shop.level(&high).await.sold),
        (2, 2)
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_form_submitted_twice_at_once_creates_one_order() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let gate = Gate::closed();
    let place = |shop: doorbuster::shop::Shop| {
        let request = request.clone();
        tokio::spawn(async move {
            shop.place_order(request)
                .await
                .result
                .map_err(ShopError::from)
        })
    };
    let first = place(shop.at(gate.injection_point()));
    gate.arrivals(1).await;
    let second = place(shop.handle());
    shop.until_blocked(1).await;
    gate.open();
    let first = first.await.expect("the task ends");
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(
        second.await.expect("the task ends"),
        first,
        "the second request returns the response of the first"
    );
    assert_eq!(shop.count("customer_order").await, 1);
    assert_eq!(shop.level(&product).await.sold, 2);
    check_audit_clean(&shop).await;
}

/// Two tabs submit one cart with different keys. After the first order the cart is empty.
#[tokio::test]
async fn one_cart_submitted_from_two_tabs_creates_one_order() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let gate = Gate::closed();
    let (one, two) = (
        shop.checkout(cart, "ann@example.com"),
        shop.checkout(cart, "ann@example.com"),
    );
    let (held, free) = (shop.at(gate.injection_point()), shop.handle());
    let first = tokio::spawn(async move { held.place_order(one).await.result });
    gate.arrivals(1).await;
    let second = tokio::spawn(async move { free.place_order(two).await.result });
    shop.until_blocked(1).await;
    gate.open();
    assert!(first.await.expect("the task ends").is_ok());
    let second = second
        .await
        .expect("the task ends")
        .map_err(ShopError::from);
    assert_eq!(second, Err(ShopError::CartEmpty));
    assert_eq!(shop.level(&product).await.sold, 2);
    check_audit_clean(&shop).await;
}

/// Many tabs add to a cart that does not exist yet.
#[tokio::test]
async fn concurrent_additions_to_one_cart_are_all_counted() {
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    let cart = uuid::Uuid::now_v7();
    let added = (0..12).map(|_| {
        let (shop, product) = (shop.handle(), product.clone());
        tokio::spawn(async move {
            shop.carts()
                .add(
                    Some(cart),
                    product.id,
                    crate::support::shop::units_of(2),
                    None,
                )
                .await
        })
    });
    for joined in within(PATIENCE, "12 additions", join_all(added)).await {
        assert_eq!(joined.expect("the task ends"), Ok(cart));
    }
    assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(24));
    check_audit_clean(&shop).await;
}
