//! The unguarded strategy does break, where it is allowed to run: a test that cannot fail proves nothing.

use doorbuster::model::{ShopError, StrategyKey};

use crate::support::{Gate, TestShop, check_audit_clean, shop::Counters};

#[tokio::test]
async fn unguarded_sells_the_last_unit_twice() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::Unguarded, 1).await;
    let gate = Gate::closed();
    let buyers = [(); 2].map(|()| {
        shop.buy(&lane)
            .by(StrategyKey::Unguarded)
            .at(gate.seam())
            .spawn()
    });
    // Both have read the one unit, and neither has written.
    gate.arrivals(2).await;
    gate.open();
    for buyer in buyers {
        let receipt = buyer
            .await
            .expect("it ends")
            .expect("both believe that they bought it");
        assert_eq!(receipt.remaining_stock, Some(0));
    }
    // The counter shows nothing: only the order lines tell.
    assert_eq!(
        shop.level(&lane).await,
        Counters {
            total: 1,
            available: 0,
            reserved: 0,
            sold: 1
        }
    );
    assert_eq!(shop.units_ordered(&lane).await, 2);
    let report = shop.audit().await;
    let exhibit = report
        .exhibits
        .iter()
        .find(|exhibit| exhibit.product_id == lane.id);
    assert_eq!(
        exhibit.map(|exhibit| (exhibit.sold, exhibit.oversold)),
        Some((2, 1))
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_same_interleaving_on_a_guarded_lane_sells_once() {
    for strategy in super::SAFE {
        let shop = TestShop::new().await;
        let lane = shop.with_lane(strategy, 1).await;
        let gate = Gate::closed();
        let buyers = [(); 2].map(|()| shop.buy(&lane).by(strategy).at(gate.seam()).spawn());
        gate.arrivals(1).await;
        gate.open();
        let mut sold = 0;
        for buyer in buyers {
            sold += i64::from(buyer.await.expect("it ends").is_ok());
        }
        assert_eq!(
            (sold, shop.units_ordered(&lane).await),
            (1, 1),
            "{strategy}"
        );
        check_audit_clean(&shop).await;
    }
}

#[tokio::test]
async fn unguarded_may_not_sell_a_product_of_the_shop() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let refused = shop.buy(&product).by(StrategyKey::Unguarded).await;
    assert_eq!(
        refused,
        Err(ShopError::StrategyUnsafeHere("unguarded".to_owned()))
    );
    assert_eq!(shop.level(&product).await.available, 5);
    check_audit_clean(&shop).await;
}

/// A lane of a safe strategy keeps its constraints, and the unsafe one is told so instead of meeting them.
#[tokio::test]
async fn unguarded_may_not_sell_from_a_guarded_row() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::RowLock, 5).await;
    let refused = shop.buy(&lane).by(StrategyKey::Unguarded).await;
    assert_eq!(
        refused,
        Err(ShopError::StrategyUnsafeHere("unguarded".to_owned()))
    );
    assert_eq!(shop.level(&lane).await.available, 5);
    check_audit_clean(&shop).await;
}
