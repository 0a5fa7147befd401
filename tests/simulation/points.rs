//! The samples of a chart, and that their sums equal the verdict from the database.

use doorbuster::{
    model::{
        LaneSnapshot, Sample, SimulationPlan, StrategyKey, Verdict,
        plan::Faults,
        sample::{FailureKind, RejectionReason},
    },
    simulation::store,
};
use uuid::Uuid;

use super::{RUN_MAX, engine, plan, run, start_run};
use crate::support::{TestShop, within};

/// Checks that the counts of a lane's last sample equal those of its verdict.
fn check_adds_up(lane: &LaneSnapshot) -> (Sample, Verdict) {
    let last = lane.last();
    let verdict = lane.verdict.clone().expect("it has a verdict");
    assert_eq!(last.refusals.total(), verdict.rejected, "{last:?}");
    assert_eq!(last.failures.total(), verdict.failed, "{last:?}");
    assert_eq!(
        (last.succeeded, last.rejected, last.failed, last.retries),
        (
            verdict.succeeded,
            verdict.rejected,
            verdict.failed,
            verdict.retries
        )
    );
    for sample in &lane.samples {
        let lately = sample.recent;
        assert!(
            lately.p50_us <= lately.p95_us && lately.p95_us <= lately.p99_us,
            "{sample:?}"
        );
        assert!(sample.pool_in_use <= sample.pool_size, "{sample:?}");
        assert_eq!(sample.refusals.total(), sample.rejected, "{sample:?}");
    }
    (last, verdict)
}

#[tokio::test]
async fn samples_add_up_to_the_verdict() {
    const BUYERS: u32 = 40;
    let shop = TestShop::new().await;
    let engine = engine(&shop);
    let plan = SimulationPlan {
        pool_size: 4,
        ..plan(StrategyKey::RowLock, BUYERS, 15)
    };
    let started = start_run(&engine, plan).await;
    let live = std::sync::Arc::clone(&started.run);
    // The row stays locked until a sample shows all buyers waiting for it.
    shop.by_hand
        .run(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = \
             (SELECT min(id) FROM product WHERE lane_id IS NOT NULL) FOR UPDATE",
        )
        .await;
    let running = tokio::spawn(async move { engine.finish(started, &[], |_| {}).await });
    let mut changes = live.subscribe();
    let all_wait = async {
        loop {
            let last = live.snapshot().lanes[0].last();
            if (last.in_attempt, last.pool_in_use) == (BUYERS, 4) {
                return last;
            }
            changes.changed().await.expect("the run goes on");
        }
    };
    let crowded = within(RUN_MAX, "the queue", all_wait).await;
    assert_eq!((crowded.pool_size, crowded.served()), (4, 0));
    assert_eq!(crowded.recent.timed, 0);
    shop.by_hand.run("COMMIT").await;
    let end = within(RUN_MAX, "the run's end", running).await;
    let end = end.expect("no panic").expect("it ends");

    let lane = &end.lanes[0];
    let (last, verdict) = check_adds_up(lane);
    assert_eq!((last.succeeded, last.rejected), (15, 25));
    assert!(last.refusals.of(RejectionReason::SoldOut) > 0, "{last:?}");
    assert_eq!(
        last.refusals.of(RejectionReason::SoldOut) + last.refusals.of(RejectionReason::FromMemory),
        25,
        "{last:?}"
    );
    assert_eq!((last.in_attempt, last.pool_in_use), (0, 0));
    let timed: u64 = lane.samples.iter().map(|one| one.recent.timed).sum();
    assert_eq!(
        timed,
        u64::from(BUYERS),
        "no attempt was abandoned, so all are timed"
    );
    let lock_wait_us: u64 = lane
        .samples
        .iter()
        .map(|one| one.recent.lock_wait_us * one.recent.timed)
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a run")]
    let lock_wait_ms = lock_wait_us as f64 / 1_000.0 / f64::from(BUYERS);
    let verdict_ms = verdict.time_split_ms.lock_wait;
    assert!(
        (lock_wait_ms - verdict_ms).abs() < 0.01,
        "{lock_wait_ms} ms in the samples, {verdict_ms} ms in the verdict"
    );

    let id = Uuid::try_parse(&end.id).expect("an id");
    let stored = store::find(shop.db(), id).await.expect("it is stored");
    assert_eq!(stored.lanes[0].samples, lane.samples);
}

#[tokio::test]
async fn attempts_cut_off_by_a_fault_are_counted_separately() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        faults: Faults::parse("drop-connection=100").expect("faults"),
        ..plan(StrategyKey::RowLock, 6, 3)
    };
    let end = run(&shop, plan).await;
    let (last, verdict) = check_adds_up(&end.lanes[0]);
    assert_eq!(last.failures.of(FailureKind::CutOff), verdict.cut_off);
    assert!(verdict.cut_off > 0, "{verdict:#?}");
}

#[tokio::test]
async fn samples_count_retries() {
    let shop = TestShop::new().await;
    let plan = SimulationPlan {
        race_window_ms: 2,
        ..plan(StrategyKey::Optimistic, 24, 12)
    };
    let end = run(&shop, plan).await;
    let (last, _) = check_adds_up(&end.lanes[0]);
    assert!(last.retries > 0, "{last:?}");
}
