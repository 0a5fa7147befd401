//! Buyers of one product in an interleaving that the test chooses.

use doorbuster::{
    db::engine::Engine,
    model::{QueueLocation, Receipt, ShopError, StockLayout, StrategyKey},
};
use futures::future::join_all;

use super::{safe, shop_worthy};
use crate::support::{
    Gate, PATIENCE, StockLock, TestProduct, TestShop, check_audit_clean, retries::RetryLog,
    shop::Counters, strategies, within,
};

type Bought = Result<Receipt, ShopError>;

/// The remaining stock in a receipt; `None` where it would have to be counted.
fn remaining(strategy: StrategyKey, units: i64) -> Option<i64> {
    (strategy.row().layout == StockLayout::Row).then_some(units)
}

/// Checks that one of the two got the unit and the other the refusal.
fn check_one_of_two(results: [Bought; 2], product: &TestProduct, how: StrategyKey) {
    let [first, second] = results;
    let (sold, refused) = match (first, second) {
        (Ok(sold), Err(refused)) | (Err(refused), Ok(sold)) => (sold, refused),
        other => panic!("{how}: one unit, and {other:?}"),
    };
    assert_eq!(sold.remaining_stock, remaining(how, 0), "{how}");
    assert_eq!(refused, product.insufficient(0, 1), "{how}");
}

#[tokio::test]
async fn last_unit_sells_once_by_row_lock() {
    let shop = TestShop::new().await;
    let product = shop.with_product(1).await;
    let gate = Gate::closed();
    let first = shop.buy(&product).at(gate.injection_point()).spawn();
    gate.arrivals(1).await;
    let second = shop.buy(&product).at(gate.injection_point()).spawn();
    shop.until_blocked(1).await;
    assert_eq!(
        gate.count(),
        1,
        "the second has not read the row that the first has locked"
    );
    gate.open();
    let results = [
        first.await.expect("it ends"),
        second.await.expect("it ends"),
    ];
    assert!(results[0].is_ok(), "the holder of the lock buys first");
    check_one_of_two(results, &product, StrategyKey::RowLock);
    check_audit_clean(&shop).await;
}

/// Both buyers wait for the one unit, however it is stored, when the test releases its lock.
#[tokio::test]
async fn last_unit_sells_once_by_every_safe_strategy() {
    let shop = TestShop::new().await;
    for strategy in safe() {
        let product = shop.with_stock_for(strategy, 1).await;
        let stock_lock = StockLock::acquire(&shop, &product).await;
        let buyers = [(); 2].map(|()| shop.buy(&product).by(strategy).spawn());
        // Of buyers who wait in memory, one is at the row. A strategy that may not wait does so
        // after its last attempt.
        let at_the_row = match strategy.row().queue {
            QueueLocation::ServerMemory => 1,
            QueueLocation::Database => 2,
        };
        shop.until_blocked(at_the_row).await;
        stock_lock.release().await;
        let [first, second] = buyers;
        let results = [
            first.await.expect("it ends"),
            second.await.expect("it ends"),
        ];
        check_one_of_two(results, &product, strategy);
        assert_eq!(shop.units_ordered(&product).await, 1, "{strategy}");
    }
    check_audit_clean(&shop).await;
}

/// The interleaving of the lost update: one buyer pauses between read and write while another buys
/// the last unit.
#[tokio::test]
async fn a_sale_during_another_purchase_is_detected() {
    let shop = TestShop::new().await;
    // The other strategies hold a lock during the pause, or pause before they have read.
    for strategy in [
        StrategyKey::ConditionalUpdate,
        StrategyKey::CheckConstraint,
        StrategyKey::Optimistic,
        StrategyKey::Serializable,
        StrategyKey::AdvisoryLock,
        StrategyKey::SingleStatement,
        StrategyKey::EarlyRelease,
        StrategyKey::MicroBatch,
        StrategyKey::RedisCounter,
        StrategyKey::RedisLock,
        StrategyKey::RedisHold,
    ] {
        // On InnoDB, a serializable transaction locks what it reads: the fast buyer would wait.
        let locks = strategy == StrategyKey::Serializable && shop.db().engine() == Engine::MySql;
        if locks || !strategies().any(|key| key == strategy) {
            continue;
        }
        let product = shop.with_product(1).await;
        let gate = Gate::closed();
        let slow = shop
            .buy(&product)
            .by(strategy)
            .at(gate.injection_point())
            .spawn();
        gate.arrivals(1).await;
        shop.buy(&product).await.expect("the fast buyer buys it");
        gate.open();
        assert_eq!(
            slow.await.expect("it ends"),
            Err(product.insufficient(0, 1)),
            "{strategy}"
        );
    }
    check_audit_clean(&shop).await;
}

/// Never undersold: a refusal waits for units that another transaction is about to add.
#[tokio::test]
async fn a_refusal_waits_for_units_being_received() {
    let shop = TestShop::new().await;
    let delivery = shop.database.by_hand().await;
    for strategy in shop_worthy() {
        let product = shop.with_product(0).await;
        delivery.run("BEGIN").await;
        delivery
            .run(&crate::support::shop::restocking(&product, 1))
            .await;
        let buyer = shop.buy(&product).by(strategy).spawn();
        shop.until_blocked(1).await;
        delivery.run("COMMIT").await;
        let receipt = buyer.await.expect("it ends");
        assert_eq!(
            receipt.map(|receipt| receipt.remaining_stock),
            Ok(Some(0)),
            "{strategy}"
        );
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn thirty_three_buyers_share_twenty_units() {
    let shop = TestShop::new().await;
    for strategy in safe() {
        let product = shop.with_stock_for(strategy, 20).await;
        let buyers = (0..33).map(|_| shop.buy(&product).by(strategy).spawn());
        let results: Vec<Bought> = within(PATIENCE, "33 buyers", join_all(buyers))
            .await
            .into_iter()
            .map(|joined| joined.expect("it ends"))
            .collect();
        let mut numbers: Vec<_> = results
            .iter()
            .flatten()
            .map(|receipt| receipt.remaining_stock)
            .collect();
        numbers.sort_unstable();
        assert_eq!(
            numbers,
            (0..20)
                .map(|units| remaining(strategy, units))
                .collect::<Vec<_>>(),
            "{strategy}: each receipt has a different remaining stock"
        );
        let refusals: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert_eq!(refusals, vec![product.insufficient(0, 1); 13], "{strategy}");
        let expected = Counters {
            total: 20,
            available: 0,
            reserved: 0,
            sold: 20,
        };
        assert_eq!(shop.level(&product).await, expected, "{strategy}");
        assert_eq!(shop.units_ordered(&product).await, 20, "{strategy}");
    }
    check_audit_clean(&shop).await;
}

/// Three units do not fit into the remaining stock; a smaller quantity still does.
#[tokio::test]
async fn a_quantity_is_sold_as_a_whole_or_not_at_all() {
    let shop = TestShop::new().await;
    for strategy in safe() {
        let product = shop.with_stock_for(strategy, 20).await;
        let buyers = (0..10).map(|_| shop.buy(&product).by(strategy).quantity(3).spawn());
        let sold = within(PATIENCE, "10 buyers", join_all(buyers))
            .await
            .into_iter()
            .filter(|joined| matches!(joined, Ok(Ok(_))))
            .count();
        assert_eq!(sold, 6, "{strategy}: 6 times 3 of 20");
        let refusal = shop.buy(&product).by(strategy).quantity(3).await;
        assert_eq!(refusal, Err(product.insufficient(2, 3)), "{strategy}");
        let rest = shop.buy(&product).by(strategy).quantity(2).await;
        assert_eq!(
            rest.map(|receipt| receipt.remaining_stock),
            Ok(remaining(strategy, 0)),
            "{strategy}"
        );
    }
    check_audit_clean(&shop).await;
}

/// If stock is in many rows, buyers of the last units look at rows that others are changing. They
/// must not wait for more rows while they hold some: this could deadlock, and the aborted
/// transaction would be retried.
#[tokio::test]
async fn the_last_units_of_many_rows_are_sold_without_a_deadlock() {
    let retries = RetryLog::capture();
    let shop = TestShop::new().await;
    for strategy in [StrategyKey::Buckets, StrategyKey::SkipLockedUnits] {
        for _ in 0..5 {
            let lane = shop.with_lane(strategy, 20).await;
            let buyers = (0..33).map(|buyer| {
                let purchase = shop.buy(&lane).by(strategy);
                purchase.quantity(1 + buyer % 3).spawn()
            });
            let sold = within(PATIENCE, "33 buyers", join_all(buyers)).await;
            assert!(sold.into_iter().all(|joined| joined.is_ok()));
            assert_eq!(shop.level(&lane).await.available, 0, "{strategy}");
        }
    }
    check_audit_clean(&shop).await;
    assert_eq!(retries.lines(), Vec::<String>::new());
}
