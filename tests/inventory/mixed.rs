//! Safe strategies may mix on one product: each pair in both orders, including the checkout.

use doorbuster::{
    db::engine::Engine,
    model::{QueueLocation, ShopError, StrategyKey},
};
use futures::future::{BoxFuture, join_all};

use super::shop_worthy;
use crate::support::{PlacesOrders, StockLock, TestProduct, TestShop, check_audit_clean};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Express(StrategyKey),
    Checkout,
}

fn ways() -> Vec<Way> {
    let express = shop_worthy().into_iter().map(Way::Express);
    let all = express.chain([Way::Checkout]);
    all.collect()
}

/// The number of transactions that wait for the row when two buyers queue: of two who wait for each
/// other in memory, only the first is there.
fn at_the_row(first: Way, second: Way) -> i64 {
    match (first, second) {
        (Way::Express(first), Way::Express(second))
            if first == second && first.row().queue == QueueLocation::ServerMemory =>
        {
            1
        }
        _ => 2,
    }
}

/// Prepares a purchase of one unit.
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

/// True if the second may buy the unit: on InnoDB, a serializable transaction has a shared lock on
/// what it has read, and needs another one to write. A buyer who waits for the row by then is in
/// front of it, and waits for the shared lock: the one that closes the circle is retried.
fn is_retried(shop: &TestShop, first: Way) -> bool {
    let serializable = Way::Express(StrategyKey::Serializable);
    shop.db().engine() == Engine::MySql && first == serializable
}

/// The shops in which pairs race at the same time: most of them wait between two attempts.
const SHOPS: usize = 3;

/// Each pair in both orders, 196 in total with Redis. A strategy that may not wait for the row
/// waits there after its last attempt.
#[tokio::test]
async fn last_unit_sells_once_between_any_two_ways_of_buying() {
    let ways = ways();
    let firsts = ways.chunks(ways.len().div_ceil(SHOPS));
    join_all(firsts.map(last_unit_sells_once_behind_any_other)).await;
}

async fn last_unit_sells_once_behind_any_other(firsts: &[Way]) {
    let shop = TestShop::new().await;
    for &first in firsts {
        for second in ways() {
            let product = shop.with_product(1).await;
            let (one, two) = (
                ready(&shop, &product, first).await,
                ready(&shop, &product, second).await,
            );
            let stock_lock = StockLock::acquire(&shop, &product).await;
            let one = tokio::spawn(one);
            shop.until_blocked(1).await;
            let two = tokio::spawn(two);
            shop.until_blocked(at_the_row(first, second)).await;
            stock_lock.release().await;
            let results = (one.await.expect("it ends"), two.await.expect("it ends"));
            let expected = (Ok(()), Err(product.insufficient(0, 1)));
            let reversed = (Err(product.insufficient(0, 1)), Ok(()));
            assert!(
                results == expected || (is_retried(&shop, first) && results == reversed),
                "{first:?} queued before {second:?}: {results:?}"
            );
            assert_eq!(shop.units_ordered(&product).await, 1);
        }
    }
    check_audit_clean(&shop).await;
}
