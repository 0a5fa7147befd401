//! Limits per customer: they apply to all orders and to every spelling of the address.

use doorbuster::model::{CartBound, CartExcess, ShopError};
use futures::future::join_all;

use crate::support::{PATIENCE, PlacesOrders, TestShop, check_audit_clean, within};

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
    let excess = CartExcess {
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
