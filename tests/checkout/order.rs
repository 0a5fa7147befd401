//! Placing an order: all of it, or nothing.

use doorbuster::{
    model::{Currency, Money, ShopError},
    shop::cart::Draft,
};
use uuid::Uuid;

use crate::support::{
    PlacesOrders, TestShop, check_audit_clean,
    shop::{contact, draft, units_of, unkeyed},
};

#[tokio::test]
async fn an_order_takes_every_line_at_the_price_of_the_database() {
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
    shop.keep_draft(cart, &draft(contact("ann@example.com")))
        .await
        .expect("the draft is kept");
    // The price changes between the cart and the order: what counts is what the database says then.
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
        .order(&receipt.receipt.order_id)
        .await
        .expect("the order is there");
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
        shop.cart(Some(cart))
            .await
            .expect("the cart is read")
            .lines
            .is_empty()
    );
    assert_eq!(
        shop.draft(Some(cart)).await,
        Ok(Draft::default()),
        "what was typed is forgotten"
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
async fn a_line_that_is_not_covered_leaves_everything_as_it_was() {
    let shop = TestShop::new().await;
    let plenty = shop.with_product(10).await;
    let scarce = shop.product().named("Scarce Thing").stock(5).create().await;
    let cart = shop.cart_of(&[(&plenty, 2), (&scarce, 5)]).await;
    shop.keep_draft(cart, &draft(contact("ann@example.com")))
        .await
        .expect("the draft is kept");
    shop.buy(&scarce)
        .quantity(2)
        .await
        .expect("somebody else is quicker");
    let before = shop.cart(Some(cart)).await;

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
    assert_eq!(shop.cart(Some(cart)).await, before, "the cart is as it was");
    assert_eq!(
        shop.draft(Some(cart)).await,
        Ok(draft(contact("ann@example.com"))),
        "and so is the form"
    );
    assert_eq!(
        shop.level(&plenty).await.available,
        10,
        "the covered line took nothing"
    );
    assert_eq!(shop.count("customer_order").await, 1, "the other buyer's");
    assert!(
        shop.feed().latest(&[plenty.id]).is_empty(),
        "nothing was announced"
    );

    // With the same key, once the cart is right.
    shop.set_cart_quantity(unkeyed(cart), scarce.id, units_of(3))
        .await
        .expect("three are there");
    assert!(shop.place_order(request).await.result.is_ok());
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_empty_cart_is_no_order() {
    let shop = TestShop::new().await;
    for cart in [
        Uuid::now_v7(),
        shop.cart_of(&[(&shop.with_product(1).await, 1)]).await,
    ] {
        for line in shop.cart(Some(cart)).await.expect("the cart is read").lines {
            shop.remove_from_cart(unkeyed(cart), line.product.id)
                .await
                .expect("it is taken out");
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
async fn a_sale_that_closed_meanwhile_is_no_order() {
    let shop = TestShop::new().await;
    let (open, closing) = (shop.with_product(5).await, shop.with_product(5).await);
    let cart = shop.cart_of(&[(&open, 1), (&closing, 1)]).await;
    let close = format!(
        "UPDATE product SET sale_ends_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE id = {}",
        closing.id
    );
    shop.by_hand.run(&close).await;
    let refused = shop
        .place_order(shop.checkout(cart, "ann@example.com"))
        .await
        .result;
    let expected = ShopError::SaleEnded {
        product: closing.name.clone(),
    };
    assert_eq!(refused.map_err(ShopError::from), Err(expected));
    assert_eq!(shop.level(&open).await.available, 5);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_order_is_found_by_its_link_alone() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let receipt = shop.buy(&product).quantity(2).await.expect("it is sold");
    let order = shop
        .order(&receipt.order_id)
        .await
        .expect("the order is there");
    assert_eq!((order.contact, order.bill.total.cents), (None, 2_000));
    for unknown in [
        Uuid::now_v7().to_string(),
        "1".to_owned(),
        String::new(),
        "' OR 1=1".to_owned(),
    ] {
        assert_eq!(
            shop.order(&unknown).await,
            Err(ShopError::UnknownOrder),
            "{unknown:?}"
        );
    }
    let latest = shop.latest_orders(5).await.expect("the orders are read");
    assert_eq!(
        latest
            .iter()
            .map(|order| &order.public_id)
            .collect::<Vec<_>>(),
        [&receipt.order_id]
    );
    check_audit_clean(&shop).await;
}

/// The price changes between the page and the press: the shopper is told, and pays what they then see.
#[tokio::test]
async fn nobody_is_charged_another_total_than_they_were_shown() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).price_cents(6_000).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.expected_total_cents = Some(6_000);
    let dearer = format!(
        "UPDATE product SET price_cents = 7000 WHERE id = {}",
        lamp.id
    );
    shop.by_hand.run(&dearer).await;

    let refused = shop.place_order(request.clone()).await.result;
    let total = "€70.00".to_owned();
    assert_eq!(
        refused.map(drop).map_err(ShopError::from),
        Err(ShopError::TotalChanged { total })
    );
    assert_eq!(shop.count("customer_order").await, 0);

    request.expected_total_cents = Some(7_000);
    let placed = shop.place_order(request).await.result;
    assert!(placed.is_ok(), "{placed:?}");
    check_audit_clean(&shop).await;
}
