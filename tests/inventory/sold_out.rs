//! The crowd's way out: it only ever refuses, and never what could be had.

use doorbuster::{
    feed::Feed,
    model::{Receipt, ShopError, StrategyKey},
    shop::Shop,
};
use futures::future::join_all;

use super::{safe, shop_worthy};
use crate::support::{
    PATIENCE, Rival, TestProduct, TestShop, check_audit_clean, shop::units_of, within,
};

const CROWD: usize = 12;

/// A crowd that comes to the empty shelf at one moment, and is refused.
async fn crowd_is_refused(shop: &TestShop, product: &TestProduct, strategy: StrategyKey) {
    let rival = Rival::at(shop, product).await;
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| shop.buy(product).by(strategy).spawn())
        .collect();
    // An empty lane of units has no row to stand at.
    if strategy.may_sell_in_shop() {
        shop.until_blocked(1).await;
    }
    rival.leave().await;
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
async fn a_crowd_in_front_of_an_empty_shelf_is_refused_by_all() {
    for strategy in safe() {
        let shop = TestShop::new().await;
        let product = shop.with_shelf(strategy, 0).await;
        crowd_is_refused(&shop, &product, strategy).await;
        check_audit_clean(&shop).await;
    }
}

/// Not after 100 ms: at once.
#[tokio::test]
async fn what_comes_in_here_is_for_sale_here_at_once() {
    for strategy in shop_worthy() {
        let shop = TestShop::new().await;
        let product = shop.with_product(0).await;
        crowd_is_refused(&shop, &product, strategy).await;
        shop.receive_stock(product.id, units_of(1), None)
            .await
            .expect("it comes in");
        assert!(bought(shop.buy(&product).by(strategy)).await, "{strategy}");
        check_audit_clean(&shop).await;
    }
}

#[tokio::test]
async fn what_comes_in_elsewhere_is_for_sale_here_before_long() {
    let shop = TestShop::new().await;
    let product = shop.with_product(0).await;
    crowd_is_refused(&shop, &product, StrategyKey::RowLock).await;
    // Of another server this one hears nothing.
    let elsewhere = Shop::new(shop.db().clone(), Feed::default());
    elsewhere
        .receive_stock(product.id, units_of(1), None)
        .await
        .expect("it comes in");
    // The unit test beside the code holds the 100 ms; here a crowd goes on asking until one of them has it.
    within(PATIENCE, "the unit that came in", async {
        while !bought(shop.buy(&product)).await {}
    })
    .await;
    check_audit_clean(&shop).await;
}

/// Sold out or not: who bought is told again what they bought.
#[tokio::test]
async fn who_has_bought_gets_the_same_answer_again() {
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

/// What is left is sold to whoever asks for no more, in the midst of a crowd that asks for too much.
#[tokio::test]
async fn a_smaller_wish_is_not_refused_with_the_larger() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let rival = Rival::at(&shop, &product).await;
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| shop.buy(&product).quantity(3).spawn())
        .collect();
    shop.until_blocked(1).await;
    rival.leave().await;
    for answer in within(PATIENCE, "the crowd", join_all(crowd)).await {
        assert_eq!(answer.expect("it ends"), Err(product.insufficient(2, 3)));
    }
    assert!(bought(shop.buy(&product).quantity(2)).await);
    check_audit_clean(&shop).await;
}
