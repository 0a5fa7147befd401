//! A new price never changes the total of a reserved cart without saying so.

use doorbuster::model::ShopError;

use super::{NewPlan, plan, times};
use crate::support::{PlacesOrders, TestShop, check_audit_clean};

#[tokio::test]
async fn paying_the_old_total_names_both_prices_and_keeps_the_reservation() {
    let shop = TestShop::new().await;
    let lamp = shop
        .product()
        .named("Desk Lamp")
        .stock(5)
        .price_cents(6_000)
        .create()
        .await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let reserved = shop.reservations().reserve(cart, None).await;
    reserved.result.expect("it is reserved");
    let before = shop.carts().view(Some(cart)).await.expect("the cart");
    assert_eq!(before.lines[0].price_change(), None);
    let dearer = NewPlan {
        price_cents: Some(7_000),
        ..times(None, None)
    };
    plan(&shop, &lamp, dearer).await.expect("it is planned");
    // The cart's page says it before the shopper pays.
    let after = shop.carts().view(Some(cart)).await.expect("the cart");
    let sentence = "The price of Desk Lamp changed from €60.00 to €70.00.";
    assert_eq!(after.lines[0].price_change().as_deref(), Some(sentence));
    let mut request = shop.checkout(cart, "ann@example.com");
    request.expected_total_cents = Some(6_000);
    let refused = shop.place_order(request.clone()).await.result;
    let refused = refused.map(drop).map_err(ShopError::from);
    let error = refused.expect_err("the total has changed");
    assert_eq!(error.status(), 409);
    assert_eq!(
        error.to_string(),
        format!(
            "{sentence} The total was €60.00 and is now €70.00. Nothing was charged. Check it and pay again."
        )
    );
    assert_eq!(shop.count("customer_order").await, 0);
    assert_eq!(shop.count("payment").await, 0);
    assert_eq!(shop.level(&lamp).await.reserved, 1);
    request.expected_total_cents = Some(7_000);
    shop.place_order(request).await.result.expect("it is paid");
    let price: i64 = shop
        .by_hand
        .value("SELECT unit_price_cents FROM order_line")
        .await;
    assert_eq!(price, 7_000);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_express_purchase_has_the_current_price() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).price_cents(6_000).create().await;
    let cheaper = NewPlan {
        price_cents: Some(5_000),
        ..times(None, None)
    };
    plan(&shop, &lamp, cheaper).await.expect("it is planned");
    shop.buy(&lamp).await.expect("it is sold");
    let price: i64 = shop
        .by_hand
        .value("SELECT unit_price_cents FROM order_line")
        .await;
    assert_eq!(price, 5_000);
    check_audit_clean(&shop).await;
}
