//! The workbench's engine: the numbers of the contract, the verdict from the database, faults,
//! lanes, and stored runs.

mod arrivals;
mod certificate;
mod control;
mod faults;
mod http;
mod keep;
mod lanes;
mod lessons;
mod lock_view;
mod outage;
mod own_servers;
mod points;
mod presets;
mod promises;
mod stored;
mod time_split;
mod verdict;

use std::time::Duration;

use doorbuster::{
    model::{RunSnapshot, SimulationPlan, StrategyKey, Verdict},
    simulation::{Engine, StartedRun},
};

use crate::support::{TestShop, administrator, provider::OnDemand, within};

/// The longest time that a run may take in these tests.
const RUN_MAX: Duration = Duration::from_secs(300);

fn engine(shop: &TestShop) -> Engine {
    Engine::new(shop.database.url().to_owned(), shop.feed().clone())
        .with_gate(shop.gate().cloned())
        .with_gateway(std::sync::Arc::new(OnDemand::on(shop.database.url())))
}

/// Starts a run for the administrator.
async fn start_run(engine: &Engine, plan: SimulationPlan) -> StartedRun {
    let started = engine.start(&administrator(), plan).await;
    started.expect("the run starts")
}

async fn run(shop: &TestShop, plan: SimulationPlan) -> RunSnapshot {
    let engine = engine(shop);
    let started = start_run(&engine, plan).await;
    within(
        RUN_MAX,
        "the run's end",
        engine.finish(started, &[], |_| {}),
    )
    .await
    .expect("the run ends with a verdict")
}

/// Returns the verdict on the only lane.
fn only(run: RunSnapshot) -> Verdict {
    let mut lanes = run.lanes;
    assert_eq!(lanes.len(), 1);
    let verdict = lanes.remove(0).verdict.expect("it has a verdict");
    assert_eq!(run.passed, Some(verdict.passed()));
    verdict
}

async fn verdict_of(shop: &TestShop, plan: SimulationPlan) -> Verdict {
    only(run(shop, plan).await)
}

fn plan(strategy: StrategyKey, buyers: u32, stock: u32) -> SimulationPlan {
    SimulationPlan {
        strategies: vec![strategy],
        buyers,
        stock,
        ..SimulationPlan::preset()
    }
}

/// Counts the orders of the run's lanes in the database.
async fn orders(shop: &TestShop) -> i64 {
    shop.by_hand
        .value("SELECT count(*) FROM customer_order WHERE lane_id IS NOT NULL AND status IN ('placed', 'paid')")
        .await
}

/// `(succeeded, rejected, failed, remaining, oversold, undersold)`
fn figures(verdict: &Verdict) -> (u64, u64, u64, i64, i64, i64) {
    (
        verdict.succeeded,
        verdict.rejected,
        verdict.failed,
        verdict.remaining,
        verdict.oversold,
        verdict.undersold,
    )
}

/// Two of the safe strategies: one that decides under a lock, and one that decides in its update.
/// `promises` runs all of them.
const TWO_SAFE: [StrategyKey; 2] = [StrategyKey::RowLock, StrategyKey::ConditionalUpdate];
