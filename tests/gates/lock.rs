//! The lock in Redis: a holder that is paused past its lease, with and without a fencing token.

use std::time::Duration;

use doorbuster::{
    db::txn::TimeSplit,
    model::{ShopError, StrategyKey},
    shop::inventory::gate::lock::LOCK_LEASE,
};

use super::on;
use crate::support::{
    Gate, PATIENCE, TestProduct, TestShop, check_audit_clean, redis::TestRedis, shop::Counters,
    within,
};

/// Longer than the lease.
const PAUSE: Duration = Duration::from_millis(1_200);

/// Two buyers want the last unit. The first has read it and is paused past its lease; the second
/// takes the lock in another process, reads, and waits, too. Then the second writes before the
/// first. Returns their answers.
async fn pause_a_holder(
    shop: &TestShop,
    redis: &TestRedis,
    strategy: StrategyKey,
    product: &TestProduct,
) -> [Result<Option<i64>, ShopError>; 2] {
    assert!(PAUSE > LOCK_LEASE);
    let gates = redis.gate();
    let server = || shop.handle().with_gate(Some(gates.clone()));
    let (paused, late) = (Gate::closed(), Gate::closed());
    let first = shop.buy(product).by(strategy).on(&server());
    let first = first.at(paused.injection_point()).spawn();
    paused.arrivals(1).await;
    // Another process has a queue of its own in front of the lock.
    let second = shop.handle().with_gate(Some(gates.in_another_process()));
    let second = shop.buy(product).by(strategy).on(&second);
    let second = second.at(late.injection_point()).spawn();
    tokio::time::sleep(LOCK_LEASE / 2).await;
    assert_eq!(late.count(), 0, "the first has the lock");
    tokio::time::sleep(PAUSE).await;
    late.arrivals(1).await;
    late.open();
    let second = within(PATIENCE, "the second buyer", second).await;
    paused.open();
    let first = within(PATIENCE, "the paused buyer", first).await;
    [first, second].map(|joined| {
        let receipt = joined.expect("it ends");
        receipt.map(|receipt| receipt.remaining_stock)
    })
}

#[tokio::test]
async fn a_holder_paused_past_its_lease_oversells_without_a_token() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let strategy = StrategyKey::RedisLockUnfenced;
    let lane = shop.with_lane(strategy, 1).await;
    let answers = pause_a_holder(&shop, &redis, strategy, &lane).await;
    assert_eq!(answers, [Ok(Some(0)), Ok(Some(0))], "both are confirmed");
    assert_eq!(shop.units_ordered(&lane).await, 2);
    let looks_right = Counters {
        total: 1,
        available: 0,
        reserved: 0,
        sold: 1,
    };
    assert_eq!(shop.level(&lane).await, looks_right);
    let report = shop.audit().await;
    let exhibits = report.exhibits.iter();
    let mut exhibits = exhibits.filter(|exhibit| exhibit.product_id == lane.id);
    assert_eq!(exhibits.next().map(|exhibit| exhibit.oversold), Some(1));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_holder_paused_past_its_lease_does_no_harm_with_a_token() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let strategy = StrategyKey::RedisLock;
    for units in [1, 2] {
        let product = shop.with_product(units).await;
        let answers = pause_a_holder(&shop, &redis, strategy, &product).await;
        let expected = match units {
            1 => [Err(product.insufficient(0, 1)), Ok(Some(0))],
            _ => [Ok(Some(0)), Ok(Some(1))],
        };
        assert_eq!(answers, expected, "{units} units");
        assert_eq!(shop.units_ordered(&product).await, units);
    }
    check_audit_clean(&shop).await;
}

/// Redis forgets the tokens, and gives the row smaller ones than it has.
#[tokio::test]
async fn lost_tokens_do_not_stop_the_sale() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(6).await;
    let server = on(&shop, &redis);
    let fence = format!("SELECT fence FROM stock WHERE product_id = {}", product.id);
    let buy = || shop.buy(&product).by(StrategyKey::RedisLock).on(&server);
    for token in 1..=3 {
        buy().await.expect("it is sold");
        assert_eq!(shop.by_hand.value::<i64>(&fence).await, token);
    }
    redis.flush();
    buy().await.expect("the row lock sells it");
    assert_eq!(
        shop.by_hand.value::<i64>(&fence).await,
        3,
        "not by its token"
    );
    buy().await.expect("it is sold");
    assert_eq!(
        shop.by_hand.value::<i64>(&fence).await,
        4,
        "Redis has the token of the row"
    );
    check_audit_clean(&shop).await;
}

/// A holder that dies keeps the lock until its lease ends.
#[tokio::test]
async fn the_lock_of_a_dead_holder_ends_with_its_lease() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let gates = redis.gate();
    let mut split = TimeSplit::default();
    let held = gates
        .lock(7, PATIENCE, &mut split)
        .await
        .expect("Redis answers");
    let held = held.expect("it is free");
    // Nothing releases it.
    std::mem::forget(held);
    let other = gates.in_another_process();
    let mut split = TimeSplit::default();
    let refused = other.lock(7, LOCK_LEASE / 4, &mut split).await;
    assert!(refused.expect("Redis answers").is_none(), "it is held");
    let taken = other.lock(7, PATIENCE, &mut split).await;
    let taken = taken.expect("Redis answers");
    assert_eq!(taken.map(|lock| lock.token()), Some(2));
    // Another process has the lock: the wait for it is one for Redis.
    assert!(split.redis > LOCK_LEASE / 4, "{split:?}");
    assert!(split.queue_wait < split.redis / 2, "{split:?}");
}
