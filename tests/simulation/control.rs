//! Pausing, resuming, stopping and aborting a run.

use std::sync::Arc;

use doorbuster::{
    db::txn::TxnError,
    model::{
        RunCommand, RunEventKind, RunSnapshot, RunState, ShopError, SimulationPlan, StrategyKey,
        plan::{Arrivals, Journey},
    },
    payment::gateway::ChargeState,
    simulation::{Engine, LiveRun, SimulationError, StartedRun, store},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{RUN_MAX, engine, orders, plan, start_run};
use crate::support::{
    ScriptedProvider, TestShop, administrator, check_audit_clean,
    race::{StockLock, wait_until_blocked},
    within,
};

type Ended = JoinHandle<Result<RunSnapshot, SimulationError>>;

/// One arrival per second for 500 buyers: most of them are never served.
fn slow_trickle() -> SimulationPlan {
    SimulationPlan {
        arrivals: Arrivals::Open { rate_per_s: 1 },
        ..plan(StrategyKey::RowLock, 500, 200)
    }
}

fn finish(engine: &Engine, started: StartedRun) -> Ended {
    let engine = engine.clone();
    tokio::spawn(async move { engine.finish(started, &[], |_| {}).await })
}

async fn ended(run: Ended) -> RunSnapshot {
    within(RUN_MAX, "the run's end", run)
        .await
        .expect("the run does not panic")
        .expect("the run ends")
}

/// Waits until the run's snapshot meets the condition.
async fn wait_for(run: &Arc<LiveRun>, what: &'static str, wanted: impl Fn(&RunSnapshot) -> bool) {
    let mut changes = run.subscribe();
    within(RUN_MAX, what, async {
        while !wanted(&run.snapshot()) {
            changes
                .changed()
                .await
                .expect("the run outlives its watcher");
        }
    })
    .await;
}

fn kinds(run: &RunSnapshot) -> Vec<RunEventKind> {
    run.events.iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn a_paused_run_starts_no_attempt() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = start_run(&engine, plan(StrategyKey::RowLock, 12, 5)).await;
    let run = Arc::clone(&started.run);
    run.apply_command(RunCommand::Pause);
    let end = finish(&engine, started);
    wait_for(&run, "points of a paused run", |run| {
        run.lanes[0].samples.len() > 2
    })
    .await;
    let paused = run.snapshot();
    assert_eq!((paused.state, paused.served()), (RunState::Paused, 0));
    assert_eq!(orders(&shop).await, 0);

    run.apply_command(RunCommand::Run);
    let end = ended(end).await;
    assert_eq!((end.state, end.served()), (RunState::Finished, 12));
    assert!(end.paused_ms > 0);
    assert_eq!(
        kinds(&end),
        [
            RunEventKind::Paused,
            RunEventKind::Resumed,
            RunEventKind::SoldOut
        ]
    );
    assert_eq!(end.passed, Some(true));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_run_is_aborted_with_its_verdict_when_its_server_is_stopped() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = start_run(&engine, slow_trickle()).await;
    let (id, run) = (started.id(), Arc::clone(&started.run));
    let end = finish(&engine, started);
    wait_for(&run, "the first order", |run| run.served() > 0).await;
    engine
        .runs()
        .cut_off("the server was stopped", RUN_MAX)
        .await;
    let end = ended(end).await;
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    for run in [end, stored] {
        assert_eq!(run.state, RunState::Aborted);
        assert_eq!(run.failure.as_deref(), Some("the server was stopped"));
        let verdict = run.lanes[0].verdict.as_ref().expect("it has a verdict");
        assert_eq!(verdict.sold, orders(&shop).await);
        assert_eq!((verdict.oversold, verdict.known_undersold()), (0, Some(0)));
    }
    assert!(engine.runs().get(id).is_none());
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_stopped_run_finishes_its_attempts_and_gets_a_verdict() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let product = shop.with_product(200).await;
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let by_hand = shop.database.by_hand().await;
    let started = engine
        .start(
            &administrator(),
            SimulationPlan {
                product_id: Some(product.id),
                rounds: 1_000,
                ..plan(StrategyKey::RowLock, 3, 0)
            },
        )
        .await
        .expect("the run starts");
    let (id, run) = (started.id(), Arc::clone(&started.run));
    let end = finish(&engine, started);
    wait_until_blocked(&by_hand, 3).await;
    run.apply_command(RunCommand::Stop);
    assert_eq!(run.snapshot().state, RunState::Stopping);
    run.apply_command(RunCommand::Run);
    assert_eq!(
        run.snapshot().state,
        RunState::Stopping,
        "a stopping run cannot be resumed"
    );
    stock_lock.release().await;

    let end = ended(end).await;
    assert_eq!(
        (end.state, end.served(), end.passed),
        (RunState::Stopped, 3, Some(true))
    );
    let verdict = end.lanes[0].verdict.as_ref().expect("a verdict");
    assert_eq!(
        (verdict.succeeded, verdict.attempts, verdict.remaining),
        (3, 3, 197)
    );
    assert_eq!(verdict.undersold, 0, "no attempt is unfulfilled");
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!(
        (stored.state, stored.passed, &stored.events),
        (end.state, end.passed, &end.events)
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_aborted_run_ends_at_once_and_counts_all_orders() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let product = shop.with_product(20).await;
    let stock_lock = StockLock::acquire(&shop, &product).await;
    let by_hand = shop.database.by_hand().await;
    let started = engine
        .start(
            &administrator(),
            SimulationPlan {
                product_id: Some(product.id),
                ..plan(StrategyKey::RowLock, 3, 0)
            },
        )
        .await
        .expect("the run starts");
    let run = Arc::clone(&started.run);
    let end = finish(&engine, started);
    wait_until_blocked(&by_hand, 3).await;
    run.apply_command(RunCommand::Abort);
    // The run ends although the lock that its buyers wait for is still held.
    let end = ended(end).await;
    stock_lock.release().await;
    assert_eq!(end.state, RunState::Aborted);
    let verdict = end.lanes[0].verdict.as_ref().expect("a verdict");
    assert_eq!(verdict.succeeded + verdict.failed, 3);
    assert_eq!(verdict.failed, verdict.cut_off, "{verdict:#?}");
    assert_eq!(verdict.sold, orders(&shop).await);
    assert!(verdict.invariants_held(), "{verdict:#?}");
    check_audit_clean(&shop).await;
}

/// Eight buyers have reserved and wait for their payment when the run is aborted. The provider has
/// charged one card, and does not know of the other charges.
#[tokio::test]
async fn an_aborted_checkout_run_releases_its_reservations() {
    let shop = TestShop::new().await;
    let scripted = ScriptedProvider::default();
    let engine = engine(&shop).with_gateway(Arc::new(scripted.clone()));
    let plan = SimulationPlan {
        journey: Journey::Checkout,
        ..plan(StrategyKey::RowLock, 8, 10)
    };
    let started = start_run(&engine, plan).await;
    let run = Arc::clone(&started.run);
    let end = finish(&engine, started);
    let charges = scripted.charges(8).await;
    scripted.set_state(charges[0], ChargeState::Captured);
    run.apply_command(RunCommand::Abort);
    let end = ended(end).await;
    let verdict = end.lanes[0].verdict.as_ref().expect("a verdict");
    assert_eq!(
        (verdict.sold, verdict.held, verdict.remaining),
        (1, 0, 9),
        "{verdict:#?}"
    );
    assert_eq!((verdict.succeeded, verdict.cut_off), (1, 7));
    assert!(verdict.invariants_held(), "{verdict:#?}");
    assert_eq!(scripted.voided().len(), 7);
    let held: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM hold WHERE state = 'held'")
        .await;
    assert_eq!(held, 0);
    check_audit_clean(&shop).await;
}

/// What Ctrl-C does to the command `simulate`.
#[tokio::test]
async fn an_interruption_aborts_the_run() {
    let shop = TestShop::new().await;
    let interruption = CancellationToken::new();
    let engine = engine(&shop).interruptible(interruption.clone());
    let started = start_run(&engine, slow_trickle()).await;
    let (id, run) = (started.id(), Arc::clone(&started.run));
    let end = finish(&engine, started);
    wait_for(&run, "the first answer", |run| run.served() > 0).await;
    interruption.cancel();
    let end = ended(end).await;
    assert_eq!(end.state, RunState::Aborted);
    assert!(end.lanes[0].verdict.is_some());
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!(stored.state, RunState::Aborted);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_stopped_run_leaves_out_lanes_that_have_not_started() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(
            &administrator(),
            SimulationPlan {
                strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
                ..slow_trickle()
            },
        )
        .await
        .expect("the run starts");
    let run = Arc::clone(&started.run);
    let end = finish(&engine, started);
    wait_for(&run, "the first answer", |run| run.served() > 0).await;
    run.apply_command(RunCommand::Stop);
    let end = ended(end).await;
    assert_eq!((end.state, end.passed), (RunState::Stopped, Some(true)));
    let judged: Vec<_> = end
        .lanes
        .iter()
        .map(|lane| lane.verdict.is_some())
        .collect();
    assert_eq!(judged, [true, false]);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_command_reaches_the_run_from_any_server() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = start_run(&engine, slow_trickle()).await;
    let (id, run) = (started.id(), Arc::clone(&started.run));
    let end = finish(&engine, started);
    for (command, state) in [
        (RunCommand::Pause, RunState::Paused),
        (RunCommand::Run, RunState::Running),
        (RunCommand::Stop, RunState::Stopping),
    ] {
        store::set_command(&administrator(), shop.db(), id, command)
            .await
            .expect("it goes on");
        let stored = store::find(shop.db(), id).await.expect("it is there");
        assert_eq!(stored.state, state, "as another server shows it");
        wait_for(&run, "the command", |run| {
            run.state == state || run.state.is_over()
        })
        .await;
    }
    assert_eq!(ended(end).await.state, RunState::Stopped);
    let refused = |result: Result<(), TxnError>| match result {
        Err(TxnError::Refused(error)) => error,
        other => panic!("not refused: {other:?}"),
    };
    let late = store::set_command(&administrator(), shop.db(), id, RunCommand::Pause).await;
    assert_eq!(refused(late), ShopError::SimulationOver);
    let unknown = store::set_command(
        &administrator(),
        shop.db(),
        Uuid::now_v7(),
        RunCommand::Pause,
    )
    .await;
    assert_eq!(refused(unknown), ShopError::UnknownSimulation);
    check_audit_clean(&shop).await;
}
