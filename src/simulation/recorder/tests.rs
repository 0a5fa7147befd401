use std::sync::Arc;

use super::*;
use crate::{
    model::{
        SimulationPlan,
        plan::{Faults, Quantities},
        sample::{Failure, Refusal},
    },
    simulation::{
        buyer::{AttemptResult, Taken},
        schedule::Schedule,
    },
};

/// What `buyer` asks for, in a plan whose every attempt meets `fault`.
fn ask(buyer: u32, fault: Option<&str>) -> Ask {
    let faults = fault.map(|fault| Faults::parse(&format!("{fault}=100")));
    let plan = SimulationPlan {
        quantities: Quantities::parse("3").unwrap_or(SimulationPlan::preset().quantities),
        faults: faults.and_then(Result::ok).unwrap_or_default(),
        ..SimulationPlan::preset()
    };
    Schedule::of(Arc::new(plan)).ask(buyer, 0)
}

fn attempt(result: AttemptResult) -> Attempt {
    Attempt {
        result,
        taken: Taken {
            retries: 2,
            fallbacks: 1,
            asked: true,
            split: TimeSplit {
                pool_wait: Duration::from_millis(1),
                lock_wait: Duration::from_millis(2),
                execute: Duration::from_millis(3),
                commit: Duration::from_millis(4),
            },
        },
    }
}

fn bought() -> Attempt {
    attempt(AttemptResult::Bought("order".to_owned()))
}

fn failed() -> Attempt {
    attempt(AttemptResult::Failed(
        Failure::TimedOut,
        "broken".to_owned(),
    ))
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn shards_add_up() {
    let recorder = Recorder::new();
    for buyer in 0..100 {
        recorder.record(&ask(buyer, None), MS * (buyer + 1), bought());
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
fn the_database_says_what_came_of_an_open_attempt() {
    let recorder = Recorder::new();
    recorder.record(&ask(1, Some("abandon")), MS, attempt(AttemptResult::Left));
    recorder.record(&ask(2, Some("abandon")), MS, attempt(AttemptResult::Left));
    recorder.record(&ask(3, Some("freeze")), MS, failed());
    recorder.record(&ask(4, None), MS, failed());
    recorder.record(
        &ask(5, None),
        MS,
        attempt(AttemptResult::Rejected(Refusal::SoldOut)),
    );
    assert_eq!(
        (recorder.counts().failed(), recorder.counts().attempts()),
        (4, 5)
    );
    let open: Vec<_> = recorder.unsettled().iter().map(|open| open.buyer).collect();
    assert_eq!(open, [1, 2, 3, 4]);

    recorder.settle(|open| open.buyer == 2);
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
        "who froze or left went without by their own doing"
    );
    assert_eq!(recorder.went_without(), BTreeMap::from([(3, 2)]));
    assert_eq!(recorder.unsettled(), []);
    let kinds = Failure::ALL.map(|kind| counts.failures.of(kind));
    assert_eq!(kinds, [1, 0, 0, 2, 0], "by kind: {counts:?}");
    assert_eq!(counts.refusals.of(Refusal::SoldOut), 1);
    assert_eq!(counts.attempts(), 5);
}

#[test]
fn each_look_sees_what_ended_since_the_last() {
    let recorder = Recorder::new();
    assert_eq!(recorder.take_lately(), Lately::default());
    for buyer in 0..16 {
        recorder.record(&ask(buyer, None), MS * 10, bought());
    }
    recorder.record(&ask(1, Some("abandon")), MS, attempt(AttemptResult::Left));
    let first = recorder.take_lately();
    assert_eq!((first.timed, first.lock_wait_us), (16, 2_000));
    assert!(first.p50_us.abs_diff(10_000) <= 100, "{first:?}");
    recorder.record(&ask(3, None), MS * 40, bought());
    let second = recorder.take_lately();
    assert_eq!(second.timed, 1);
    assert!(second.p99_us.abs_diff(40_000) <= 400, "{second:?}");
    assert_eq!(recorder.latency().p50.round().to_string(), "10");
}

#[test]
fn buyers_in_an_attempt_are_counted_while_they_are() {
    let recorder = Recorder::new();
    let inside: Vec<_> = (0..3).map(|_| recorder.enter()).collect();
    assert_eq!(recorder.in_attempt(), 3);
    drop(inside);
    assert_eq!(recorder.in_attempt(), 0);
}

#[test]
fn who_left_has_no_latency() {
    let recorder = Recorder::new();
    recorder.record(
        &ask(1, Some("abandon")),
        MS * 900,
        attempt(AttemptResult::Left),
    );
    recorder.record(&ask(2, None), MS, bought());
    assert!((recorder.latency().max - 1.0).abs() < 0.1);
}

#[test]
fn a_contradiction_is_counted_and_stays() {
    let recorder = Recorder::new();
    let two = AttemptResult::Contradicted("yes and no".to_owned());
    recorder.record(&ask(1, Some("double-click")), MS, attempt(two));
    assert_eq!(recorder.failures(), ["yes and no"]);
    recorder.settle(|_| true);
    let counts = recorder.counts();
    assert_eq!(
        (counts.contradicted, counts.succeeded, counts.failed()),
        (1, 1, 0)
    );
}

#[test]
fn many_threads_report_at_once() {
    let recorder = Recorder::new();
    let asks: Vec<_> = (0..16).map(|buyer| ask(buyer, None)).collect();
    std::thread::scope(|scope| {
        for ask in &asks {
            let recorder = &recorder;
            scope.spawn(move || (0..1_000).for_each(|_| recorder.record(ask, MS, bought())));
        }
    });
    assert_eq!(recorder.counts().attempts(), 16_000);
}
