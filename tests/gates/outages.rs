//! Redis fails in the middle of a sale, in every way: nothing is oversold, nothing is undersold,
//! and gates and rows agree again within 30 s.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use doorbuster::{
    config::ShopTerms,
    model::{ShopError, StrategyKey},
    shop::{
        Shop,
        gates::GatesError,
        inventory::{
            InjectionPoint,
            gate::{LEASE, lock::LOCK_LEASE},
            order_queue::CLAIM_AFTER,
            sold_out::REFUSAL_TTL,
        },
    },
};
use tokio::task::JoinSet;

use super::{RECONCILED_WITHIN, on, safe};
use crate::support::{
    PATIENCE, TestProduct, TestShop, administrator, check_audit_clean, redis::TestRedis, within,
};

const STOCK: i64 = 240;
const BUYERS: usize = 6;
/// Orders before the failure.
const BEFORE: i64 = 30;
/// Between read and write, so that the sale lasts longer than the failure.
const PAUSE_MS: u32 = 15;
/// The most units that are sold while Redis is stopped: fewer than are left then.
const WHILE_STOPPED: u128 = 165;
/// How long a hold in Redis lasts if Redis is stopped.
const HOLD_TTL_S: u32 = 1;

#[derive(Clone, Copy, Debug)]
enum Failure {
    Killed,
    Flushed,
    RestartedEmpty,
    RestartedWithOldDump,
    FailedOverToOldReplica,
    /// For longer than the lease of a purchase.
    Stopped,
}

/// How long Redis is stopped: longer than what purchases of this strategy have in it lasts.
fn past_the_lease(strategy: StrategyKey) -> Duration {
    let second = Duration::from_secs(1);
    match strategy {
        StrategyKey::RedisLock => LOCK_LEASE + second,
        StrategyKey::RedisHold => second * HOLD_TTL_S + second,
        StrategyKey::RedisStream => CLAIM_AFTER + second,
        _ => LEASE + second,
    }
}

/// The pause of each buyer.
fn pause_ms(strategy: StrategyKey, failure: Failure) -> u32 {
    // Buyers of a lock pause one after the other.
    if strategy == StrategyKey::RedisLock || !matches!(failure, Failure::Stopped) {
        return PAUSE_MS;
    }
    let at_once = past_the_lease(strategy).as_millis() * BUYERS as u128;
    u32::try_from(at_once / WHILE_STOPPED).expect("small")
}

/// A sale of one product by buyers who buy until they are refused.
struct Sale {
    sold: Arc<AtomicI64>,
    buyers: JoinSet<()>,
}

impl Sale {
    fn start(shop: &TestShop, server: &Shop, strategy: StrategyKey, product: &TestProduct) -> Self {
        let sold = Arc::new(AtomicI64::new(0));
        let mut buyers = JoinSet::new();
        for _ in 0..BUYERS {
            let purchase = shop.buy(product).by(strategy).on(server);
            let sold = Arc::clone(&sold);
            buyers.spawn(async move {
                loop {
                    match purchase.clone().await {
                        Ok(_) => drop(sold.fetch_add(1, Ordering::Relaxed)),
                        Err(ShopError::InsufficientStock { .. }) => return,
                        Err(other) => panic!("{strategy}: {other}"),
                    }
                }
            });
        }
        Self { sold, buyers }
    }

    async fn until_sold(&self, units: i64) {
        within(PATIENCE, "orders", async {
            while self.sold.load(Ordering::Relaxed) < units {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Waits for the last buyer, and returns the number of orders.
    async fn end(self) -> i64 {
        within(PATIENCE * 2, "the buyers' end", self.buyers.join_all()).await;
        self.sold.load(Ordering::Relaxed)
    }
}

/// Lets Redis fail while `sale` goes on, and repairs it.
async fn fail(redis: &mut TestRedis, sale: &Sale, strategy: StrategyKey, failure: Failure) {
    match failure {
        Failure::Killed => {
            redis.kill();
            // The sale goes on without it.
            sale.until_sold(BEFORE * 3).await;
            redis.restart();
        }
        Failure::Flushed => redis.flush(),
        Failure::RestartedEmpty => {
            redis.kill();
            redis.restart_empty();
        }
        Failure::RestartedWithOldDump => {
            redis.save();
            sale.until_sold(BEFORE * 2).await;
            redis.kill();
            redis.restart();
        }
        Failure::FailedOverToOldReplica => {
            let replica = TestRedis::start().expect("it is installed");
            replica.replicate(redis);
            replica.stop_replicating();
            sale.until_sold(BEFORE * 2).await;
            redis.kill();
            redis.restart_as(&replica);
        }
        Failure::Stopped => {
            redis.pause();
            let stopped = Instant::now();
            sale.until_sold(sale.sold.load(Ordering::Relaxed).min(STOCK - 20) + 20)
                .await;
            let rest = past_the_lease(strategy).saturating_sub(stopped.elapsed());
            tokio::time::sleep(rest).await;
            redis.resume();
            let sold = sale.sold.load(Ordering::Relaxed);
            assert!(
                sold < STOCK,
                "{strategy}: the sale ended before Redis was back"
            );
        }
    }
}

/// Reconciles until the gates agree with their rows, as the servers do every two seconds. Returns
/// how long that took.
async fn until_reconciled(server: &Shop, what: &str) -> Duration {
    let begin = Instant::now();
    loop {
        let gates = server.gate_administration(&administrator());
        match gates.reconcile().await {
            Ok(Some(_)) => {
                let inspected = server.gates().inspect().await.expect("Redis answers");
                let reports = inspected.gates;
                if reports.iter().all(|report| report.difference.is_none()) {
                    break;
                }
            }
            Ok(None) | Err(GatesError::Redis(_)) => {}
            Err(error) => panic!("{what}: {error}"),
        }
        assert!(begin.elapsed() < RECONCILED_WITHIN, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = begin.elapsed();
    let rule = server.gates().audit().await.expect("Redis answers");
    assert_eq!(rule.violations, 0, "{what}: {:?}", rule.listed);
    took
}

/// Prints its figures in one line.
async fn check_survives(strategy: StrategyKey, failure: Failure) {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let what = format!("{strategy}, {failure:?}");
    let shop = TestShop::new().await;
    let product = shop.with_product(STOCK).await;
    let pause = InjectionPoint::from_ms(pause_ms(strategy, failure));
    let mut server = on(&shop, &redis).with_injection_point(pause);
    if matches!(failure, Failure::Stopped) {
        server = server.with_terms(ShopTerms {
            hold_ttl_s: HOLD_TTL_S,
            ..ShopTerms::default()
        });
    }
    let sale = Sale::start(&shop, &server, strategy, &product);
    sale.until_sold(BEFORE).await;
    fail(&mut redis, &sale, strategy, failure).await;
    assert_eq!(sale.end().await, STOCK, "{what}: sold, and no unit is left");
    assert_eq!(shop.units_ordered(&product).await, STOCK, "{what}");
    assert_eq!(shop.level(&product).await.available, 0, "{what}");
    let took = until_reconciled(&server, &what).await;
    eprintln!(
        "{what}: {STOCK} of {STOCK} units sold, 0 oversold, 0 undersold, reconciled in {} ms",
        took.as_millis()
    );
    // A delivery is for sale as soon as the last refusal is no longer repeated, whatever the gate
    // knew.
    tokio::time::sleep(REFUSAL_TTL * 2).await;
    shop.restock(&product, 1).await;
    let bought = shop.buy(&product).by(strategy).on(&server).await;
    assert!(bought.is_ok(), "{what}: {bought:?}");
    check_audit_clean(&shop).await;
}

/// The same for each strategy: nothing is oversold, and nothing is undersold.
async fn check_all_survive(failure: Failure) {
    for strategy in safe() {
        check_survives(strategy, failure).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_neither_oversells_nor_undersells() {
    check_all_survive(Failure::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_neither_oversells_nor_undersells() {
    check_all_survive(Failure::Flushed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_empty_neither_oversells_nor_undersells() {
    check_all_survive(Failure::RestartedEmpty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_with_an_old_dump_neither_oversells_nor_undersells() {
    check_all_survive(Failure::RestartedWithOldDump).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_a_lagging_replica_neither_oversells_nor_undersells() {
    check_all_survive(Failure::FailedOverToOldReplica).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_stopped_past_the_leases_neither_oversells_nor_undersells() {
    check_all_survive(Failure::Stopped).await;
}

/// A purchase that has reserved and never comes back is a lease that runs out, and no lost unit.
#[tokio::test]
async fn a_lease_of_a_lost_purchase_costs_no_unit() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let server = on(&shop, &redis);
    let gate = server.gate().expect("it has one");
    let by = |strategy| shop.buy(&product).by(strategy).on(&server);
    by(StrategyKey::RedisCounter).await.expect("it is sold");
    let lost = super::reservation(&product, 1, "a purchase that is lost");
    gate.reserve(&lost, LEASE).await.expect("Redis answers");
    let inspected = server.gates().inspect().await.expect("Redis answers");
    let reports = inspected.gates;
    assert_eq!(reports.first().map(|report| report.gate.left()), Some(0));
    // The gate has no unit left, and the row has one.
    by(StrategyKey::RedisHold).await.expect("the row sells it");
    let refused = by(StrategyKey::RedisCounter).await;
    assert_eq!(refused, Err(product.insufficient(0, 1)));
    until_reconciled(&server, "with the lease").await;
    check_audit_clean(&shop).await;
}

/// Returns how many purchases by a strategy the row has sold alone.
fn fallbacks(server: &Shop, strategy: StrategyKey) -> u64 {
    let mut counted = server.metrics().fallbacks();
    let of_strategy = counted.find(|(name, _)| *name == strategy.as_str());
    of_strategy.map_or(0, |(_, count)| count)
}

/// The shop goes on within a second when Redis is gone, and uses it again when it is back.
#[tokio::test]
async fn a_shop_without_its_redis_continues_with_the_row() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(1_000).await;
    let server = on(&shop, &redis);
    for strategy in safe() {
        let buy = || shop.buy(&product).by(strategy).on(&server);
        buy().await.expect("it is sold");
        redis.kill();
        let gone = Instant::now();
        buy().await.expect("the row sells it");
        let took = gone.elapsed();
        eprintln!("{strategy}: the first purchase without Redis took {took:?}");
        assert!(took < PATIENCE / 2, "{strategy}: {took:?}");
        assert_eq!(fallbacks(&server, strategy), 1, "{strategy}");
        redis.restart();
        within(PATIENCE, "Redis", async {
            while server.gates().inspect().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        buy().await.expect("it is sold");
        let inspected = server.gates().inspect().await.expect("Redis answers");
        let reports = inspected.gates;
        let current = reports.iter().any(|report| report.gate.is_current);
        assert!(current || strategy == StrategyKey::RedisLock, "{strategy}");
        assert_eq!(fallbacks(&server, strategy), 1, "{strategy}");
    }
    check_audit_clean(&shop).await;
}

/// Without `REDIS_URL`, the strategies are refused with the reason.
#[tokio::test]
async fn a_shop_without_redis_names_the_reason() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let server = shop.handle().with_gate(None);
    for strategy in safe() {
        let refused = shop.buy(&product).by(strategy).on(&server).await;
        let reason = ShopError::StrategyNeedsRedis(strategy.to_string());
        assert_eq!(refused, Err(reason));
    }
    let gates = server.gates().inspect().await;
    assert!(matches!(gates, Err(GatesError::NoRedis)));
    assert_eq!(shop.level(&product).await.available, 3);
}
