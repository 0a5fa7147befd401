//! The parts of an attempt's time: they add up to the latency, for every strategy and journey.

use doorbuster::model::{SimulationPlan, StrategyKey, TimeSplitMs, Verdict, plan::Journey};

use super::{plan, verdict_of};
use crate::support::{TestShop, check_audit_clean, strategies};

/// Long enough that it outweighs what a busy machine adds.
const RACE_WINDOW_MS: u32 = 20;
/// Each part is rounded to a thousandth.
const ROUNDING_MS: f64 = 0.02;

/// Twelve buyers for six units on three connections, each with a race window.
fn crowd(strategy: StrategyKey, journey: Journey) -> SimulationPlan {
    SimulationPlan {
        pool_size: 3,
        race_window_ms: RACE_WINDOW_MS,
        journey,
        ..plan(strategy, 12, 6)
    }
}

/// Checks that no time is counted twice or in no part, and returns the parts.
#[track_caller]
fn check_adds_up(verdict: &Verdict) -> TimeSplitMs {
    let (split, mean) = (verdict.time_split_ms, verdict.latency_ms.mean);
    assert!(
        (split.total() - mean).abs() < ROUNDING_MS,
        "{} of {mean} ms: {verdict:#?}",
        split.total()
    );
    // The rest is only what the machine adds: a task that waits for a processor.
    assert!(split.other < mean / 2.0, "{verdict:#?}");
    split
}

#[tokio::test]
async fn the_parts_add_up_to_the_latency_for_every_strategy() {
    let shop = TestShop::new().await;
    for strategy in strategies() {
        let verdict = verdict_of(&shop, crowd(strategy, Journey::Express)).await;
        let split = check_adds_up(&verdict);
        assert!(split.pause > 0.0, "{strategy}: {split:?}");
        assert!(split.payment <= 0.0, "{strategy}: {split:?}");
        assert_eq!(
            split.backoff > 0.0,
            verdict.retries > 0,
            "{strategy}: {verdict:#?}"
        );
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_parts_add_up_to_the_latency_of_a_checkout() {
    let shop = TestShop::new().await;
    let can_hold = |strategy: &StrategyKey| strategy.row().can_hold;
    for strategy in strategies().filter(can_hold) {
        let verdict = verdict_of(&shop, crowd(strategy, Journey::Checkout)).await;
        let split = check_adds_up(&verdict);
        assert!(split.payment > 0.0, "{strategy}: {split:?}");
    }
    check_audit_clean(&shop).await;
}

/// Each buyer waits for all before, in memory: hardly any time is spent in statements.
#[tokio::test]
async fn the_wait_for_a_mutex_or_a_batch_is_a_part_of_its_own() {
    let shop = TestShop::new().await;
    let mutex = crowd(StrategyKey::ProcessMutex, Journey::Express);
    let verdict = verdict_of(&shop, mutex).await;
    let split = check_adds_up(&verdict);
    assert!(
        split.queue_wait > verdict.latency_ms.mean / 2.0,
        "{verdict:#?}"
    );
    let batch = SimulationPlan {
        race_window_ms: 0,
        ..crowd(StrategyKey::MicroBatch, Journey::Express)
    };
    let verdict = verdict_of(&shop, batch).await;
    assert!(verdict.time_split_ms.queue_wait > 0.0, "{verdict:#?}");
    check_audit_clean(&shop).await;
}

/// Buyers who repeat a lost version pause in between.
#[tokio::test]
async fn the_pause_before_a_retry_is_a_part_of_its_own() {
    let shop = TestShop::new().await;
    let verdict = verdict_of(&shop, crowd(StrategyKey::Optimistic, Journey::Express)).await;
    assert!(verdict.retries > 0, "{verdict:#?}");
    assert!(verdict.time_split_ms.backoff > 0.0, "{verdict:#?}");
    check_audit_clean(&shop).await;
}
