//! Refusals: a clear message, and no row is written.

use doorbuster::model::ShopError;

use super::shop_worthy;
use crate::support::{TestProduct, TestShop, check_audit_clean, strategies};

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
        let nothing = TestProduct::of_shop(id, String::new());
        check_refused(&shop, &nothing, 1, &ShopError::UnknownProduct).await;
    }
}

/// An express purchase names no customer, so three purchases of two units could be one customer's.
#[tokio::test]
async fn a_product_with_a_limit_per_customer_is_not_sold_by_express_purchase() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(10).limit(2).create().await;
    let slug: String = shop
        .by_hand
        .value(&format!(
            "SELECT slug FROM product WHERE id = {}",
            product.id
        ))
        .await;
    let limited = ShopError::LimitedPerCustomer {
        product: product.name.clone(),
        slug: slug.clone(),
        limit: 2,
    };
    assert_eq!(limited.status(), 409);
    assert_eq!(
        limited.to_string(),
        format!(
            "{} is limited to 2 per customer. Buy it in the shop, at /products/{slug}: an express purchase names no customer.",
            product.name
        )
    );
    for quantity in [1, 2, 3] {
        check_refused(&shop, &product, quantity, &limited).await;
    }
}

/// Each simulated buyer is another customer.
#[tokio::test]
async fn a_quantity_above_the_customer_limit_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(100).limit(2).create().await;
    // A run that sells a product of the shop.
    let lane = shop
        .with_lane(doorbuster::model::StrategyKey::RowLock, 0)
        .await;
    let lane_id = lane.lane_id().expect("it has a lane");
    let over_limit = ShopError::OverCustomerLimit {
        product: product.name.clone(),
        limit: 2,
    };
    for strategy in shop_worthy() {
        let buyer = shop.buy(&product).by(strategy).by_a_buyer_of(lane_id);
        let refused = buyer.clone().quantity(3).await;
        assert_eq!(refused.as_ref(), Err(&over_limit), "{strategy}");
        let sold = buyer.quantity(2).await;
        assert!(sold.is_ok(), "{strategy}: two are allowed: {sold:?}");
    }
    check_audit_clean(&shop).await;
}

/// To a stranger, a private product does not exist, whatever its stock and its idempotency key.
#[tokio::test]
async fn only_a_buyer_of_its_lane_is_sold_a_private_product() {
    let shop = TestShop::new().await;
    for strategy in strategies() {
        let lane = shop.with_lane(strategy, 3).await;
        let other = shop.with_lane(strategy, 3).await;
        let other = other.lane_id().expect("it has a lane");
        let own = shop.buy(&lane).by(strategy).key(&format!("own-{strategy}"));
        let receipt = own.clone().quantity(2).await.expect("it is sold");
        for quantity in [1, 2, 5] {
            let buy = own.clone().quantity(quantity);
            for refused in [
                buy.clone()
                    .key(&format!("stranger-{strategy}"))
                    .by_a_stranger()
                    .await,
                buy.key(&format!("other-{strategy}"))
                    .by_a_buyer_of(other)
                    .await,
            ] {
                let refused = refused.map_err(|error| (error.status(), error));
                let unknown = Err((404, ShopError::UnknownProduct));
                assert_eq!(refused, unknown, "{strategy}: {quantity}");
            }
        }
        assert_eq!(shop.level(&lane).await.available, 1, "{strategy}");
        assert_eq!(own.quantity(2).await, Ok(receipt), "{strategy}: a retry");
    }
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
