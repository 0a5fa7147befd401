//! Placing an order: all lines are ordered, or none.

use doorbuster::{
    model::{Currency, Money, ShopError},
    shop::cart::CheckoutDraft,
};
use uuid::Uuid;

use crate::support::{
    PlacesOrders, TestShop, check_audit_clean,
    shop::{contact, draft, units_of, unkeyed},
};

#[tokio::test]
async fn an_order_uses_the_current_price_of_each_line() {
    let shop = TestShop::new().await;
    let kettle = shop
        .product()
        .named("Kettle")
        .stock(5)
        .price_cents(1_250)
        .create()
        .await;
    let lamp = shop
        .product()
        .named("Lamp")
        .stock(7)
        .price_cents(3_000)
        .create()
        .await;
    let cart = shop.cart_of(&[(&lamp, 1), (&kettle, 2)]).await;
    shop.carts()
        .save_draft(cart, &draft(contact("ann@example.com")))
        .await
        .expect("the draft is stored");
    // The price changes between the cart and the order: the order uses the price stored at that
    // time.
    let reduce = format!(
        "UPDATE product SET price_cents = 1000 WHERE id = {}",
        kettle.id
    );
    shop.by_hand.run(&reduce).await;

    let outcome = shop
        .place_order(shop.checkout(cart, "ann@example.com"))
        .await;
    let receipt = outcome.result.expect("it is placed");

    let order = shop
        .orders()
        .find(&receipt.receipt.order_id)
        .await
        .expect("the order exists");
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| {
            (
                line.product_name.as_str(),
                line.quantity.get(),
                line.amount.cents,
            )
        })
        .collect();
    assert_eq!(lines, [("Kettle", 2, 2_000), ("Lamp", 1, 3_000)]);
    assert_eq!(order.bill.total, Money::new(5_000, Currency::EUR));
    assert_eq!(order.contact, Some(contact("ann@example.com")));
    assert!(
        shop.carts()
            .view(Some(cart))
            .await
            .expect("the cart is read")
            .lines
            .is_empty()
    );
    assert_eq!(
        shop.carts().draft(Some(cart)).await,
        Ok(CheckoutDraft::default()),
        "the draft is deleted"
    );
    assert_eq!(shop.level(&kettle).await.available, 3);
    assert_eq!(shop.level(&lamp).await.available, 6);
    let announced: Vec<_> = shop
        .feed()
        .latest(&[kettle.id, lamp.id])
        .iter()
        .map(|change| change.available)
        .collect();
    assert_eq!(announced, [3, 6]);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_line_without_enough_stock_changes_nothing() {
    let shop = TestShop::new().await;
    let plenty = shop.with_product(10).await;
    let scarce = shop.product().named("Scarce Thing").stock(5).create().await;
    let cart = shop.cart_of(&[(&plenty, 2), (&scarce, 5)]).await;
    shop.carts()
        .save_draft(cart, &draft(contact("ann@example.com")))
        .await
        .expect("the draft is stored");
    shop.buy(&scarce)
        .quantity(2)
        .await
        .expect("another buyer is faster");
    let before = shop.cart_without_time(cart).await;

    let request = shop.checkout(cart, "ann@example.com");
    let refused = shop
        .place_order(request.clone())
        .await
        .result
        .map_err(ShopError::from);

    let refused = refused.expect_err("three do not cover five");
    assert_eq!(
        refused.to_string(),
        "Insufficient stock for Scarce Thing (available: 3, requested: 5)"
    );
    assert_eq!(
        shop.cart_without_time(cart).await,
        before,
        "the cart is unchanged"
    );
    assert_eq!(
        shop.carts().draft(Some(cart)).await,
        Ok(draft(contact("ann@example.com"))),
        "and so is the draft"
    );
    assert_eq!(
        shop.level(&plenty).await.available,
        10,
        "the covered line reserved nothing"
    );
    assert_eq!(
        shop.count("customer_order").await,
        1,
        "only the other buyer's order exists"
    );
    assert!(
        shop.feed().latest(&[plenty.id]).is_empty(),
        "no change was published"
    );

    // A retry with the same key succeeds once the cart is corrected.
    shop.carts()
        .set_quantity(unkeyed(cart), scarce.id, units_of(3))
        .await
        .expect("three are available");
    assert!(shop.place_order(request).await.result.is_ok());
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_empty_cart_cannot_be_ordered() {
    let shop = TestShop::new().await;
    for cart in [
        Uuid::now_v7(),
        shop.cart_of(&[(&shop.with_product(1).await, 1)]).await,
    ] {
        for line in shop
            .carts()
            .view(Some(cart))
            .await
            .expect("the cart is read")
            .lines
        {
            shop.carts()
                .remove(unkeyed(cart), line.product.id)
                .await
                .expect("it is removed");
        }
        let refused = shop
            .place_order(shop.checkout(cart, "ann@example.com"))
            .await
            .result;
        assert_eq!(refused.map_err(ShopError::from), Err(ShopError::CartEmpty));
    }
    assert_eq!(shop.count("idempotency_key").await, 0);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_sale_that_closed_after_adding_to_the_cart_cannot_be_ordered() {
    let shop = TestShop::new().await;
    let (open, closing) = (shop.with_product(5).await, shop.with_product(5).await);
    let cart = shop.cart_of(&[(&open, 1), (&closing, 1)]).await;
    let shown = shop.carts().view(Some(cart)).await.expect("the cart");
    let close = format!(
        "UPDATE product SET sale_ends_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE id = {}",
        closing.id
    );
    shop.by_hand.run(&close).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.expected_items = Some(shown.items());
    let refused = shop.place_order(request).await.result;
    let refused = refused.map_err(ShopError::from);
    assert_eq!(refused, Err(ShopError::ItemsChanged));
    assert_eq!(shop.level(&open).await.available, 5);
    assert_eq!(shop.level(&closing).await.available, 5);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_order_is_found_only_by_its_public_id() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let receipt = shop.buy(&product).quantity(2).await.expect("it is sold");
    let order = shop
        .orders()
        .find(&receipt.order_id)
        .await
        .expect("the order exists");
    assert_eq!((order.contact, order.bill.total.cents), (None, 2_000));
    for unknown in [
        Uuid::now_v7().to_string(),
        "1".to_owned(),
        String::new(),
        "' OR 1=1".to_owned(),
    ] {
        assert_eq!(
            shop.orders().find(&unknown).await,
            Err(ShopError::UnknownOrder),
            "{unknown:?}"
        );
    }
    let latest = shop.orders().latest(5).await.expect("the orders are read");
    assert_eq!(
        latest
            .iter()
            .map(|order| &order.public_id)
            .collect::<Vec<_>>(),
        [&receipt.order_id]
    );
    check_audit_clean(&shop).await;
}

/// The price changes after the page was shown: the order is rejected with the new total, and
/// succeeds once that total is confirmed.
#[tokio::test]
async fn a_total_that_differs_from_the_shown_one_is_rejected() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).price_cents(6_000).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.expected_total_cents = Some(6_000);
    let raise_price = format!(
        "UPDATE product SET price_cents = 7000 WHERE id = {}",
        lamp.id
    );
    shop.by_hand.run(&raise_price).await;

    let refused = shop.place_order(request.clone()).await.result;
    assert_eq!(
        refused.map(drop).map_err(ShopError::from),
        Err(ShopError::TotalChanged {
            shown: "€60.00".to_owned(),
            total: "€70.00".to_owned(),
            // Nothing was reserved at the old price.
            because: String::new(),
        })
    );
    assert_eq!(shop.count("customer_order").await, 0);

    request.expected_total_cents = Some(7_000);
    let placed = shop.place_order(request).await.result;
    assert!(placed.is_ok(), "{placed:?}");
    check_audit_clean(&shop).await;
}
