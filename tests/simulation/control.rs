//! A run that its leader pauses, resumes, stops or aborts.

use std::sync::Arc;

use doorbuster::{
    db::txn::TxnError,
    model::{
        RunEventKind, RunSnapshot, RunState, RunWish, ShopError, SimulationPlan, StrategyKey,
        plan::Arrivals,
    },
    simulation::{Engine, LiveRun, SimulationError, StartedRun, store},
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{RUN_MAX, engine, orders, plan};
use crate::support::{
    TestShop, check_audit_clean,
    race::{Rival, wait_until_blocked},
    within,
};

type Ended = JoinHandle<Result<RunSnapshot, SimulationError>>;

/// One buyer a minute: of these, most are never served.
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

/// Returns once the run's snapshot is as wanted.
async fn seen(run: &Arc<LiveRun>, what: &'static str, wanted: impl Fn(&RunSnapshot) -> bool) {
    let mut bell = run.bell();
    within(RUN_MAX, what, async {
        while !wanted(&run.snapshot()) {
            bell.changed().await.expect("the run outlives its watcher");
        }
    })
    .await;
}

fn kinds(run: &RunSnapshot) -> Vec<RunEventKind> {
    run.events.iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn nobody_is_let_in_while_arrivals_are_paused() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(plan(StrategyKey::RowLock, 12, 5))
        .await
        .expect("the run starts");
    let run = Arc::clone(&started.run);
    run.follow(RunWish::Pause);
    let end = finish(&engine, started);
    seen(&run, "points of a paused run", |run| {
        run.lanes[0].samples.len() > 2
    })
    .await;
    let paused = run.snapshot();
    assert_eq!((paused.state, paused.served()), (RunState::Paused, 0));
    assert_eq!(orders(&shop).await, 0);

    run.follow(RunWish::Run);
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
async fn a_run_that_is_stopped_serves_who_is_inside_and_is_judged() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let product = shop.with_product(200).await;
    let rival = Rival::at(&shop, &product).await;
    let by_hand = shop.database.by_hand().await;
    let started = engine
        .start(SimulationPlan {
            product_id: Some(product.id),
            rounds: 1_000,
            ..plan(StrategyKey::RowLock, 3, 0)
        })
        .await
        .expect("the run starts");
    let (id, run) = (started.id(), Arc::clone(&started.run));
    let end = finish(&engine, started);
    wait_until_blocked(&by_hand, 3).await;
    run.follow(RunWish::Stop);
    assert_eq!(run.snapshot().state, RunState::Stopping);
    run.follow(RunWish::Run);
    assert_eq!(run.snapshot().state, RunState::Stopping, "it cannot go on");
    rival.leave().await;

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
    assert_eq!(verdict.undersold, 0, "nobody went without");
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!(
        (stored.state, stored.passed, &stored.events),
        (end.state, end.passed, &end.events)
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_run_that_is_aborted_sends_everybody_away_and_still_knows_who_bought() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let product = shop.with_product(20).await;
    let rival = Rival::at(&shop, &product).await;
    let by_hand = shop.database.by_hand().await;
    let started = engine
        .start(SimulationPlan {
            product_id: Some(product.id),
            ..plan(StrategyKey::RowLock, 3, 0)
        })
        .await
        .expect("the run starts");
    let run = Arc::clone(&started.run);
    let end = finish(&engine, started);
    wait_until_blocked(&by_hand, 3).await;
    run.follow(RunWish::Abort);
    // Though what they wait for is never let go.
    let end = ended(end).await;
    rival.leave().await;
    assert_eq!(end.state, RunState::Aborted);
    let verdict = end.lanes[0].verdict.as_ref().expect("a verdict");
    assert_eq!(verdict.succeeded + verdict.failed, 3);
    assert_eq!(verdict.failed, verdict.cut_off, "{verdict:#?}");
    assert_eq!(verdict.sold, orders(&shop).await);
    assert!(verdict.invariants_held(), "{verdict:#?}");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn lanes_whose_turn_has_not_come_are_left_out_of_a_stopped_run() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
            ..slow_trickle()
        })
        .await
        .expect("the run starts");
    let run = Arc::clone(&started.run);
    let end = finish(&engine, started);
    seen(&run, "the first to be served", |run| run.served() > 0).await;
    run.follow(RunWish::Stop);
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
async fn a_wish_reaches_the_run_from_any_server() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine.start(slow_trickle()).await.expect("the run starts");
    let (id, run) = (started.id(), Arc::clone(&started.run));
    let end = finish(&engine, started);
    for (wish, state) in [
        (RunWish::Pause, RunState::Paused),
        (RunWish::Run, RunState::Running),
        (RunWish::Stop, RunState::Stopping),
    ] {
        store::wish(shop.db(), id, wish).await.expect("it goes on");
        let stored = store::find(shop.db(), id).await.expect("it is there");
        assert_eq!(stored.state, state, "as another server shows it");
        seen(&run, "the wish", |run| {
            run.state == state || run.state.is_over()
        })
        .await;
    }
    assert_eq!(ended(end).await.state, RunState::Stopped);
    let refused = |result: Result<(), TxnError>| match result {
        Err(TxnError::Refused(error)) => error,
        other => panic!("not refused: {other:?}"),
    };
    let late = store::wish(shop.db(), id, RunWish::Pause).await;
    assert_eq!(refused(late), ShopError::SimulationOver);
    let unknown = store::wish(shop.db(), Uuid::now_v7(), RunWish::Pause).await;
    assert_eq!(refused(unknown), ShopError::UnknownSimulation);
    check_audit_clean(&shop).await;
}
