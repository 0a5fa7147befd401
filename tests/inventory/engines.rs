//! On which database engines each strategy runs: one that the engine does not have is refused.

use doorbuster::model::{ShopError, StrategyKey};

use crate::support::{TestShop, check_audit_clean};

#[tokio::test]
async fn a_strategy_that_the_engine_does_not_have_is_refused_with_the_reason() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let engine = shop.db().engine();
    let mut sold = 0;
    for strategy in StrategyKey::ALL {
        if !strategy.may_sell_in_shop() {
            continue;
        }
        let bought = shop.buy(&product).by(strategy).await;
        let Some(reason) = strategy.row().engines.reason_against(engine) else {
            assert!(bought.is_ok(), "{strategy}: {bought:?}");
            sold += 1;
            shop.restock(&product, 1).await;
            continue;
        };
        let expected = ShopError::StrategyNotOnEngine {
            strategy: strategy.to_string(),
            engine: engine.name().to_owned(),
            reason: reason.to_owned(),
        };
        assert_eq!(bought, Err(expected));
    }
    assert_eq!(shop.count("customer_order").await, sold);
    check_audit_clean(&shop).await;
}
