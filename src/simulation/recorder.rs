//! Counts and latencies of a lane, as its buyers report them.
//!
//! Ten thousand buyers report from as many tasks, so that one lock around all of it would be what is measured. Buyers are spread over
//! shards, and whoever wants to know adds the shards up.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

use super::{
    buyer::{Attempt, AttemptResult},
    schedule::Ask,
};
use crate::{
    db::txn::TimeSplit,
    model::{LatencyMs, TimeSplitMs, plan::FaultKind},
};

/// More than the cores on which buyers run.
const SHARDS: u32 = 8;
/// Failures whose sentence is kept; all are counted.
const FAILURES_KEPT_MAX: usize = 5;
/// The longest time that is told apart, in microseconds: an hour.
const TIME_MAX_US: u64 = 3_600_000_000;
/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;
/// Significant digits of its parts, of which each shard has four.
const PART_DIGITS: u8 = 2;

/// What all buyers of a lane reported so far.
#[derive(Debug)]
pub struct Recorder(Vec<Mutex<Tally>>);

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub succeeded: u64,
    /// Units that those who succeeded asked for.
    pub units: u64,
    pub rejected: u64,
    /// Those included of whom it is not known yet whether there is an order.
    pub failed: u64,
    /// Of those that failed, the ones that were cut off on purpose. Known once they are settled.
    pub cut_off: u64,
    pub contradicted: u64,
    pub retries: u64,
    pub fallbacks: u64,
}

impl Counts {
    /// Attempts that have ended.
    pub const fn attempts(&self) -> u64 {
        self.succeeded + self.rejected + self.failed
    }

    fn add(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.units += other.units;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.cut_off += other.cut_off;
        self.contradicted += other.contradicted;
        self.retries += other.retries;
        self.fallbacks += other.fallbacks;
    }
}

/// An attempt whose buyer was told neither yes nor no: whether there is an order is for the database to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    pub buyer: u32,
    pub round: u32,
    units: u32,
    fault: Option<FaultKind>,
}

#[derive(Debug)]
struct Tally {
    counts: Counts,
    latency_us: Histogram<u32>,
    split: TimeSplit,
    /// As in [`parts`].
    split_us: [Histogram<u32>; 4],
    unsettled: Vec<Unsettled>,
    /// How many went without, by the units that they asked for.
    went_without: BTreeMap<u32, u64>,
    failures: Vec<String>,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::new(Tally::new())).collect())
    }

    /// Takes one attempt in. Of a buyer who left, no latency: nobody waited for an answer.
    pub fn record(&self, ask: &Ask, latency: Duration, attempt: Attempt) {
        let shard = &self.0[(ask.buyer % SHARDS) as usize];
        lock(shard).take_in(ask, latency, attempt);
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.fold(Counts::default(), |counts, tally| counts.add(tally.counts))
    }

    /// The first failures, each a sentence.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.fold(Vec::new(), |all: &mut Vec<String>, tally| {
            all.extend_from_slice(&tally.failures);
        });
        failures.truncate(FAILURES_KEPT_MAX);
        failures
    }

    /// Attempts of which nobody here knows whether there is an order.
    pub fn unsettled(&self) -> Vec<Unsettled> {
        self.fold(Vec::new(), |all: &mut Vec<Unsettled>, tally| {
            all.extend_from_slice(&tally.unsettled);
        })
    }

    /// Counts what was open, once the database has said of which attempts there is an order.
    pub fn settle(&self, has_order: impl Fn(&Unsettled) -> bool) {
        for shard in &self.0 {
            lock(shard).settle(&has_order);
        }
    }

    /// How many went without, by the units that they asked for. Who was cut off on purpose is not among them, nor what is not settled.
    pub fn went_without(&self) -> BTreeMap<u32, u64> {
        self.fold(BTreeMap::new(), |all: &mut BTreeMap<u32, u64>, tally| {
            for (units, buyers) in &tally.went_without {
                *all.entry(*units).or_default() += buyers;
            }
        })
    }

    /// Quantiles so far.
    pub fn latency(&self) -> LatencyMs {
        let all = self.fold(histogram(LATENCY_DIGITS), |all, tally| {
            merge(all, &tally.latency_us);
        });
        let at = |quantile| in_ms(all.value_at_quantile(quantile));
        LatencyMs {
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max: in_ms(all.max()),
        }
    }

    /// Where the time of an average attempt went.
    pub fn time_split(&self) -> TimeSplitMs {
        let (split, timed) = self.fold((TimeSplit::default(), 0), |(all, timed), tally| {
            all.add(tally.split);
            *timed += tally.latency_us.len();
        });
        let timed = u32::try_from(timed).unwrap_or(u32::MAX).max(1);
        time_split(parts(split).map(|part| ms(part / timed)))
    }

    /// The 99th percentile of each part of the time.
    pub fn time_split_p99(&self) -> TimeSplitMs {
        let empty = std::array::from_fn(|_| histogram(PART_DIGITS));
        let all: [Histogram<u32>; 4] = self.fold(empty, |all, tally| {
            for (all, part) in all.iter_mut().zip(&tally.split_us) {
                merge(all, part);
            }
        });
        time_split(all.map(|part| in_ms(part.value_at_quantile(0.99))))
    }

    fn fold<T>(&self, mut all: T, mut add: impl FnMut(&mut T, &Tally)) -> T {
        for shard in &self.0 {
            add(&mut all, &lock(shard));
        }
        all
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    fn new() -> Self {
        Self {
            counts: Counts::default(),
            latency_us: histogram(LATENCY_DIGITS),
            split: TimeSplit::default(),
            split_us: std::array::from_fn(|_| histogram(PART_DIGITS)),
            unsettled: Vec::new(),
            went_without: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    fn take_in(&mut self, ask: &Ask, latency: Duration, attempt: Attempt) {
        let Attempt { result, taken } = attempt;
        if result != AttemptResult::Left {
            self.latency_us.saturating_record(us(latency));
            self.split.add(taken.split);
            for (histogram, part) in self.split_us.iter_mut().zip(parts(taken.split)) {
                histogram.saturating_record(us(part));
            }
        }
        self.counts.retries += u64::from(taken.retries);
        self.counts.fallbacks += u64::from(taken.fallbacks);
        match result {
            AttemptResult::Bought(_) => self.succeeded(ask.quantity.get()),
            AttemptResult::Rejected => {
                self.counts.rejected += 1;
                *self.went_without.entry(ask.quantity.get()).or_default() += 1;
            }
            AttemptResult::Left => self.open(ask),
            AttemptResult::Contradicted(sentence) => {
                self.counts.contradicted += 1;
                self.keep(sentence);
                self.open(ask);
            }
            AttemptResult::Failed(sentence) => {
                self.keep(sentence);
                self.open(ask);
            }
        }
    }

    fn succeeded(&mut self, units: u32) {
        self.counts.succeeded += 1;
        self.counts.units += u64::from(units);
    }

    fn open(&mut self, ask: &Ask) {
        self.counts.failed += 1;
        self.unsettled.push(Unsettled {
            buyer: ask.buyer,
            round: ask.round,
            units: ask.quantity.get(),
            fault: ask.fault,
        });
    }

    fn keep(&mut self, sentence: String) {
        if self.failures.len() < FAILURES_KEPT_MAX {
            self.failures.push(sentence);
        }
    }

    fn settle(&mut self, has_order: &impl Fn(&Unsettled) -> bool) {
        for attempt in std::mem::take(&mut self.unsettled) {
            if has_order(&attempt) {
                self.counts.failed -= 1;
                self.succeeded(attempt.units);
            } else if attempt.fault.is_some_and(FaultKind::ends_attempt) {
                self.counts.cut_off += 1;
            } else {
                *self.went_without.entry(attempt.units).or_default() += 1;
            }
        }
    }
}

fn lock(shard: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counters of 32 bits: a lane has at most a million attempts.
fn histogram(digits: u8) -> Histogram<u32> {
    Histogram::new_with_max(TIME_MAX_US, digits)
        .unwrap_or_else(|_| unreachable!("constant bounds that HdrHistogram accepts"))
}

fn merge(all: &mut Histogram<u32>, part: &Histogram<u32>) {
    all.add(part)
        .unwrap_or_else(|_| unreachable!("both have the same bounds"));
}

fn parts(split: TimeSplit) -> [Duration; 4] {
    [
        split.pool_wait,
        split.lock_wait,
        split.execute,
        split.commit,
    ]
}

fn time_split([pool_wait, lock_wait, execute, commit]: [f64; 4]) -> TimeSplitMs {
    TimeSplitMs {
        pool_wait,
        lock_wait,
        execute,
        commit,
    }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn in_ms(us: u64) -> f64 {
    ms(Duration::from_micros(us))
}

/// Milliseconds with three decimals.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        model::{
            SimulationPlan,
            plan::{Faults, Quantities},
        },
        simulation::{buyer::Taken, schedule::Schedule},
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
        attempt(AttemptResult::Failed("broken".to_owned()))
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
        recorder.record(&ask(5, None), MS, attempt(AttemptResult::Rejected));
        assert_eq!(
            (recorder.counts().failed, recorder.counts().attempts()),
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
                counts.rejected,
                counts.failed
            ),
            (1, 3, 1, 3)
        );
        assert_eq!(
            counts.cut_off, 2,
            "who froze or left went without by their own doing"
        );
        assert_eq!(recorder.went_without(), BTreeMap::from([(3, 2)]));
        assert_eq!(recorder.unsettled(), []);
        assert_eq!(counts.attempts(), 5);
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
            (counts.contradicted, counts.succeeded, counts.failed),
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
}
