//! Several strategies in one run: each with a private product, or in turn on a product of the shop.

use doorbuster::{
    model::{
        LaneSnapshot, RunState, ShopError, SimulationPlan, StrategyKey, Verdict,
        plan::{Arrivals, Quantities, Thresholds, Writers},
    },
    simulation::{SimulationError, store},
};
use uuid::Uuid;

use super::{RUN_MAX, engine, figures, plan, run};
use crate::support::{
    TestShop, administrator, check_audit_clean, race::wait_until_blocked, within,
};

const TWO: [StrategyKey; 2] = [StrategyKey::RowLock, StrategyKey::ConditionalUpdate];

fn lanes(strategies: &[StrategyKey], buyers: u32, stock: u32) -> SimulationPlan {
    SimulationPlan {
        strategies: strategies.to_vec(),
        ..plan(StrategyKey::RowLock, buyers, stock)
    }
}

fn verdicts(lanes: &[LaneSnapshot]) -> Vec<&Verdict> {
    let verdict = |lane: &'static str| move || panic!("{lane} has a verdict");
    lanes
        .iter()
        .map(|lane| {
            lane.verdict
                .as_ref()
                .unwrap_or_else(|| verdict(lane.strategy.as_str())())
        })
        .collect()
}

#[tokio::test]
async fn each_lane_has_its_own_product_samples_and_verdict() {
    let shop = TestShop::new().await;
    for lanes_together in [false, true] {
        let plan = SimulationPlan {
            lanes_together,
            pool_size: 6,
            ..lanes(&TWO, 12, 5)
        };
        let end = run(&shop, plan).await;
        assert_eq!(end.passed, Some(true));
        assert_eq!(
            end.lanes
                .iter()
                .map(|lane| lane.strategy)
                .collect::<Vec<_>>(),
            TWO
        );
        assert_ne!(end.lanes[0].product_name, end.lanes[1].product_name);
        for verdict in verdicts(&end.lanes) {
            assert_eq!(figures(verdict), (5, 7, 0, 0, 0, 0), "{verdict:#?}");
            assert_eq!(verdict.sold_to_others, 0);
        }
        for lane in &end.lanes {
            assert!(!lane.samples.is_empty());
            assert_eq!(lane.last().remaining, 0);
        }
        let id = Uuid::try_parse(&end.id).expect("an id");
        let stored = store::find(shop.db(), id).await.expect("it is stored");
        assert_eq!(stored.passed, Some(true));
        for (stored, lane) in stored.lanes.iter().zip(&end.lanes) {
            assert_eq!(stored.verdict, lane.verdict);
            assert_eq!(stored.product_name, lane.product_name);
            assert_eq!(stored.samples.last(), lane.samples.last());
        }
        let latest = store::latest(shop.db(), 1).await.expect("the latest");
        assert_eq!(latest[0].lanes.len(), 2);
        assert_eq!(latest[0].lanes[1].verdict, end.lanes[1].verdict);
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn one_lane_that_oversells_fails_the_run() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        race_window_ms: 5,
        ..lanes(&[StrategyKey::RowLock, StrategyKey::Unguarded], 60, 10)
    };
    let end = run(&shop, plan).await;
    assert_eq!(end.passed, Some(false));
    let passed: Vec<_> = verdicts(&end.lanes)
        .iter()
        .map(|verdict| verdict.passed())
        .collect();
    assert_eq!(passed, [true, false]);
    check_audit_clean(&shop).await;
}

/// The first lane is blocked, and the second gets its verdict: the lanes run concurrently.
#[tokio::test]
async fn lanes_that_run_together_do_not_wait_for_each_other() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let plan = SimulationPlan {
        lanes_together: true,
        pool_size: 4,
        ..lanes(&TWO, 6, 3)
    };
    let started = engine
        .start(&administrator(), plan)
        .await
        .expect("the run starts");
    let live = std::sync::Arc::clone(&started.run);
    block_first_lane(&shop).await;
    let running = tokio::spawn(async move { engine.finish(started, &[], |_| {}).await });
    let mut changes = live.subscribe();
    let second = async {
        while live.snapshot().lanes[1].verdict.is_none() {
            changes.changed().await.expect("the run goes on");
        }
    };
    within(RUN_MAX, "the second lane's verdict", second).await;
    assert_eq!(live.snapshot().lanes[0].verdict, None);
    assert_eq!(live.snapshot().state, RunState::Running);
    shop.by_hand.run("COMMIT").await;
    let end = within(RUN_MAX, "the run's end", running).await;
    let end = end.expect("no panic").expect("it ends");
    assert_eq!(end.passed, Some(true));
    check_audit_clean(&shop).await;
}

/// The first lane is blocked, and the second has not started: the lanes run in sequence.
#[tokio::test]
async fn lanes_in_sequence_wait_for_each_other() {
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let started = engine
        .start(&administrator(), lanes(&TWO, 6, 3))
        .await
        .expect("the run starts");
    let live = std::sync::Arc::clone(&started.run);
    block_first_lane(&shop).await;
    let running = tokio::spawn(async move { engine.finish(started, &[], |_| {}).await });
    let other = shop.database.by_hand().await;
    wait_until_blocked(&other, 6).await;
    let waiting = &live.snapshot().lanes[1];
    assert!(waiting.samples.is_empty() && waiting.verdict.is_none());
    shop.by_hand.run("COMMIT").await;
    let end = within(RUN_MAX, "the run's end", running).await;
    let end = end.expect("no panic").expect("it ends");
    assert_eq!(end.passed, Some(true));
    check_audit_clean(&shop).await;
}

async fn block_first_lane(shop: &TestShop) {
    shop.by_hand
        .run(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = \
             (SELECT min(id) FROM product WHERE lane_id IS NOT NULL) FOR UPDATE",
        )
        .await;
}

#[tokio::test]
async fn lanes_on_a_shop_product_share_its_stock_in_turn() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let plan = SimulationPlan {
        product_id: Some(product.id),
        ..lanes(&TWO, 7, 0)
    };
    let end = run(&shop, plan).await;
    let verdicts = verdicts(&end.lanes);
    assert_eq!(figures(verdicts[0]), (7, 0, 0, 3, 0, 0));
    assert_eq!(figures(verdicts[1]), (3, 4, 0, 0, 0, 0));
    assert_eq!((end.lanes[0].stock, end.lanes[1].stock), (10, 3));
    assert_eq!(end.passed, Some(true));
    assert_eq!(shop.units_ordered(&product).await, 10);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_missed_threshold_fails_a_run_without_violations() {
    let shop = TestShop::new().await;
    let judged = async |thresholds: &str| {
        let plan = SimulationPlan {
            thresholds: Thresholds::parse(thresholds).expect("thresholds"),
            ..lanes(&TWO, 4, 2)
        };
        run(&shop, plan).await
    };
    let held = judged("p99-ms=60000,failed=0,retries=1000000").await;
    assert_eq!(held.passed, Some(true));
    let missed = judged("failed=0,orders-per-second=1000000").await;
    assert_eq!(missed.passed, Some(false));
    for verdict in verdicts(&missed.lanes) {
        assert!(verdict.invariants_held());
        let held: Vec<_> = verdict
            .thresholds
            .iter()
            .map(|one| (one.name.as_str(), one.held))
            .collect();
        assert_eq!(held, [("failed", true), ("orders-per-second", false)]);
    }
}

#[tokio::test]
async fn writer_nodes_are_refused_without_a_cluster() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        writers: Some(Writers::Both),
        ..plan(StrategyKey::RowLock, 3, 2)
    };
    let nodes = vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
    for nodes in [Vec::new(), nodes] {
        let engine = engine(&shop).with_nodes(nodes);
        assert!(!engine.has_writers(shop.db()).await);
        let refused = engine.start(&administrator(), plan.clone()).await;
        let Err(SimulationError::Shop(error @ ShopError::FieldsInvalid(_))) = refused else {
            panic!("it was not refused: {refused:?}");
        };
        assert!(error.field_message("writers").is_some(), "{error:?}");
        assert!(!engine.is_busy(), "the next run can start");
    }
    assert_eq!(shop.count("simulation_run").await, 0, "nothing was stored");
}

/// A plan in the format from before there were lanes.
const OLD_PLAN: &str = r#"{"strategy":"row-lock","buyers":33,"stock":20,"quantity":3,"rounds":1,"seed":42,"raceWindowMs":5,"journey":"express","productId":null}"#;
const OLD_VERDICT: &str = r#"{"strategy":"row-lock","safe":true,"seed":42,"buyers":33,"stock":20,"quantity":3,"rounds":1,"attempts":33,
    "succeeded":6,"rejected":27,"failed":0,"retries":0,"sold":18,"sold_to_others":0,"remaining":2,"oversold":0,"undersold":0,"elapsed_ms":80,
    "orders_per_second":75.0,"latency_ms":{"p50":1.0,"p90":2.0,"p95":3.0,"p99":4.0,"max":5.0},
    "time_split_ms":{"pool_wait":1.0,"lock_wait":2.0,"execute":3.0,"commit":4.0}}"#;
const OLD_SAMPLE: &str = r#"{"elapsedMs":80,"remaining":2,"succeeded":6,"rejected":27,"failed":0}"#;

#[tokio::test]
async fn runs_stored_before_there_were_lanes_are_readable() {
    let shop = TestShop::new().await;
    let id = Uuid::now_v7();
    shop.by_hand
        .run(&format!(
            "INSERT INTO simulation_run (id, state, plan, verdict) \
             VALUES ('{id}', 'finished', '{OLD_PLAN}', '{OLD_VERDICT}')"
        ))
        .await;
    let lane: i64 = shop
        .by_hand
        .value(&format!(
            "INSERT INTO simulation_lane (run_id, strategy) VALUES ('{id}', 'row-lock') RETURNING id"
        ))
        .await;
    let sample = format!(
        "INSERT INTO simulation_sample (lane_id, elapsed_ms, counts) VALUES ({lane}, 80, '{OLD_SAMPLE}')"
    );
    shop.by_hand.run(&sample).await;
    let old = store::find(shop.db(), id).await.expect("it is readable");
    assert_eq!(old.plan.strategies, [StrategyKey::RowLock]);
    assert_eq!(Quantities::parse("3"), Ok(old.plan.quantities));
    let preset = SimulationPlan::preset();
    assert_eq!(
        (old.plan.pool_size, old.plan.arrivals),
        (preset.pool_size, Arrivals::Closed)
    );
    assert_eq!(old.passed, Some(true));
    let lane = &old.lanes[0];
    let verdict = lane.verdict.as_ref().expect("it has a verdict");
    assert_eq!((verdict.sold, verdict.invariants_held()), (18, true));
    assert_eq!(lane.last().units_sold(3), 18);
    let latest = store::latest(shop.db(), 5)
        .await
        .expect("they are readable");
    assert_eq!(latest.len(), 1);
}
