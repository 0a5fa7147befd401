//! When buyers arrive, and from when their latency counts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doorbuster::{
    model::{
        SimulationPlan, StrategyKey,
        plan::{Arrivals, Quantities},
    },
    simulation::schedule::Schedule,
};

use super::{RUN_MAX, engine, only, plan, start_run, verdict_of};
use crate::support::{
    TestShop, check_audit_clean,
    race::wait_until_blocked,
    sessions::{self, Session, is_of_a_run},
    within,
};

/// Opens a transaction that locks the stock row of the only lane.
const BLOCK: &str = "BEGIN; SELECT 1 FROM stock WHERE product_id = \
                     (SELECT max(id) FROM product WHERE lane_id IS NOT NULL) FOR UPDATE";

/// One buyer plans five attempts within milliseconds, and the first one waits for a locked row. The
/// wait counts for the other four attempts too, although the buyer could not send them.
#[tokio::test]
async fn latency_counts_from_the_intended_start() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        rounds: 5,
        arrivals: Arrivals::Open { rate_per_s: 1_000 },
        ..plan(StrategyKey::RowLock, 1, 5)
    };
    let last = Schedule::of(Arc::new(plan.clone())).intended(0, 4);
    let last = last.expect("open arrivals have a time");
    assert!(last < Duration::from_millis(50), "{last:?}");
    let engine = engine(&shop);
    let started = start_run(&engine, plan).await;
    shop.by_hand.run(BLOCK).await;
    let running = tokio::spawn(async move { engine.finish(started, &[], |_| {}).await });
    let other = shop.database.by_hand().await;
    wait_until_blocked(&other, 1).await;
    let held = Duration::from_millis(400);
    tokio::time::sleep(held).await;
    shop.by_hand.run("COMMIT").await;
    let end = within(RUN_MAX, "the run's end", running).await;
    let verdict = only(end.expect("no panic").expect("it ends"));
    let at_least = (held - last).as_secs_f64() * 1_000.0 * 0.99;
    assert!(
        verdict.latency_ms.p50 > at_least,
        "the median of five attempts, four of them late: {:?}, not {at_least}",
        verdict.latency_ms
    );
    assert!(verdict.invariants_held(), "{verdict:#?}");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn open_arrivals_take_as_long_as_their_rate_requires() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        rounds: 2,
        arrivals: Arrivals::Open { rate_per_s: 100 },
        ..plan(StrategyKey::ConditionalUpdate, 20, 30)
    };
    let schedule = Schedule::of(Arc::new(plan.clone()));
    let last = schedule.intended(19, 1).expect("open arrivals have a time");
    let verdict = verdict_of(&shop, plan).await;
    assert!(
        u128::from(verdict.elapsed_ms) >= last.as_millis(),
        "{verdict:#?}"
    );
    assert_eq!((verdict.succeeded, verdict.rejected), (30, 10));
    check_audit_clean(&shop).await;
}

/// The largest rounding error of a time in a row of the waterfall, and of a sum of three.
const ROUNDING_MS: f64 = 0.01;

/// Each pause lies before its attempt and after the end of the buyer's previous one, so it is no
/// part of a latency, however long the attempts take.
#[tokio::test]
async fn closed_arrivals_follow_their_ramp_and_think_time() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        rounds: 3,
        ramp_ms: 300,
        think_time_ms: 60,
        ..plan(StrategyKey::RowLock, 3, 9)
    };
    let schedule = Schedule::of(Arc::new(plan.clone()));
    let paused = |place| -> Duration { (0..3).map(|round| schedule.pause(place, round)).sum() };
    let longest = (0..3).map(paused).max().expect("three buyers");
    let engine = engine(&shop);
    let started = start_run(&engine, plan).await;
    let live = started.run.clone();
    let end = within(
        RUN_MAX,
        "the run's end",
        engine.finish(started, &[], |_| {}),
    );
    let verdict = only(end.await.expect("it ends with a verdict"));
    assert!(
        u128::from(verdict.elapsed_ms) >= longest.as_millis(),
        "{} ms, not {longest:?}",
        verdict.elapsed_ms
    );
    let rows = live.locks().remove(0).waterfall.rows;
    assert_eq!(rows.len(), 9);
    for (place, buyer) in schedule.queue().iter().enumerate() {
        let mut end_before_ms = 0.0;
        for round in 0..3 {
            let row = rows
                .iter()
                .find(|row| (row.buyer, row.round) == (*buyer, round))
                .expect("each attempt has a row");
            let pause_ms = schedule.pause(place, round).as_secs_f64() * 1_000.0;
            assert!(
                row.start_ms + ROUNDING_MS >= end_before_ms + pause_ms,
                "a pause of {pause_ms} ms does not count as latency: {rows:#?}"
            );
            end_before_ms = row.start_ms + row.latency_ms;
        }
    }
    assert_eq!(verdict.succeeded, 9);
}

#[tokio::test]
async fn quantities_of_a_range_add_up() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        quantities: Quantities::parse("1..4").expect("a range"),
        ..plan(StrategyKey::RowLock, 30, 25)
    };
    let verdict = verdict_of(&shop, plan).await;
    assert!(verdict.invariants_held(), "{verdict:#?}");
    assert_eq!((verdict.quantity_min, verdict.quantity), (Some(1), 4));
    assert_eq!(verdict.promised, Some(verdict.sold));
    let units: i64 = shop
        .by_hand
        .value("SELECT sum(l.quantity)::bigint FROM order_line l JOIN product p ON p.id = l.product_id WHERE p.lane_id IS NOT NULL")
        .await;
    assert_eq!(verdict.sold, units);
    assert!(
        verdict.sold > 22,
        "a single unit would have been sold: {verdict:#?}"
    );
    check_audit_clean(&shop).await;
}

/// With a pool of three, three buyers wait for the lock and all others for a connection.
#[tokio::test]
async fn the_pool_has_the_planned_size() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let plan = SimulationPlan {
        pool_size: 3,
        ..plan(StrategyKey::RowLock, 12, 12)
    };
    let started = start_run(&engine, plan).await;
    shop.by_hand.run(BLOCK).await;
    let running = tokio::spawn(async move { engine.finish(started, &[], |_| {}).await });
    let other = shop.database.by_hand().await;
    wait_until_blocked(&other, 3).await;
    let is_open = |session: &Session| is_of_a_run(session) && session.is_in_transaction;
    assert_eq!(sessions::count(&other, is_open).await, 3);
    let blocked_at = Instant::now();
    shop.by_hand.run("COMMIT").await;
    let end = within(RUN_MAX, "the run's end", running).await;
    let verdict = only(end.expect("no panic").expect("it ends"));
    assert_eq!(verdict.succeeded, 12);
    assert!(blocked_at.elapsed() < RUN_MAX);
    check_audit_clean(&shop).await;
}
