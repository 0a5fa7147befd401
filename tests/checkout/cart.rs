//! Carts and checkout drafts.

use doorbuster::{
    model::{CartBound, CartLine, CartRoom, Contact, LineProblem, ShopError},
    shop::cart::CheckoutDraft,
};
use uuid::Uuid;

use crate::support::{
    PlacesOrders, TestShop, check_audit_clean,
    shop::{contact, draft, units_of, unkeyed},
};

#[tokio::test]
async fn a_cart_shows_its_subtotal() {
    let shop = TestShop::new().await;
    let kettle = shop.product().stock(10).price_cents(1_250).create().await;
    let lamp = shop.product().stock(10).price_cents(3_000).create().await;
    let cart = shop
        .cart_of(&[(&lamp, 1), (&kettle, 2), (&kettle, 1)])
        .await;
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    let lines: Vec<_> = view
        .lines
        .iter()
        .map(|line| (line.product.id, line.quantity.get(), line.amount.cents))
        .collect();
    assert_eq!(lines, [(kettle.id, 3, 3_750), (lamp.id, 1, 3_000)]);
    assert_eq!(view.subtotal.cents, 6_750);
    assert!(view.can_check_out());
    assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(4));

    shop.carts()
        .set_quantity(unkeyed(cart), kettle.id, units_of(1))
        .await
        .expect("it is set");
    shop.carts()
        .remove(unkeyed(cart), lamp.id)
        .await
        .expect("it is removed");
    shop.carts()
        .remove(unkeyed(cart), lamp.id)
        .await
        .expect("removing it again changes nothing");
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    assert_eq!((view.lines.len(), view.subtotal.cents), (1, 1_250));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_missing_cart_reads_as_empty() {
    let shop = TestShop::new().await;
    for cart in [None, Some(Uuid::now_v7())] {
        assert!(
            shop.carts()
                .view(cart)
                .await
                .expect("it is read")
                .lines
                .is_empty()
        );
        assert_eq!(shop.carts().unit_count(cart).await, Ok(0));
        assert_eq!(shop.carts().draft(cart).await, Ok(CheckoutDraft::default()));
    }
    assert_eq!(shop.count("cart").await, 0, "reading creates no cart");
}

#[tokio::test]
async fn a_cart_cannot_contain_more_than_the_available_stock() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let refused = shop.carts().add(None, product.id, units_of(5), None).await;
    assert_eq!(refused.map(drop), Err(product.insufficient(3, 5)));
    assert_eq!(shop.count("cart").await, 0, "a rejection creates no cart");
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let refused = shop
        .carts()
        .add(Some(cart), product.id, units_of(2), None)
        .await;
    let excess = CartRoom {
        bound: CartBound::Stock,
        most: 3,
        in_cart: 2,
    };
    assert_eq!(refused.map(drop), Err(ShopError::TooManyInCart(excess)));
    assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(2));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_line_that_sold_out_is_shown_as_not_covered() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    shop.buy(&product)
        .quantity(2)
        .await
        .expect("another buyer is faster");
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    let problem = view.lines[0].problem();
    assert_eq!(problem, Some(LineProblem::Short { left: 1 }));
    assert!(!view.can_check_out());
    assert_eq!(view.lines[0].product.available, 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_line_contains_at_most_a_thousand_units() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5_000).await;
    let cart = shop.cart_of(&[(&product, 1_000)]).await;
    let refused = shop
        .carts()
        .add(Some(cart), product.id, units_of(1), None)
        .await;
    let excess = CartRoom {
        bound: CartBound::Line,
        most: 1_000,
        in_cart: 1_000,
    };
    assert_eq!(refused.map(drop), Err(ShopError::TooManyInCart(excess)));
    assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(1_000));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_quantity_of_a_product_outside_the_cart_cannot_be_set() {
    let shop = TestShop::new().await;
    let (product, other) = (shop.with_product(3).await, shop.with_product(3).await);
    let cart = shop.cart_of(&[(&product, 1)]).await;
    for cart in [cart, Uuid::now_v7()] {
        let refused = shop
            .carts()
            .set_quantity(unkeyed(cart), other.id, units_of(2))
            .await;
        assert_eq!(refused, Err(ShopError::CartEmpty));
    }
    assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(1));
}

#[tokio::test]
async fn a_product_outside_its_sale_cannot_be_added() {
    let shop = TestShop::new().await;
    let over = shop.product().ends_in("-1 minute").create().await;
    let refused = shop.carts().add(None, over.id, units_of(1), None).await;
    assert_eq!(
        refused.map(drop),
        Err(ShopError::SaleEnded {
            product: over.name.clone()
        })
    );
    let later = shop.product().starts_in("1 minute").create().await;
    let refused = shop.carts().add(None, later.id, units_of(1), None).await;
    assert!(
        matches!(refused, Err(ShopError::SaleNotStarted { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_checkout_draft_is_stored_with_its_cart() {
    let shop = TestShop::new().await;
    let cart = Uuid::now_v7();
    let half = Contact {
        name: "Änn O'Buyer <b>".to_owned(),
        ..Contact::default()
    };
    shop.carts()
        .save_draft(cart, &draft(half.clone()))
        .await
        .expect("a partly filled form is stored");
    assert_eq!(shop.carts().draft(Some(cart)).await, Ok(draft(half)));
    shop.carts()
        .save_draft(cart, &draft(contact("ann@example.com")))
        .await
        .expect("a complete form replaces it");
    assert_eq!(
        shop.carts().draft(Some(cart)).await,
        Ok(draft(contact("ann@example.com")))
    );
    assert_eq!(
        shop.carts().draft(Some(Uuid::now_v7())).await,
        Ok(CheckoutDraft::default()),
        "another cart has no draft"
    );
    shop.by_hand
        .run("UPDATE checkout_draft SET fields = '{\"older\": \"shape\"}'")
        .await;
    assert_eq!(
        shop.carts().draft(Some(cart)).await,
        Ok(CheckoutDraft::default()),
        "an older format is not an error"
    );
}

/// A line whose sale has ended blocked every other change.
#[tokio::test]
async fn a_line_outside_its_sale_blocks_nothing() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(9).await, shop.with_product(9).await);
    let ending = shop.with_product(9).await;
    let later = shop.with_product(9).await;
    let cart = shop
        .cart_of(&[(&kettle, 1), (&ending, 2), (&later, 3)])
        .await;
    let reserved = shop.reservations().reserve(cart, None).await;
    reserved.result.expect("it is reserved");
    for (product, column, interval) in [
        (&ending, "sale_ends_at", "-1 minute"),
        (&later, "sale_starts_at", "1 hour"),
    ] {
        shop.by_hand
            .run(&format!(
                "UPDATE product SET {column} = CURRENT_TIMESTAMP + INTERVAL '{interval}' WHERE id = {}",
                product.id
            ))
            .await;
    }
    let carts = shop.carts();
    let added = carts.add(Some(cart), lamp.id, units_of(1), None).await;
    added.expect("another product is added");
    let set = carts.set_quantity(unkeyed(cart), kettle.id, units_of(2));
    set.await.expect("another line is changed");
    let refused = carts.set_quantity(unkeyed(cart), ending.id, units_of(1));
    assert!(matches!(refused.await, Err(ShopError::SaleEnded { .. })));

    let view = carts.view(Some(cart)).await.expect("the cart is read");
    let problems: Vec<_> = view.lines.iter().map(CartLine::problem).collect();
    assert!(
        matches!(
            problems[..],
            [
                None,
                None,
                Some(LineProblem::Ended),
                Some(LineProblem::NotStarted { .. })
            ]
        ),
        "{problems:?}"
    );
    assert_eq!(view.unit_count(), 3, "only what is on sale is counted");
    let amounts = view.lines_on_sale().map(|line| line.amount.cents);
    assert_eq!(view.subtotal.cents, amounts.sum::<i64>());
    assert!(view.can_check_out());

    let paid = shop.place_order(shop.checkout(cart, "ann@example.com"));
    paid.await.result.expect("the rest is paid");
    assert_eq!(shop.level(&kettle).await.sold, 2);
    assert_eq!(shop.level(&ending).await.sold, 0);
    let view = carts.view(Some(cart)).await.expect("the cart is read");
    assert_eq!(view.lines.len(), 2, "what was not ordered is still there");
    for product in [&ending, &later] {
        let removed = carts.remove(unkeyed(cart), product.id).await;
        removed.expect("it can be removed");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_cart_of_nothing_on_sale_cannot_be_reserved_and_says_why() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    shop.by_hand
        .run(&format!(
            "UPDATE product SET sale_ends_at = CURRENT_TIMESTAMP - INTERVAL '1 minute' WHERE id = {}",
            product.id
        ))
        .await;
    let reserved = shop.reservations().reserve(cart, None).await;
    let ended = ShopError::SaleEnded {
        product: product.name.clone(),
    };
    assert_eq!(reserved.result.map_err(ShopError::from), Err(ended));
    let view = shop.carts().view(Some(cart)).await.expect("it is read");
    assert!(!view.can_check_out());
    assert_eq!((view.subtotal.cents, view.unit_count()), (0, 0));
}

/// "1 × Day Backpack" was still said to be in the cart.
#[tokio::test]
async fn what_expired_is_mentioned_only_while_it_is_in_the_cart() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(9).await, shop.with_product(9).await);
    let cart = shop.cart_of(&[(&kettle, 3), (&lamp, 1)]).await;
    let reserved = shop.reservations().reserve(cart, None).await;
    reserved.result.expect("it is reserved");
    shop.expire_holds().await;
    let released = async || {
        let view = shop.carts().view(Some(cart)).await.expect("it is read");
        let lines = view.released.into_iter();
        lines
            .map(|line| (line.product_id, line.quantity))
            .collect::<Vec<_>>()
    };
    assert_eq!(released().await, [(kettle.id, 3), (lamp.id, 1)]);
    let removed = shop.carts().remove(unkeyed(cart), lamp.id).await;
    removed.expect("it is removed");
    assert_eq!(released().await, [(kettle.id, 3)]);
    let set = shop
        .carts()
        .set_quantity(unkeyed(cart), kettle.id, units_of(2));
    set.await.expect("it is changed");
    assert_eq!(released().await, [(kettle.id, 2)]);
    let removed = shop.carts().remove(unkeyed(cart), kettle.id).await;
    removed.expect("it is removed");
    assert!(released().await.is_empty());
}

#[tokio::test]
async fn too_many_units_say_that_some_are_in_the_cart_already() {
    let shop = TestShop::new().await;
    let few = shop.with_product(5).await;
    let limited = shop.product().stock(50).limit(2).create().await;
    let many = shop.with_product(5_000).await;
    for (product, had, more, sentence) in [
        (
            &few,
            1,
            9,
            "Only 5 left, and 1 is in your cart: you can add 4 more.",
        ),
        (
            &limited,
            1,
            2,
            "2 is the limit per customer, and 1 is in your cart: you can add 1 more.",
        ),
        (
            &many,
            9,
            999,
            "1,000 is the limit per product, and 9 are in your cart: you can add 991 more.",
        ),
    ] {
        let cart = shop.cart_of(&[(product, had)]).await;
        let added = shop
            .carts()
            .add(Some(cart), product.id, units_of(more), None);
        let refused = added.await.expect_err("it is too much").to_string();
        assert_eq!(refused, sentence);
        // The same while the cart is reserved.
        let reserved = shop.reservations().reserve(cart, None).await;
        reserved.result.expect("it is reserved");
        let added = shop
            .carts()
            .add(Some(cart), product.id, units_of(more), None);
        let refused = added.await.expect_err("it is too much").to_string();
        assert_eq!(refused, sentence, "reserved");
    }
}
