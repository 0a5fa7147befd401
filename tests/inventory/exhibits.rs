//! The unsafe strategies oversell where they are allowed to run: a test that cannot fail proves
//! nothing.

use doorbuster::model::{ShopError, StrategyKey};

use crate::support::{
    Gate, PATIENCE, TestShop, check_audit_clean, shop::Counters, strategies, within,
};

#[tokio::test]
async fn unguarded_sells_the_last_unit_twice() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::Unguarded, 1).await;
    let gate = Gate::closed();
    let buyers = [(); 2].map(|()| {
        shop.buy(&lane)
            .by(StrategyKey::Unguarded)
            .at(gate.injection_point())
            .spawn()
    });
    // Both have read the one unit, and neither has written.
    gate.arrivals(2).await;
    gate.open();
    for buyer in buyers {
        let receipt = buyer
            .await
            .expect("it ends")
            .expect("both purchases are confirmed");
        assert_eq!(receipt.remaining_stock, Some(0));
    }
    // The counter looks correct: only the order lines show the oversell.
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
async fn blind_decrement_goes_below_zero() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::BlindDecrement, 1).await;
    let gate = Gate::closed();
    let buyers = [(); 2].map(|()| {
        shop.buy(&lane)
            .by(StrategyKey::BlindDecrement)
            .at(gate.injection_point())
            .spawn()
    });
    // Both have read the one unit, and neither has subtracted it.
    gate.arrivals(2).await;
    gate.open();
    for buyer in buyers {
        buyer
            .await
            .expect("it ends")
            .expect("both purchases are confirmed");
    }
    let expected = Counters {
        total: 1,
        available: -1,
        reserved: 0,
        sold: 2,
    };
    assert_eq!(shop.level(&lane).await, expected);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn process_mutex_sells_the_last_unit_once_in_one_process() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::ProcessMutex, 1).await;
    let gate = Gate::closed();
    let buy = || {
        let purchase = shop.buy(&lane).by(StrategyKey::ProcessMutex);
        purchase.at(gate.injection_point()).spawn()
    };
    let first = buy();
    gate.arrivals(1).await;
    let second = buy();
    gate.open();
    assert!(first.await.expect("it ends").is_ok());
    assert_eq!(
        second.await.expect("it ends"),
        Err(lane.insufficient(0, 1)),
        "it read after the first had written"
    );
    assert_eq!(shop.units_ordered(&lane).await, 1);
    check_audit_clean(&shop).await;
}

/// The buyer leaves between read and write, and the shop finishes the purchase. The next buyer must
/// not read before that.
#[tokio::test]
async fn process_mutex_is_locked_until_the_purchase_of_a_buyer_who_left_has_ended() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::ProcessMutex, 1).await;
    // Its locks are not those of the other tests, whose products have the same ids.
    let process = shop.handle().as_in_another_process();
    let gate = Gate::closed();
    let buy = || {
        let purchase = shop.buy(&lane).by(StrategyKey::ProcessMutex).on(&process);
        purchase.at(gate.injection_point()).spawn()
    };
    let first = buy();
    gate.arrivals(1).await;
    first.abort();
    assert!(first.await.is_err_and(|left| left.is_cancelled()));
    let second = buy();
    let queue = || {
        let purchases = process.purchases();
        purchases.queue_length(StrategyKey::ProcessMutex, lane.id)
    };
    within(PATIENCE, "the second buyer at the lock", async {
        while queue() != Some(1) && gate.count() == 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(gate.count(), 1, "the second buyer has not read");
    gate.open();
    assert_eq!(
        second.await.expect("it ends"),
        Err(lane.insufficient(0, 1)),
        "it read after the purchase of the first had ended"
    );
    assert_eq!(shop.units_ordered(&lane).await, 1);
    check_audit_clean(&shop).await;
}

/// The buyers are in two processes, because a lock in memory protects one. What those with Redis
/// need to break is in `tests/gates`.
#[tokio::test]
async fn every_unsafe_strategy_without_redis_sells_the_last_unit_twice() {
    let shop = TestShop::new().await;
    for strategy in strategies().filter(|key| !key.is_safe() && !key.row().needs_redis) {
        let lane = shop.with_lane(strategy, 1).await;
        let gate = Gate::closed();
        let here = shop.buy(&lane).by(strategy);
        let there = here.clone().in_another_process();
        let buyers = [here, there].map(|purchase| purchase.at(gate.injection_point()).spawn());
        gate.arrivals(2).await;
        gate.open();
        for buyer in buyers {
            let bought = buyer.await.expect("it ends");
            assert!(bought.is_ok(), "{strategy}: {bought:?}");
        }
        assert_eq!(shop.units_ordered(&lane).await, 2, "{strategy}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_same_interleaving_on_a_guarded_lane_sells_once() {
    let shop = TestShop::new().await;
    for strategy in super::safe() {
        let lane = shop.with_lane(strategy, 1).await;
        let gate = Gate::closed();
        let buyers = [(); 2].map(|()| {
            shop.buy(&lane)
                .by(strategy)
                .at(gate.injection_point())
                .spawn()
        });
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
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn unsafe_strategies_may_not_sell_a_product_of_the_shop() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    for strategy in strategies() {
        let bought = shop.buy(&product).by(strategy).await;
        if !strategy.is_safe() {
            let refusal = ShopError::StrategyUnsafe(strategy.to_string());
            assert_eq!(bought, Err(refusal));
        } else if !strategy.may_sell_in_shop() {
            let refusal = ShopError::StrategyLaneOnly(strategy.to_string());
            assert_eq!(bought, Err(refusal));
        }
        shop.restock(&product, 1).await;
    }
    check_audit_clean(&shop).await;
}

/// A lane of a safe strategy keeps its constraints, and an unsafe strategy is refused before it
/// violates them.
#[tokio::test]
async fn unsafe_strategies_may_not_sell_from_a_guarded_row() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::RowLock, 5).await;
    for strategy in strategies().filter(|key| !key.is_safe()) {
        let refused = shop.buy(&lane).by(strategy).await;
        let refusal = ShopError::StrategyUnsafe(strategy.to_string());
        assert_eq!(refused, Err(refusal));
    }
    assert_eq!(shop.level(&lane).await.available, 5);
    check_audit_clean(&shop).await;
}

/// No strategy reports a lane with another layout as sold out.
#[tokio::test]
async fn a_lane_is_sold_only_by_strategies_of_its_layout() {
    let shop = TestShop::new().await;
    for owner in [
        StrategyKey::RowLock,
        StrategyKey::Buckets,
        StrategyKey::SkipLockedUnits,
    ] {
        let lane = shop.with_lane(owner, 3).await;
        for strategy in super::safe() {
            let bought = shop.buy(&lane).by(strategy).quantity(4).await;
            if strategy.row().layout == owner.row().layout {
                assert_eq!(bought, Err(lane.insufficient(3, 4)), "{strategy}");
                continue;
            }
            let Err(ShopError::StrategyLaneOnly(_)) = bought else {
                panic!("{strategy} on a lane of {owner}: {bought:?}");
            };
        }
        assert_eq!(shop.level(&lane).await.available, 3);
    }
    check_audit_clean(&shop).await;
}
