//! Stock that is kept in Redis and in the row, without leases and without reconciliation: what
//! `redis-counter` prevents.

use doorbuster::{
    model::{ShopError, StrategyKey},
    shop::inventory::{InjectionPoint, injection_point::Fault},
};

use super::on;
use crate::support::{
    Gate, PATIENCE, TestShop, check_audit_clean, redis::TestRedis, shop::Counters, within,
};

const STRATEGY: StrategyKey = StrategyKey::RedisDualWrite;

/// The connection of the first buyer breaks between the two writes.
#[tokio::test]
async fn a_purchase_that_ends_between_the_writes_costs_a_unit() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let cut_off = InjectionPoint::Fault(Fault::DropConnection);
    for (strategy, sold_to_the_last) in [(STRATEGY, false), (StrategyKey::RedisCounter, true)] {
        let lane = shop.with_lane(strategy, 2).await;
        let buy = || shop.buy(&lane).by(strategy).on(&server);
        buy().await.expect("it is sold");
        let failed = buy().at(cut_off.clone()).await;
        assert!(
            !matches!(failed, Ok(_) | Err(ShopError::InsufficientStock { .. })),
            "{strategy}: its connection broke: {failed:?}"
        );
        let last = buy().await.map(|receipt| receipt.remaining_stock);
        let expected = if sold_to_the_last {
            Ok(Some(0))
        } else {
            Err(lane.insufficient(0, 1))
        };
        assert_eq!(last, expected, "{strategy}");
        let sold = 1 + i64::from(sold_to_the_last);
        let counters = Counters {
            total: 2,
            available: 2 - sold,
            reserved: 0,
            sold,
        };
        assert_eq!(shop.level(&lane).await, counters, "{strategy}");
        assert_eq!(shop.units_ordered(&lane).await, sold, "{strategy}");
    }
    check_audit_clean(&shop).await;
}

/// The first buyer has taken the last unit in Redis, and not yet in the row. Redis loses its
/// counter, and the second buyer creates it again from the row.
#[tokio::test]
async fn a_counter_that_redis_lost_sells_a_unit_twice() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let lane = shop.with_lane(STRATEGY, 1).await;
    let buy = || shop.buy(&lane).by(STRATEGY).on(&server);
    let gate = Gate::closed();
    let first = buy().at(gate.injection_point()).spawn();
    gate.arrivals(1).await;
    assert_eq!(buy().await, Err(lane.insufficient(0, 1)), "Redis counts");
    redis.flush();
    buy().await.expect("it is sold from what the row says");
    gate.open();
    let first = within(PATIENCE, "the first buyer", first).await;
    first.expect("it ends").expect("it is confirmed, too");
    let expected = Counters {
        total: 1,
        available: -1,
        reserved: 0,
        sold: 2,
    };
    assert_eq!(shop.level(&lane).await, expected);
    let report = shop.audit().await;
    let mut exhibits = report.exhibits.iter();
    let exhibit = exhibits.find(|exhibit| exhibit.product_id == lane.id);
    assert_eq!(exhibit.map(|exhibit| exhibit.oversold), Some(1));
    check_audit_clean(&shop).await;
}

/// No other code decides without Redis, so the sale stops with it.
#[tokio::test]
async fn the_sale_stops_without_redis() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let lane = shop.with_lane(STRATEGY, 1).await;
    redis.kill();
    let refused = shop.buy(&lane).by(STRATEGY).on(&server).await;
    assert_eq!(refused, Err(ShopError::Busy { retry_after_s: 1 }));
    assert_eq!(shop.units_ordered(&lane).await, 0);
    check_audit_clean(&shop).await;
}
