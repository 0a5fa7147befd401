//! Committed orders: each new order of an express purchase is counted and announced once, also if
//! its caller has left.

use doorbuster::{
    feed::StockChange,
    model::{StockLayout, StrategyKey},
};
use futures::future::join_all;

use super::shop_worthy;
use crate::support::{
    PATIENCE, StockLock, TestProduct, TestShop, check_audit_clean, strategies, within,
};

/// Reads a product's only stock row. Returns the announcement of its level.
async fn stored_level(shop: &TestShop, product: &TestProduct) -> StockChange {
    let version = format!(
        "SELECT version FROM stock WHERE product_id = {}",
        product.id
    );
    StockChange {
        product_id: product.id,
        available: shop.level(product).await.available,
        version: shop.by_hand.value(&version).await,
    }
}

#[tokio::test]
async fn a_purchase_is_counted_and_announced_once() {
    let shop = TestShop::new().await;
    for (strategy, orders) in strategies().zip(1..) {
        let product = shop.with_stock_for(strategy, 3).await;
        let key = format!("once-{strategy}");
        let purchase = shop.buy(&product).by(strategy).key(&key);
        let sold = purchase.clone().await;
        assert!(sold.is_ok(), "{strategy}: {sold:?}");
        assert_eq!(shop.purchases().committed(), orders, "{strategy}");
        if strategy.row().layout == StockLayout::Row {
            let level = stored_level(&shop, &product).await;
            assert_eq!(level.available, 2, "{strategy}");
            assert_eq!(shop.feed().latest(&[product.id]), [level], "{strategy}");
        }

        assert_eq!(purchase.await, sold, "{strategy}");
        assert_eq!(
            shop.purchases().committed(),
            orders,
            "{strategy}: a replayed answer is not a new order"
        );
        let rejected = shop.buy(&product).by(strategy).quantity(3).await;
        assert_eq!(rejected, Err(product.insufficient(2, 3)), "{strategy}");
        assert_eq!(
            shop.purchases().committed(),
            orders,
            "{strategy}: a rejected purchase is not an order"
        );
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn each_order_of_a_batch_is_counted() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let purchase = shop.buy(&product).by(StrategyKey::MicroBatch);
    let buyers: Vec<_> = (0..5).map(|_| purchase.clone().spawn()).collect();
    shop.until_blocked(1).await;
    stock_lock.release().await;
    for bought in within(PATIENCE, "the batch's answers", join_all(buyers)).await {
        bought.expect("it ends").expect("it is sold");
    }
    assert_eq!(shop.purchases().committed(), 5);
    let level = stored_level(&shop, &product).await;
    assert_eq!(level.available, 4);
    assert_eq!(shop.feed().latest(&[product.id]), [level]);
    check_audit_clean(&shop).await;
}

/// The caller leaves while the database holds back a statement that was already sent. The
/// strategies with another stock layout announce nothing that the test could wait for.
#[tokio::test]
async fn a_purchase_whose_caller_leaves_is_counted_and_announced() {
    let shop = TestShop::new().await;
    for (strategy, orders) in shop_worthy().into_iter().zip(1..) {
        let product = shop.with_product(3).await;
        let stock_lock = StockLock::acquire(&shop, &product).await;
        let mut changes = shop.feed().subscribe();
        let caller = shop.buy(&product).by(strategy).spawn();
        shop.until_blocked(1).await;
        caller.abort();
        let ended = caller.await.expect_err("it gets no answer");
        assert!(ended.is_cancelled(), "{strategy}: {ended}");
        assert_eq!(
            shop.purchases().committed(),
            orders - 1,
            "{strategy}: not yet"
        );

        stock_lock.release().await;

        let announced = within(PATIENCE, "the announcement", changes.changed()).await;
        announced.expect("the shop keeps its feed");
        assert_eq!(shop.purchases().committed(), orders, "{strategy}");
        let level = stored_level(&shop, &product).await;
        assert_eq!(level.available, 2, "{strategy}");
        assert_eq!(shop.feed().latest(&[product.id]), [level], "{strategy}");
        assert_eq!(shop.units_ordered(&product).await, 1, "{strategy}");
    }
    check_audit_clean(&shop).await;
}
