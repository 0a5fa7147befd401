//! The sold-out cache: it only ever refuses, and never a unit that is for sale.

use doorbuster::{
    feed::Feed,
    model::{Receipt, ShopError, StrategyKey},
    shop::Shop,
};
use futures::future::join_all;

use super::{safe, shop_worthy};
use crate::support::{
    PATIENCE, StockLock, TestProduct, TestShop, administrator, check_audit_clean, shop::units_of,
    within,
};

const CROWD: usize = 12;

/// A crowd asks for a sold-out product at the same time, and is refused.
async fn crowd_is_refused(shop: &TestShop, product: &TestProduct, strategy: StrategyKey) {
    let stock_lock = StockLock::acquire(shop, product).await;
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| shop.buy(product).by(strategy).spawn())
        .collect();
    // A sold-out lane of units has no row to lock.
    if strategy.may_sell_in_shop() {
        shop.until_blocked(1).await;
    }
    stock_lock.release().await;
    let answers = within(PATIENCE, "the crowd", join_all(crowd)).await;
    for answer in answers {
        assert_eq!(
            answer.expect("it ends"),
            Err(product.insufficient(0, 1)),
            "{strategy}"
        );
    }
}

async fn bought(purchase: impl IntoFuture<Output = Result<Receipt, ShopError>>) -> bool {
    purchase.await.is_ok()
}

#[tokio::test]
async fn every_strategy_refuses_a_crowd_when_stock_is_gone() {
    let shop = TestShop::new().await;
    for strategy in safe() {
        let product = shop.with_stock_for(strategy, 0).await;
        crowd_is_refused(&shop, &product, strategy).await;
    }
    check_audit_clean(&shop).await;
}

/// Immediately, not after 100 ms.
#[tokio::test]
async fn stock_received_by_this_server_is_for_sale_at_once() {
    let shop = TestShop::new().await;
    for strategy in shop_worthy() {
        let product = shop.with_product(0).await;
        crowd_is_refused(&shop, &product, strategy).await;
        shop.stock_administration(&administrator())
            .receive(product.id, units_of(1), None)
            .await
            .expect("the stock is received");
        assert!(bought(shop.buy(&product).by(strategy)).await, "{strategy}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn stock_received_by_another_server_is_for_sale_soon() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    crowd_is_refused(&shop, &product, StrategyKey::RowLock).await;
    // This server gets no event from another server.
    let elsewhere = Shop::new(shop.db().clone(), Feed::default());
    elsewhere
        .stock_administration(&administrator())
        .receive(product.id, units_of(1), None)
        .await
        .expect("the stock is received");
    // The unit test of the cache checks the 100 ms; here a buyer retries until they get the unit.
    within(PATIENCE, "the received unit", async {
        while !bought(shop.buy(&product)).await {}
    })
    .await;
    check_audit_clean(&shop).await;
}

/// A buyer who has bought gets the same answer again, even after the product is sold out.
#[tokio::test]
async fn a_repeated_purchase_gets_its_first_answer_after_the_product_is_sold_out() {
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let receipt = shop.buy(&product).key("mine").await;
    assert!(receipt.is_ok());
    crowd_is_refused(&shop, &product, StrategyKey::RowLock).await;
    assert_eq!(shop.buy(&product).key("mine").await, receipt);
    let refused = shop.buy(&product).key("another").await;
    assert_eq!(refused, Err(product.insufficient(0, 1)));
    check_audit_clean(&shop).await;
}

/// The remaining units are sold to a buyer who asks for no more, while a crowd asks for too many.
#[tokio::test]
async fn a_smaller_quantity_is_not_refused_with_a_larger_one() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| shop.buy(&product).quantity(3).spawn())
        .collect();
    shop.until_blocked(1).await;
    stock_lock.release().await;
    for answer in within(PATIENCE, "the crowd", join_all(crowd)).await {
        assert_eq!(answer.expect("it ends"), Err(product.insufficient(2, 3)));
    }
    assert!(bought(shop.buy(&product).quantity(2)).await);
    check_audit_clean(&shop).await;
}
