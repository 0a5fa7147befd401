//! Limits per customer: they apply to what is kept of all orders, and to every spelling of the
//! address.

use doorbuster::{
    model::{CartBound, CartRoom, ShopError},
    shop::refunds::OrderAction,
};
use futures::future::join_all;

use crate::support::{
    PATIENCE, PlacesOrders, TestProduct, TestShop, administrator, check_audit_clean,
    shop::{units_of, unkeyed},
    within,
};

#[tokio::test]
async fn twenty_concurrent_checkouts_of_one_customer_stay_within_the_limit() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    let mut orders = Vec::new();
    for checkout in 0..20 {
        let address = match checkout % 4 {
            0 => "ann@example.com".to_owned(),
            1 => "Ann@Example.COM".to_owned(),
            2 => format!("ann+{checkout}@example.com"),
            _ => format!("  ANN+sale+{checkout}@example.com "),
        };
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let (request, shop) = (shop.checkout(cart, &address), shop.handle());
        orders.push(tokio::spawn(async move {
            shop.place_order(request).await.result
        }));
    }
    let results = within(PATIENCE, "20 checkouts", join_all(orders)).await;
    let rejections: Vec<_> = results
        .into_iter()
        .filter_map(|joined| {
            joined
                .expect("the task ends")
                .map_err(ShopError::from)
                .err()
        })
        .collect();
    let over_limit = ShopError::OverCustomerLimit {
        product: product.name.clone(),
        limit: 2,
    };
    assert_eq!(rejections, vec![over_limit.clone(); 18]);
    assert_eq!(
        over_limit.to_string(),
        format!("{} is limited to 2 per customer.", product.name)
    );
    assert_eq!(shop.units_ordered(&product).await, 2);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn each_customer_has_a_separate_limit() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    for address in ["ann@example.com", "ann@example.org", "anna@example.com"] {
        let cart = shop.cart_of(&[(&product, 2)]).await;
        let placed = shop.place_order(shop.checkout(cart, address)).await.result;
        assert!(placed.is_ok(), "{address}: {placed:?}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_cart_cannot_exceed_the_limit_per_customer() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    let over_limit = Err(ShopError::OverCustomerLimit {
        product: product.name.clone(),
        limit: 2,
    });
    let (units, unkeyed) = (
        crate::support::shop::units_of,
        crate::support::shop::unkeyed,
    );
    assert_eq!(
        shop.carts()
            .add(None, product.id, units(3), None)
            .await
            .map(drop),
        over_limit
    );
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let excess = CartRoom {
        bound: CartBound::Customer,
        most: 2,
        in_cart: 2,
    };
    assert_eq!(
        shop.carts()
            .add(Some(cart), product.id, units(1), None)
            .await
            .map(drop),
        Err(ShopError::TooManyInCart(excess))
    );
    assert_eq!(
        shop.carts()
            .set_quantity(unkeyed(cart), product.id, units(3))
            .await,
        over_limit
    );
    assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(2));
    check_audit_clean(&shop).await;
}

/// Nothing is reserved that could not be ordered.
#[tokio::test]
async fn a_cart_over_a_limit_that_was_lowered_reserves_nothing() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).create().await;
    let cart = shop.cart_of(&[(&product, 5)]).await;
    shop.by_hand
        .run("UPDATE product SET per_customer_limit = 2")
        .await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    assert_eq!(reserved.map_err(ShopError::from), over_limit(&product));
    assert_eq!(shop.count("hold").await, 0);
    let fewer = shop
        .carts()
        .set_quantity(unkeyed(cart), product.id, units_of(2));
    fewer.await.expect("it is changed");
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
}

async fn order(
    shop: &TestShop,
    product: &TestProduct,
    units: u32,
    email: &str,
) -> Result<String, ShopError> {
    let cart = shop.cart_of(&[(product, units)]).await;
    let placed = shop.place_order(shop.checkout(cart, email)).await.result;
    placed
        .map(|placed| placed.receipt.order_id)
        .map_err(ShopError::from)
}

async fn apply(shop: &TestShop, order_id: &str, action: OrderAction) {
    shop.order_administration(&administrator())
        .apply(order_id, action, None)
        .await
        .expect("it is applied");
}

fn over_limit<T>(product: &TestProduct) -> Result<T, ShopError> {
    Err(ShopError::OverCustomerLimit {
        product: product.name.clone(),
        limit: 2,
    })
}

#[tokio::test]
async fn returned_units_do_not_count() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    let ann = "ann@example.com";
    let first = order(&shop, &product, 2, ann).await.expect("two are sold");
    assert_eq!(order(&shop, &product, 1, ann).await, over_limit(&product));
    let line_id = shop.line_id(&first, &product).await;
    let quantity = units_of(1);
    apply(&shop, &first, OrderAction::ReturnLine { line_id, quantity }).await;
    assert_eq!(order(&shop, &product, 2, ann).await, over_limit(&product));
    let second = order(&shop, &product, 1, ann).await.expect("one is kept");
    assert_eq!(order(&shop, &product, 1, ann).await, over_limit(&product));
    apply(&shop, &first, OrderAction::ReturnLine { line_id, quantity }).await;
    apply(&shop, &second, OrderAction::Cancel).await;
    let third = order(&shop, &product, 2, ann).await;
    assert!(third.is_ok(), "nothing is kept: {third:?}");
    check_audit_clean(&shop).await;
}

/// The customer has the goods, whatever they paid for them in the end.
#[tokio::test]
async fn units_that_were_refunded_and_not_returned_count() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    let ann = "ann@example.com";
    let first = order(&shop, &product, 2, ann).await.expect("two are sold");
    apply(&shop, &first, OrderAction::RefundAll).await;
    assert_eq!(order(&shop, &product, 1, ann).await, over_limit(&product));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn concurrent_checkouts_after_a_return_stay_within_the_limit() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    let first = order(&shop, &product, 2, "ann@example.com").await;
    let first = first.expect("two are sold");
    let line_id = shop.line_id(&first, &product).await;
    let mut carts = Vec::new();
    for _ in 0..4 {
        carts.push(shop.cart_of(&[(&product, 1)]).await);
    }
    // The return and all checkouts wait for the stock row.
    let blocker = shop.database.by_hand().await;
    blocker
        .run(&format!(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
            product.id
        ))
        .await;
    let returning = {
        let (shop, quantity) = (shop.handle(), units_of(1));
        tokio::spawn(async move {
            shop.order_administration(&administrator())
                .apply(&first, OrderAction::ReturnLine { line_id, quantity }, None)
                .await
        })
    };
    shop.until_blocked(1).await;
    let orders: Vec<_> = carts
        .into_iter()
        .map(|cart| {
            let (request, shop) = (shop.checkout(cart, "Ann+x@Example.com"), shop.handle());
            tokio::spawn(async move { shop.place_order(request).await.result.is_ok() })
        })
        .collect();
    shop.until_blocked(5).await;
    blocker.run("COMMIT").await;
    let returned = within(PATIENCE, "the return", returning).await;
    assert_eq!(returned.expect("the task ends"), Ok(()));
    let sold = within(PATIENCE, "4 checkouts", join_all(orders)).await;
    let sold = sold
        .into_iter()
        .filter(|joined| matches!(joined, Ok(true)))
        .count();
    assert_eq!(sold, 1, "one unit was returned");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn addresses_that_fold_to_nothing_are_customers_of_their_own() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    for address in ["+ann@example.org", "+bob@example.org"] {
        let placed = order(&shop, &product, 2, address).await;
        assert!(placed.is_ok(), "{address}: {placed:?}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn dots_in_a_gmail_address_make_no_second_customer() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    let first = order(&shop, &product, 2, "ann.lee@gmail.com").await;
    first.expect("two are sold");
    for address in [
        "annlee@gmail.com",
        "A.n.n.Lee+more@GoogleMail.com",
        "annl.ee@googlemail.com",
    ] {
        let refused = order(&shop, &product, 1, address).await;
        assert_eq!(refused, over_limit(&product), "{address}");
    }
    let other = order(&shop, &product, 2, "ann.lee@example.com").await;
    other.expect("elsewhere, dots make another mailbox");
}
