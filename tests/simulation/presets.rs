//! The presets of the exhibits in Redis, as the workshop runs them: what breaks, what does not, and
//! what the run's page says about it.

use std::path::PathBuf;

use doorbuster::model::{RunSnapshot, SimulationPlan, Verdict, findings, plan::PRESETS};

use super::{RUN_MAX, engine};
use crate::support::{TestShop, administrator, check_audit_clean, redis::can_start, within};

fn plan_of(name: &str) -> SimulationPlan {
    let preset = PRESETS.iter().find(|preset| preset.name == name);
    preset.expect("it is listed").plan()
}

async fn run_preset(shop: &TestShop, name: &str) -> RunSnapshot {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_doorbuster"));
    let engine = engine(shop).with_server_program(program);
    let started = engine.start(&administrator(), plan_of(name)).await;
    let started = started.expect("the run starts");
    let run = within(
        RUN_MAX,
        "the run's end",
        engine.finish(started, &[], |_| {}),
    );
    run.await.expect("the run ends with a verdict")
}

/// The verdict on each lane, and what its page says.
fn results(run: &RunSnapshot) -> Vec<(Verdict, String)> {
    let lanes = run.lanes.iter();
    lanes
        .map(|lane| {
            let verdict = lane.verdict.clone().expect("it has a verdict");
            (verdict, findings::of_lane(lane, &run.plan).join("\n"))
        })
        .collect()
}

/// Units sold, oversold and undersold.
fn units(verdict: &Verdict) -> (i64, i64, i64) {
    (verdict.sold, verdict.oversold, verdict.undersold)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_ends_too_early_oversells_without_a_token() {
    if !can_start() {
        return;
    }
    let shop = TestShop::new().await;
    let run = run_preset(&shop, "A lock that ends too early").await;
    let results = results(&run);
    let [(unfenced, happened), (fenced, of_fenced)] = results.as_slice() else {
        panic!("two lanes: {results:#?}");
    };
    assert!(unfenced.oversold > 0, "{unfenced:#?}");
    let explanation = "The lock in Redis expired before its holder had finished";
    assert!(happened.contains(explanation), "{happened}");
    assert!(!happened.contains("a lock of its own"), "{happened}");
    assert_eq!(units(fenced), (fenced.stock, 0, 0), "{fenced:#?}");
    assert!(fenced.invariants_held(), "{fenced:#?}");
    assert!(!of_fenced.contains(explanation), "{of_fenced}");
    check_audit_clean(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_in_two_places_loses_units_without_reconciliation() {
    if !can_start() {
        return;
    }
    let shop = TestShop::new().await;
    let run = run_preset(&shop, "Stock in two places").await;
    let results = results(&run);
    let [(dual, happened), (counter, of_counter)] = results.as_slice() else {
        panic!("two lanes: {results:#?}");
    };
    assert_eq!(dual.oversold, 0, "{dual:#?}");
    assert!(dual.undersold > 0, "{dual:#?}");
    assert_eq!(dual.undersold, dual.stock - dual.sold, "{dual:#?}");
    let explanation = format!("Redis counted {} unit", dual.undersold);
    assert!(happened.contains(&explanation), "{happened}");
    assert_eq!(units(counter), (counter.stock, 0, 0), "{counter:#?}");
    assert!(counter.invariants_held(), "{counter:#?}");
    assert!(!of_counter.contains("Redis counted"), "{of_counter}");
    check_audit_clean(&shop).await;
}
