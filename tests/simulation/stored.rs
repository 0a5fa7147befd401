//! Runs in the database: started once, one at a time, stored, watched, abandoned, and deleted.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use doorbuster::{
    feed::{Feed, StockChange},
    model::{
        RunState, ShopError, SimulationPlan, StrategyKey, plan::Arrivals, run_label::RunLabel,
    },
    simulation::{Engine, RunStart, SimulationError, store},
    web::maintenance::memory,
};
use uuid::Uuid;

use super::{RUN_MAX, engine, orders, plan, run};
use crate::support::{
    TestShop, administrator, check_audit_clean,
    race::wait_until_blocked,
    sessions::{self, is_of_a_run},
    shop::claim,
    within,
};

#[tokio::test]
async fn an_invalid_plan_is_rejected_and_stores_nothing() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    let lane = shop.with_lane(StrategyKey::RowLock, 5).await;
    let engine = engine(&shop);
    let before = shop.count("simulation_run").await;
    for (plan, expected) in [
        (
            SimulationPlan {
                product_id: Some(product.id),
                ..plan(StrategyKey::Unguarded, 3, 1)
            },
            Some(ShopError::StrategyUnsafe("unguarded".to_owned())),
        ),
        (
            SimulationPlan {
                product_id: Some(987_654),
                ..plan(StrategyKey::RowLock, 3, 1)
            },
            Some(ShopError::UnknownProduct),
        ),
        (
            SimulationPlan {
                product_id: Some(lane.id),
                ..plan(StrategyKey::RowLock, 3, 1)
            },
            Some(ShopError::UnknownProduct),
        ),
        (plan(StrategyKey::RowLock, 0, 1), None),
    ] {
        let Err(SimulationError::Shop(error)) = engine.start(&administrator(), plan.clone()).await
        else {
            panic!("{plan:?} was started");
        };
        match expected {
            Some(expected) => assert_eq!(error, expected, "{plan:?}"),
            None => assert!(matches!(error, ShopError::FieldsInvalid(_)), "{error:?}"),
        }
        assert!(!engine.is_busy(), "{plan:?}");
    }
    assert_eq!(shop.count("simulation_run").await, before);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn two_requests_with_one_key_start_one_run() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let pressed = claim("pressed-once", "simulate", &["3"]);
    let administrator = administrator();
    let start = || {
        engine.start_once(
            &administrator,
            plan(StrategyKey::RowLock, 3, 3),
            Some(pressed.clone()),
        )
    };
    let Ok(RunStart::New(started)) = start().await else {
        panic!("the first press starts it");
    };
    let id = started.id();
    let known = store::find_by_key(shop.db(), pressed.clone()).await;
    assert_eq!(
        known.expect("the key is looked up"),
        Some(id),
        "while it runs"
    );
    engine
        .finish(*started, &[], |_| {})
        .await
        .expect("it comes to a verdict");
    assert!(
        matches!(start().await, Ok(RunStart::Existing(known)) if known == id),
        "and when it is over"
    );
    assert_eq!(shop.count("simulation_run").await, 1);
    let unknown = claim("never-pressed", "simulate", &["3"]);
    let found = store::find_by_key(shop.db(), unknown).await;
    assert_eq!(found.expect("the key is looked up"), None);
    assert_eq!(
        shop.count("idempotency_key").await,
        4,
        "three buyers and one run"
    );
}

#[tokio::test]
async fn only_one_run_is_in_progress_at_a_time() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let small = || plan(StrategyKey::RowLock, 2, 1);
    let started = engine
        .start(&administrator(), small())
        .await
        .expect("the first starts");
    assert!(engine.runs().get(started.id()).is_some());
    assert!(matches!(
        engine.start(&administrator(), small()).await,
        Err(SimulationError::Busy)
    ));
    engine.finish(started, &[], |_| {}).await.expect("it ends");
    assert!(!engine.is_busy());
    // Two clicks at the same moment.
    let administrator = administrator();
    let (one, two) = tokio::join!(
        engine.start(&administrator, small()),
        engine.start(&administrator, small())
    );
    let started = match (one, two) {
        (Ok(started), Err(SimulationError::Busy)) | (Err(SimulationError::Busy), Ok(started)) => {
            started
        }
        (one, two) => panic!("started: {} and {}", one.is_ok(), two.is_ok()),
    };
    // A run that its task dropped, as after a panic, does not block the next run.
    drop(started);
    assert!(!engine.is_busy());
    check_audit_clean(&shop).await;
}

/// Two engines are two server processes: they share the database and no memory.
#[tokio::test]
async fn only_one_run_is_in_progress_on_a_database() {
    static WAITING: AtomicU64 = AtomicU64::new(0);
    let shop = TestShop::new().await;
    let (one, other) = (engine(&shop), engine(&shop));
    let small = || plan(StrategyKey::RowLock, 2, 1);
    let started = one
        .start(&administrator(), small())
        .await
        .expect("the first starts");
    let refused = other.start(&administrator(), small()).await;
    assert!(matches!(refused, Err(SimulationError::Busy)), "{refused:?}");
    assert!(!other.is_busy(), "it can start a run later");

    let patient = other.clone().waiting_for_others(|| {
        WAITING.fetch_add(1, Ordering::Relaxed);
    });
    let waiting = tokio::spawn(async move { patient.start(&administrator(), small()).await });
    wait_until_blocked(&shop.by_hand, 1).await;
    assert_eq!(WAITING.load(Ordering::Relaxed), 1, "it says that it waits");
    assert_eq!(shop.count("simulation_run").await, 1);
    one.finish(started, &[], |_| {}).await.expect("it ends");
    let second = within(RUN_MAX, "the second run's start", waiting).await;
    let second = second.expect("it ends").expect("it starts");
    other.finish(second, &[], |_| {}).await.expect("it ends");
    // A run that is rejected leaves the lock free.
    let invalid = SimulationPlan {
        product_id: Some(987_654),
        ..small()
    };
    assert!(other.start(&administrator(), invalid).await.is_err());
    let third = one.start(&administrator(), small()).await;
    let third = third.expect("the third starts");
    one.finish(third, &[], |_| {}).await.expect("it ends");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_run_is_stored_and_read_back() {
    let shop = TestShop::new().await;
    let attempts = Arc::new(AtomicU64::new(0));
    let engine = engine(&shop);
    let plan = SimulationPlan {
        race_window_ms: 120,
        seed: 7,
        ..plan(StrategyKey::RowLock, 4, 2)
    };
    let started = engine
        .start(&administrator(), plan.clone())
        .await
        .expect("the run starts");
    let id = started.id();
    let running = store::find(shop.db(), id)
        .await
        .expect("a run in progress is stored");
    assert_eq!((running.state, running.passed), (RunState::Running, None));
    assert_eq!(running.lanes[0].verdict, None);
    let seen = Arc::clone(&attempts);
    let end = engine
        .finish(started, &[], move |count| {
            seen.fetch_max(count, Ordering::Relaxed);
        })
        .await
        .expect("it ends");
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!((stored.state, &stored.plan), (RunState::Finished, &plan));
    assert_eq!(stored.passed, Some(true));
    let (lane, end_lane) = (&stored.lanes[0], &end.lanes[0]);
    assert_eq!(lane.verdict, end_lane.verdict);
    assert_eq!(lane.product_name, end_lane.product_name);
    let samples = &lane.samples;
    assert_eq!(samples.last(), end_lane.samples.last());
    assert!(
        samples.len() > 2,
        "four buyers who each hold the row lock for 120 ms: {samples:?}"
    );
    assert!(samples.is_sorted_by_key(|sample| sample.elapsed_ms));
    assert!(
        samples.is_sorted_by(|a, b| a.remaining >= b.remaining),
        "{samples:?}"
    );
    let last = samples.last().expect("a last point");
    assert_eq!(
        (last.succeeded, last.rejected, last.failed, last.remaining),
        (2, 2, 0, 0)
    );
    assert!(
        attempts.load(Ordering::Relaxed) >= 1,
        "progress was reported"
    );

    let second = run(&shop, plan.clone()).await;
    let latest = store::latest(shop.db(), 1).await.expect("the latest");
    assert_eq!(
        latest.iter().map(store::ListedRun::id).collect::<Vec<_>>(),
        [second.id.as_str()]
    );
    let unknown = store::find(shop.db(), Uuid::now_v7()).await;
    assert_eq!(unknown.err(), Some(ShopError::UnknownSimulation));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_run_that_is_named_while_it_runs_keeps_its_name() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(&administrator(), plan(StrategyKey::RowLock, 5, 3))
        .await
        .expect("the run starts");
    let (id, live) = (started.id(), Arc::clone(&started.run));
    assert_eq!(live.snapshot().name, "5 buyers, 3 units · row-lock");
    let label = RunLabel::parse("Team A", "third try").expect("it fits");
    store::rename(&administrator(), shop.db(), id, label.clone())
        .await
        .expect("it is stored");
    live.rename(label);
    let end = engine.finish(started, &[], |_| {}).await.expect("it ends");
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    for run in [end, stored] {
        assert_eq!(
            (run.name.as_str(), run.note.as_str()),
            ("Team A", "third try")
        );
    }
}

#[tokio::test]
async fn a_watcher_sees_the_end_of_a_run() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(&administrator(), plan(StrategyKey::RowLock, 5, 3))
        .await
        .expect("the run starts");
    let watched = engine.runs().get(started.id()).expect("it can be watched");
    let mut changes = watched.subscribe();
    assert_eq!(watched.snapshot().state, RunState::Running);
    let end = engine.finish(started, &[], |_| {}).await.expect("it ends");
    assert!(changes.has_changed().is_ok_and(|changed| changed));
    changes.mark_unchanged();
    assert_eq!(
        watched.snapshot(),
        end,
        "also after the run is removed from the live runs"
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_run_of_a_stopped_server_is_marked_as_failed() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(&administrator(), plan(StrategyKey::RowLock, 5, 3))
        .await
        .expect("the run starts");
    let id = started.id();
    // The server process of the run has ended.
    drop(started);
    assert_eq!(
        store::fail_abandoned(shop.db(), 3_600)
            .await
            .expect("it is checked"),
        0,
        "its last heartbeat is recent"
    );
    assert_eq!(
        store::fail_abandoned(shop.db(), 0)
            .await
            .expect("it is checked"),
        1
    );
    assert_eq!(
        store::fail_abandoned(shop.db(), 0)
            .await
            .expect("it is checked"),
        0
    );
    let failed = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!(failed.state, RunState::Failed);
    assert!(failed.failure.is_some_and(|why| why.contains("stopped")));
    assert_eq!(failed.lanes[0].verdict, None, "its lane had not started");
    check_audit_clean(&shop).await;
}

/// Waits until a query over the database counts at least `count`.
async fn wait_for_count(shop: &TestShop, sql: &str, count: i64) {
    within(RUN_MAX, "the count", async {
        while shop.by_hand.value::<i64>(sql).await < count {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_was_cut_off_keeps_its_points_and_its_orders_are_counted() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    // 20 arrivals per second for a minute: the run is cut off in the middle.
    let trickle = SimulationPlan {
        arrivals: Arrivals::Open { rate_per_s: 20 },
        race_window_ms: 100,
        ..plan(StrategyKey::Unguarded, 1_200, 1_000)
    };
    let started = engine
        .start(&administrator(), trickle)
        .await
        .expect("the run starts");
    let id = started.id();
    let running = {
        let engine = engine.clone();
        tokio::spawn(async move { engine.finish(started, &[], |_| {}).await })
    };
    wait_for_count(&shop, "SELECT count(*) FROM simulation_sample", 5).await;
    running.abort();
    assert!(running.await.is_err_and(|error| error.is_cancelled()));

    // A heartbeat that was on its way may still arrive.
    while store::fail_abandoned(shop.db(), 0)
        .await
        .expect("it is checked")
        == 0
    {}
    let sold = orders(&shop).await;
    let end = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!((end.state, end.passed), (RunState::Failed, Some(false)));
    let lane = &end.lanes[0];
    let verdict = lane.verdict.clone().expect("its orders are counted");
    assert!(sold > 0 && verdict.counted_afterwards, "{verdict:?}");
    assert_eq!((verdict.sold, verdict.stock), (sold, 1_000));
    assert_eq!(verdict.succeeded, u64::try_from(sold).expect("positive"));
    assert_eq!(verdict.known_undersold(), None);
    assert_eq!(
        verdict.succeeded + verdict.rejected + verdict.failed,
        verdict.attempts
    );
    assert!(lane.samples.len() > 5, "{:?}", lane.samples);
    let last = lane.last();
    assert_eq!(
        (last.succeeded, last.remaining),
        (verdict.succeeded, verdict.remaining)
    );
    assert!(lane.samples.is_sorted_by_key(|sample| sample.elapsed_ms));
    // Nothing that the run left behind sells afterwards.
    sessions::wait_until(&shop.by_hand, "are left", is_of_a_run, |count| count == 0).await;
    assert_eq!(orders(&shop).await, sold);
    check_audit_clean(&shop).await;
}

/// Deletes old runs; returns their number.
async fn prune(shop: &TestShop) -> u64 {
    let pruned = store::prune(shop.db(), RUN_MAX).await.expect("it prunes");
    assert!(pruned.is_complete);
    assert_eq!(store::count_old(shop.db()).await.ok(), Some(0));
    pruned.count
}

#[tokio::test]
async fn old_runs_are_deleted_with_their_orders() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let on_lane = run(&shop, plan(StrategyKey::Unguarded, 6, 3)).await;
    let on_shop = run(
        &shop,
        SimulationPlan {
            product_id: Some(product.id),
            ..plan(StrategyKey::RowLock, 3, 0)
        },
    )
    .await;
    let kept = run(&shop, plan(StrategyKey::RowLock, 6, 3)).await;
    shop.buy(&product).await.expect("a shopper buys too");
    let age = format!(
        "UPDATE simulation_run SET started_at = started_at - INTERVAL '31 days' WHERE id IN ('{}', '{}')",
        on_lane.id, on_shop.id
    );
    shop.by_hand.run(&age).await;

    assert_eq!(prune(&shop).await, 2);

    let left: Vec<_> = store::latest(shop.db(), 9)
        .await
        .expect("runs")
        .into_iter()
        .map(|run| run.id)
        .collect();
    assert_eq!(left, [kept.id]);
    let lanes: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM product WHERE lane_id IS NOT NULL")
        .await;
    assert_eq!(lanes, 1, "the kept run's");
    assert_eq!(
        shop.units_ordered(&product).await,
        4,
        "orders of a shop product are kept"
    );
    let orders: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM customer_order WHERE lane_id IS NULL")
        .await;
    assert_eq!(orders, 4, "and no longer belong to a lane");
    let orphans: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM customer_order o WHERE NOT EXISTS (SELECT FROM order_line l WHERE l.order_id = o.id)")
        .await;
    assert_eq!(orphans, 0);
    assert_eq!(prune(&shop).await, 0);
    check_audit_clean(&shop).await;
}

/// A run without a verdict is marked as failed, and the next run can start.
#[tokio::test]
async fn a_run_whose_product_disappears_fails() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(&administrator(), plan(StrategyKey::RowLock, 3, 3))
        .await
        .expect("the run starts");
    let id = started.id();
    shop.by_hand
        .run("DELETE FROM stock_movement WHERE product_id IN (SELECT id FROM product WHERE lane_id IS NOT NULL); DELETE FROM product WHERE lane_id IS NOT NULL")
        .await;
    let end = within(
        RUN_MAX,
        "the run's end",
        engine.finish(started, &[], |_| {}),
    )
    .await;
    assert!(end.is_err(), "{end:?}");
    assert!(!engine.is_busy());
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!(stored.state, RunState::Failed);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn no_run_starts_without_a_database() {
    let engine = Engine::new(
        "postgres://nouser@127.0.0.1:1/nothing".to_owned(),
        Feed::default(),
    );
    let refused = engine
        .start(&administrator(), plan(StrategyKey::RowLock, 1, 1))
        .await;
    assert!(
        matches!(refused, Err(SimulationError::Connect(_))),
        "{refused:?}"
    );
    assert!(!engine.is_busy());
}

/// The engine calls `progress`, so its panic is one of a task of the run.
#[tokio::test]
async fn a_run_whose_task_panics_is_marked_as_failed() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(&administrator(), plan(StrategyKey::RowLock, 3, 3))
        .await
        .expect("the run starts");
    let (id, live) = (started.id(), Arc::clone(&started.run));
    let progress = |served: u64| assert!(served == u64::MAX, "a fault after {served}");
    let end = within(
        RUN_MAX,
        "the run's end",
        engine.finish(started, &[], progress),
    )
    .await;
    assert!(
        matches!(&end, Err(SimulationError::Panicked(panic)) if panic.message.contains("a fault")),
        "{end:?}"
    );
    assert!(!engine.is_busy());
    assert!(engine.runs().get(id).is_none());
    assert_eq!(live.snapshot().state, RunState::Failed);
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!(stored.state, RunState::Failed);
    let why = stored.failure.unwrap_or_default();
    assert!(why.contains("panicked: a fault"), "{why}");
    check_audit_clean(&shop).await;
}

/// The task of a run can also be dropped before its end.
#[tokio::test]
async fn a_dropped_run_is_no_longer_in_progress() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(&administrator(), plan(StrategyKey::RowLock, 3, 3))
        .await
        .expect("the run starts");
    let (id, live) = (started.id(), Arc::clone(&started.run));
    assert!(engine.runs().get(id).is_some());
    drop(started);
    assert!(engine.runs().get(id).is_none());
    assert_eq!(live.snapshot().state, RunState::Failed);
}

/// Thousands of runs leave nothing in the memory of their server.
#[tokio::test]
async fn private_products_are_forgotten_when_their_run_ends() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    shop.buy(&product).await.expect("it is sold");
    let strategies = vec![StrategyKey::RowLock, StrategyKey::ProcessMutex];
    let several = SimulationPlan {
        strategies,
        ..plan(StrategyKey::RowLock, 4, 2)
    };
    run(&shop, several).await;
    assert_eq!(shop.feed().product_ids(), [product.id]);
}

/// A server that only sold to the buyers of a run does not see its end.
#[tokio::test]
async fn a_server_forgets_the_products_of_runs_that_ended_elsewhere() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let lane = shop.with_lane(StrategyKey::RowLock, 5).await;
    let deleted = 1_000_000;
    for product_id in [product.id, lane.id, deleted] {
        shop.feed().publish(StockChange {
            product_id,
            available: 3,
            version: 1,
        });
    }
    let set_state = async |state: &str| {
        let sql = format!("UPDATE simulation_run SET state = '{state}'");
        shop.by_hand.run(&sql).await;
    };
    set_state("running").await;
    memory::forget_products(&shop).await;
    let mut known = shop.feed().product_ids();
    known.sort_unstable();
    assert_eq!(known, [product.id, lane.id]);
    set_state("finished").await;
    memory::forget_products(&shop).await;
    assert_eq!(shop.feed().product_ids(), [product.id]);
}
