//! Checkouts that meet.

use doorbuster::model::ShopError;
use futures::future::join_all;

use crate::support::{Gate, PATIENCE, PlacesOrders, TestShop, check_audit_clean, within};

/// One cart was filled in the order of ids, the other against it; the rows are locked in the order of ids all the same. A deadlock would be
/// retried and go unseen, so what is checked is that neither needed a second attempt.
#[tokio::test]
async fn carts_filled_in_opposite_order_do_not_deadlock() {
    let shop = TestShop::new().await;
    let (low, high) = (shop.with_product(5).await, shop.with_product(5).await);
    let carts = [
        shop.cart_of(&[(&low, 1), (&high, 1)]).await,
        shop.cart_of(&[(&high, 1), (&low, 1)]).await,
    ];
    // Both are stopped at the row of the lower id. Whoever had locked the higher one first would now hold what the other needs.
    let queue = shop.database.by_hand().await;
    queue
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
        "neither has the higher row while it waits for the lower"
    );
    queue.run("COMMIT").await;
    for order in orders {
        let outcome = order.await.expect("it ends");
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
async fn a_form_sent_twice_at_once_is_one_order() {
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
    let first = place(shop.at(gate.seam()));
    gate.arrivals(1).await;
    let second = place(shop.handle());
    shop.until_blocked(1).await;
    gate.open();
    let first = first.await.expect("it ends");
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(
        second.await.expect("it ends"),
        first,
        "the second click reads the first one's answer"
    );
    assert_eq!(shop.count("customer_order").await, 1);
    assert_eq!(shop.level(&product).await.sold, 2);
    check_audit_clean(&shop).await;
}

/// Two tabs with a form each: other keys, one cart. What was ordered once is no longer in it.
#[tokio::test]
async fn one_cart_sent_from_two_tabs_is_one_order() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let gate = Gate::closed();
    let (one, two) = (
        shop.checkout(cart, "ann@example.com"),
        shop.checkout(cart, "ann@example.com"),
    );
    let (held, free) = (shop.at(gate.seam()), shop.handle());
    let first = tokio::spawn(async move { held.place_order(one).await.result });
    gate.arrivals(1).await;
    let second = tokio::spawn(async move { free.place_order(two).await.result });
    shop.until_blocked(1).await;
    gate.open();
    assert!(first.await.expect("it ends").is_ok());
    let second = second.await.expect("it ends").map_err(ShopError::from);
    assert_eq!(second, Err(ShopError::CartEmpty));
    assert_eq!(shop.level(&product).await.sold, 2);
    check_audit_clean(&shop).await;
}

/// Two tabs again, this time putting things into a cart that neither has made yet.
#[tokio::test]
async fn additions_from_many_tabs_all_count() {
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    let cart = uuid::Uuid::now_v7();
    let added = (0..12).map(|_| {
        let (shop, product) = (shop.handle(), product.clone());
        tokio::spawn(async move {
            shop.add_to_cart(
                Some(cart),
                product.id,
                crate::support::shop::units_of(2),
                None,
            )
            .await
        })
    });
    for joined in within(PATIENCE, "12 additions", join_all(added)).await {
        assert_eq!(joined.expect("it ends"), Ok(cart));
    }
    assert_eq!(shop.cart_unit_count(Some(cart)).await, Ok(24));
    check_audit_clean(&shop).await;
}
