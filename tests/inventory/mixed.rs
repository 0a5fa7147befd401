//! Safe strategies may mix on one product: each pair, in both orders, with the checkout as one of them.

use doorbuster::model::{ShopError, StrategyKey};
use futures::future::BoxFuture;

use crate::support::{PlacesOrders, TestProduct, TestShop, check_audit_clean};

#[derive(Clone, Copy, Debug)]
enum Way {
    Express(StrategyKey),
    Checkout,
}

const WAYS: [Way; 3] = [
    Way::Express(StrategyKey::RowLock),
    Way::Express(StrategyKey::ConditionalUpdate),
    Way::Checkout,
];

/// A buyer of one unit who is ready to go.
async fn ready(
    shop: &TestShop,
    product: &TestProduct,
    way: Way,
) -> BoxFuture<'static, Result<(), ShopError>> {
    match way {
        Way::Express(strategy) => {
            let purchase = shop.buy(product).by(strategy);
            Box::pin(async move { purchase.await.map(drop) })
        }
        Way::Checkout => {
            let cart = shop.cart_of(&[(product, 1)]).await;
            let request = shop.checkout(cart, "mixed@example.com");
            let shop = shop.handle();
            Box::pin(async move {
                shop.place_order(request)
                    .await
                    .result
                    .map(drop)
                    .map_err(ShopError::from)
            })
        }
    }
}

#[tokio::test]
async fn last_unit_sells_once_between_any_two_ways_of_buying() {
    let shop = TestShop::new().await;
    for first in WAYS {
        for second in WAYS {
            let product = shop.with_product(1).await;
            let (one, two) = (
                ready(&shop, &product, first).await,
                ready(&shop, &product, second).await,
            );
            let queue = shop.database.by_hand().await;
            queue
                .run(&format!(
                    "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
                    product.id
                ))
                .await;
            let one = tokio::spawn(one);
            shop.until_blocked(1).await;
            let two = tokio::spawn(two);
            shop.until_blocked(2).await;
            queue.run("COMMIT").await;
            let results = (one.await.expect("it ends"), two.await.expect("it ends"));
            let expected = (Ok(()), Err(product.insufficient(0, 1)));
            assert_eq!(results, expected, "{first:?} queued before {second:?}");
            assert_eq!(shop.units_ordered(&product).await, 1);
        }
    }
    check_audit_clean(&shop).await;
}
