//! Refusals: a clear message, and no row is written.

use doorbuster::model::ShopError;

use super::shop_worthy;
use crate::support::{TestProduct, TestShop, check_audit_clean};

/// Buys with each strategy and checks that the refusal is the same and no row was written.
async fn check_refused(
    shop: &TestShop,
    product: &TestProduct,
    quantity: u32,
    expected: &ShopError,
) {
    for strategy in shop_worthy() {
        let key = format!("refused-{}-{strategy}", product.id);
        let refused = shop
            .buy(product)
            .by(strategy)
            .quantity(quantity)
            .key(&key)
            .await;
        assert_eq!(refused.as_ref(), Err(expected), "{strategy}");
    }
    assert_eq!(shop.units_ordered(product).await, 0);
    for table in ["customer_order", "idempotency_key"] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
    check_audit_clean(shop).await;
}

#[tokio::test]
async fn the_refusal_names_product_stock_and_quantity() {
    let shop = TestShop::new().await;
    let product = shop
        .product()
        .named("Flash Sale Gadget")
        .stock(3)
        .create()
        .await;
    for strategy in shop_worthy() {
        let refused = shop.buy(&product).by(strategy).quantity(5).await;
        assert_eq!(
            refused.map_err(|error| error.to_string()),
            Err("Insufficient stock for Flash Sale Gadget (available: 3, requested: 5)".to_owned()),
            "{strategy}"
        );
    }
    check_refused(&shop, &product, 5, &product.insufficient(3, 5)).await;
}

#[tokio::test]
async fn a_sold_out_product_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    check_refused(&shop, &product, 1, &product.insufficient(0, 1)).await;
}

#[tokio::test]
async fn an_unknown_product_is_refused() {
    let shop = TestShop::new().await;
    for id in [999_999, 0, -7, i64::MAX] {
        let nothing = TestProduct {
            id,
            name: String::new(),
        };
        check_refused(&shop, &nothing, 1, &ShopError::UnknownProduct).await;
    }
}

#[tokio::test]
async fn a_quantity_above_the_customer_limit_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(10).limit(2).create().await;
    let over_limit = ShopError::OverCustomerLimit {
        product: product.name.clone(),
        limit: 2,
    };
    check_refused(&shop, &product, 3, &over_limit).await;
    shop.buy(&product)
        .quantity(2)
        .await
        .expect("two are allowed");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_sale_that_is_not_open_is_refused() {
    let shop = TestShop::new().await;
    let later = shop.product().starts_in("1 hour").create().await;
    for strategy in shop_worthy() {
        let refused = shop.buy(&later).by(strategy).await;
        let Err(ShopError::SaleNotStarted { product, opens_at }) = refused else {
            panic!("{strategy}: {refused:?}");
        };
        assert_eq!(product, later.name);
        assert!(opens_at.ends_with(" UTC"), "{opens_at}");
    }
    let over = shop
        .product()
        .starts_in("-2 hours")
        .ends_in("-1 hour")
        .create()
        .await;
    check_refused(
        &shop,
        &over,
        1,
        &ShopError::SaleEnded {
            product: over.name.clone(),
        },
    )
    .await;
    let open = shop
        .product()
        .starts_in("-1 hour")
        .ends_in("1 hour")
        .create()
        .await;
    shop.buy(&open).await.expect("it is open");
    check_audit_clean(&shop).await;
}
