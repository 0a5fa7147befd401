use std::sync::Arc;

use super::*;
use crate::{
    db::txn::TimeSplit,
    model::{
        SimulationPlan,
        plan::{Faults, Quantities},
        sample::{FailureKind, RejectionReason},
    },
    simulation::{
        buyer::{AttemptCost, AttemptResult},
        schedule::Schedule,
    },
};

/// The attempt of `buyer` in a plan that injects `fault` into every attempt.
fn planned(buyer: u32, fault: Option<&str>) -> PlannedAttempt {
    let faults = fault.map(|fault| Faults::parse(&format!("{fault}=100")));
    let plan = SimulationPlan {
        quantities: Quantities::parse("3").unwrap_or(SimulationPlan::preset().quantities),
        faults: faults.and_then(Result::ok).unwrap_or_default(),
        ..SimulationPlan::preset()
    };
    Schedule::of(Arc::new(plan)).attempt(buyer, 0)
}

fn attempt(result: AttemptResult) -> Attempt {
    Attempt {
        result,
        cost: AttemptCost {
            retries: 2,
            fallbacks: 1,
            database_queried: true,
            split: TimeSplit {
                pool_wait: Duration::from_millis(1),
                lock_wait: Duration::from_millis(2),
                execute: Duration::from_millis(3),
                commit: Duration::from_millis(4),
                ..TimeSplit::default()
            },
        },
    }
}

fn bought() -> Attempt {
    attempt(AttemptResult::Bought("order".to_owned()))
}

fn failed() -> Attempt {
    attempt(AttemptResult::Failed(
        FailureKind::TimedOut,
        "broken".to_owned(),
    ))
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn shards_add_up() {
    let recorder = Recorder::new();
    for buyer in 0..100 {
        recorder.record(&planned(buyer, None), MS * (buyer + 1), bought());
    }
    let counts = recorder.counts();
    assert_eq!(
        (counts.succeeded, counts.units, counts.attempts()),
        (100, 300, 100)
    );
    assert_eq!((counts.retries, counts.fallbacks), (200, 100));
    let latency = recorder.latency();
    for (measured, expected) in [
        (latency.p50, 50.0),
        (latency.p99, 99.0),
        (latency.max, 100.0),
    ] {
        assert!((measured - expected).abs() < 0.1, "{latency:?}");
    }
    let split = recorder.time_split();
    let parts = [
        split.pool_wait,
        split.lock_wait,
        split.execute,
        split.commit,
    ];
    assert_eq!(parts.map(|part| part.to_string()), ["1", "2", "3", "4"]);
    let p99 = recorder.time_split_p99();
    let parts = [p99.pool_wait, p99.lock_wait, p99.execute, p99.commit];
    assert_eq!(
        parts.map(|part| part.round().to_string()),
        ["1", "2", "3", "4"]
    );
}

#[test]
fn the_database_resolves_attempts_with_unknown_outcome() {
    let recorder = Recorder::new();
    recorder.record(
        &planned(1, Some("abandon")),
        MS,
        attempt(AttemptResult::Abandoned),
    );
    recorder.record(
        &planned(2, Some("abandon")),
        MS,
        attempt(AttemptResult::Abandoned),
    );
    recorder.record(&planned(3, Some("freeze")), MS, failed());
    recorder.record(&planned(4, None), MS, failed());
    recorder.record(
        &planned(5, None),
        MS,
        attempt(AttemptResult::Rejected(RejectionReason::SoldOut)),
    );
    assert_eq!(
        (recorder.counts().failed(), recorder.counts().attempts()),
        (4, 5)
    );
    let unresolved = recorder.unresolved();
    let buyers: Vec<_> = unresolved.iter().map(|attempt| attempt.buyer).collect();
    assert_eq!(buyers, [1, 2, 3, 4]);

    recorder.resolve(|attempt| attempt.buyer == 2);
    let counts = recorder.counts();
    assert_eq!(
        (
            counts.succeeded,
            counts.units,
            counts.rejected(),
            counts.failed()
        ),
        (1, 3, 1, 3)
    );
    assert_eq!(
        counts.cut_off, 2,
        "the frozen attempt and the abandoned one were cut off on purpose"
    );
    assert_eq!(
        recorder.unfulfilled(),
        BTreeMap::from([(3, 1)]),
        "the rejected attempt, not the failed one"
    );
    assert_eq!(recorder.unresolved(), []);
    let kinds = FailureKind::ALL.map(|kind| counts.failures.of(kind));
    assert_eq!(kinds, [1, 0, 0, 2, 0], "by kind: {counts:?}");
    assert_eq!(counts.refusals.of(RejectionReason::SoldOut), 1);
    assert_eq!(counts.attempts(), 5);
}

#[test]
fn each_sample_covers_the_attempts_since_the_last_one() {
    let recorder = Recorder::new();
    assert_eq!(recorder.take_recent(), RecentTimings::default());
    for buyer in 0..16 {
        recorder.record(&planned(buyer, None), MS * 10, bought());
    }
    recorder.record(
        &planned(1, Some("abandon")),
        MS,
        attempt(AttemptResult::Abandoned),
    );
    let first = recorder.take_recent();
    assert_eq!((first.timed, first.lock_wait_us), (16, 2_000));
    assert!(first.p50_us.abs_diff(10_000) <= 100, "{first:?}");
    recorder.record(&planned(3, None), MS * 40, bought());
    let second = recorder.take_recent();
    assert_eq!(second.timed, 1);
    assert!(second.p99_us.abs_diff(40_000) <= 400, "{second:?}");
    assert_eq!(recorder.latency().p50.round().to_string(), "10");
}

#[test]
fn buyers_are_counted_for_as_long_as_their_attempt_lasts() {
    let recorder = Recorder::new();
    let inside: Vec<_> = (0..3).map(|_| recorder.begin_attempt()).collect();
    assert_eq!(recorder.in_attempt(), 3);
    drop(inside);
    assert_eq!(recorder.in_attempt(), 0);
}

#[test]
fn an_abandoned_attempt_has_no_latency() {
    let recorder = Recorder::new();
    recorder.record(
        &planned(1, Some("abandon")),
        MS * 900,
        attempt(AttemptResult::Abandoned),
    );
    recorder.record(&planned(2, None), MS, bought());
    assert!((recorder.latency().max - 1.0).abs() < 0.1);
}

#[test]
fn a_contradiction_stays_counted_after_it_is_resolved() {
    let recorder = Recorder::new();
    let two = AttemptResult::Contradicted("yes and no".to_owned());
    recorder.record(&planned(1, Some("double-click")), MS, attempt(two));
    assert_eq!(recorder.failures(), ["yes and no"]);
    recorder.resolve(|_| true);
    let counts = recorder.counts();
    assert_eq!(
        (counts.contradicted, counts.succeeded, counts.failed()),
        (1, 1, 0)
    );
}

#[test]
fn reports_of_many_threads_are_all_counted() {
    let recorder = Recorder::new();
    let attempts: Vec<_> = (0..16).map(|buyer| planned(buyer, None)).collect();
    std::thread::scope(|scope| {
        for planned in &attempts {
            let recorder = &recorder;
            scope.spawn(move || (0..1_000).for_each(|_| recorder.record(planned, MS, bought())));
        }
    });
    assert_eq!(recorder.counts().attempts(), 16_000);
}

#[test]
fn only_a_rejection_because_of_the_stock_leaves_an_attempt_unfulfilled() {
    let recorder = Recorder::new();
    for (buyer, reason) in (0..).zip(RejectionReason::ALL) {
        let rejected = attempt(AttemptResult::Rejected(reason));
        recorder.record(&planned(buyer, None), MS, rejected);
    }
    recorder.record(&planned(10, None), MS, failed());
    recorder.resolve(|_| false);
    assert_eq!(
        recorder.unfulfilled(),
        BTreeMap::from([(3, 2)]),
        "the stock row and the sold-out cache"
    );
    assert_eq!(
        (recorder.counts().rejected(), recorder.counts().failed()),
        (6, 1)
    );
}

#[test]
fn the_parts_of_the_time_and_the_rest_add_up_to_the_latency() {
    let recorder = Recorder::new();
    for buyer in 0..100 {
        recorder.record(&planned(buyer, None), MS * (10 + buyer), bought());
    }
    let (mean, split) = (recorder.latency().mean, recorder.time_split());
    assert!((mean - 59.5).abs() < 0.001, "{mean}");
    assert!((split.total() - mean).abs() < 0.001, "{split:?}");
    assert!((split.other - 49.5).abs() < 0.001, "{split:?}");
    let recent = recorder.take_recent();
    assert_eq!((recent.lock_wait_us, recent.other_us), (2_000, 49_500));
}
