//! The promise of every safe strategy: never oversold, never undersold, and a clean audit.
//!
//! `./makew soak` runs each crowd with 20 seeds and adds a million attempts; `./makew test` runs
//! each crowd with one seed.

use std::time::Duration;

use doorbuster::model::{SimulationPlan, StrategyKey, plan::Quantities};

use super::{engine, figures, only, plan, start_run};
use crate::support::{TestShop, check_audit_clean, seed, shop::units_of, strategies, within};

/// The longest time that one crowd may take on a machine that is busy with other tests.
const CROWD_MAX: Duration = Duration::from_secs(300);
/// A crowd: buyers, stock, quantity per attempt, race window in milliseconds.
type Crowd = (u32, u32, u32, u32);

/// The crowds; the largest has a quarter of its buyers in `./makew test`.
fn crowds(is_soak: bool) -> [Crowd; 6] {
    let largest = if is_soak { 1_000 } else { 250 };
    [
        (33, 20, 1, 0),
        (largest, 100, 1, 0),
        (50, 500, 3, 0),
        (64, 1, 1, 0),
        (40, 77, 5, 0),
        (33, 20, 1, 2),
    ]
}

/// Reads a number from the environment, which the soak test raises.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|set| set.parse().ok()).unwrap_or(otherwise)
}

pub fn safe() -> impl Iterator<Item = StrategyKey> {
    strategies().filter(|key| key.is_safe())
}

async fn check_promises(shop: &TestShop, plan: SimulationPlan) {
    let described = format!("{plan:?}");
    let engine = engine(shop);
    let (units, buyers) = (i64::from(plan.stock), u64::from(plan.buyers));
    let quantity = i64::from(plan.quantities.max().get());
    let rounds = u64::from(plan.rounds);
    let started = start_run(&engine, plan).await;
    let run = engine.finish(started, &[], |_| {});
    let run = within(CROWD_MAX, "the run's end", run).await;
    let verdict = only(run.expect("the run ends with a verdict"));
    // Exactly as many attempts succeed as the stock covers.
    let attempts = buyers * rounds;
    let fitting = u64::try_from(units / quantity).expect("not negative");
    let sold = fitting.min(attempts);
    let left = units - i64::try_from(sold).expect("small") * quantity;
    assert_eq!(
        figures(&verdict),
        (sold, attempts - sold, 0, left, 0, 0),
        "{described}"
    );
    assert!(verdict.invariants_held(), "{described}: {verdict:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_safe_strategy_without_redis_sells_exactly_the_stock_to_every_crowd() {
    check_crowds(safe().filter(|key| !key.row().needs_redis)).await;
}

/// `./makew test` runs these on MariaDB, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_safe_strategy_with_redis_sells_exactly_the_stock_to_every_crowd() {
    check_crowds(safe().filter(|key| key.row().needs_redis)).await;
}

async fn check_crowds(strategies: impl Iterator<Item = StrategyKey>) {
    let (first, seeds) = (seed(), setting("DOORBUSTER_SOAK_SEEDS", 1));
    let shop = TestShop::new().await;
    for strategy in strategies {
        for nth in 0..seeds {
            for (buyers, stock, quantity, race_window_ms) in crowds(seeds > 1) {
                let plan = SimulationPlan {
                    quantities: Quantities::Fixed(units_of(quantity)),
                    race_window_ms,
                    seed: first.wrapping_add(nth),
                    ..plan(strategy, buyers, stock)
                };
                check_promises(&shop, plan).await;
            }
        }
    }
    check_audit_clean(&shop).await;
}

/// A hundred buyers make many attempts each: 4,000 over all strategies, and a million in the soak
/// test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_attempts_never_oversell_and_never_undersell() {
    const BUYERS: u32 = 100;
    let in_all = setting("DOORBUSTER_SOAK_ATTEMPTS", 4_000);
    let strategies: Vec<_> = safe().collect();
    let each = in_all.div_ceil(strategies.len() as u64);
    let rounds = u32::try_from(each.div_ceil(BUYERS.into())).expect("small");
    let mut attempts = 0;
    let shop = TestShop::new().await;
    for strategy in strategies {
        let plan = SimulationPlan {
            rounds,
            seed: seed(),
            // Every twentieth attempt buys.
            ..plan(strategy, BUYERS, BUYERS * rounds / 20)
        };
        attempts += plan.attempts();
        check_promises(&shop, plan).await;
    }
    check_audit_clean(&shop).await;
    assert!(attempts >= in_all);
    eprintln!("{attempts} attempts, none oversold, none undersold");
}
