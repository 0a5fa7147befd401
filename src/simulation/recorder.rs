//! Records the counts and latencies of a lane from its buyers' reports.
//!
//! Ten thousand buyers report from as many tasks. A single lock around the recorder would itself
//! become the bottleneck, so the buyers are spread over shards, and a reader adds up the shards.

mod counts;
mod recent;
mod tally;
#[cfg(test)]
mod tests;
mod times;

pub use counts::Counts;
pub use tally::UnresolvedAttempt;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;

use self::{
    recent::Recent,
    tally::{FAILURES_KEPT_MAX, LATENCY_DIGITS, PART_DIGITS, Tally},
    times::{PARTS, add, histogram, in_ms, merge, ms},
};
use super::{buyer::Attempt, schedule::PlannedAttempt};
use crate::model::{LatencyMs, TimeSplitMs, sample::RecentTimings};

/// More than the cores on which buyers run.
const SHARDS: u32 = 8;
/// The reports of all buyers of a lane so far.
#[derive(Debug)]
pub struct Recorder {
    shards: Vec<Mutex<Tally>>,
    in_attempt: AtomicU32,
}

/// Counts a buyer as being in an attempt until it is dropped.
#[derive(Debug)]
pub struct AttemptGuard<'a>(&'a AtomicU32);

impl Drop for AttemptGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Recorder {
    /// Creates an empty recorder.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Tally::new())).collect(),
            in_attempt: AtomicU32::new(0),
        }
    }

    /// Counts a buyer as being in an attempt for as long as the guard lives.
    pub fn begin_attempt(&self) -> AttemptGuard<'_> {
        self.in_attempt.fetch_add(1, Ordering::Relaxed);
        AttemptGuard(&self.in_attempt)
    }

    /// Returns the number of buyers in an attempt, waiting or being served.
    pub fn in_attempt(&self) -> u32 {
        self.in_attempt.load(Ordering::Relaxed)
    }

    /// Records one attempt. An abandoned attempt has no latency, because its buyer did not wait for
    /// the answer.
    pub fn record(&self, planned: &PlannedAttempt, latency: Duration, attempt: Attempt) {
        let shard = &self.shards[(planned.buyer % SHARDS) as usize];
        lock(shard).record(planned, latency, attempt);
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> Counts {
        self.fold(Counts::default(), |counts, tally| counts.add(tally.counts))
    }

    /// Returns the sentences of the first failures.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.fold(Vec::new(), |all: &mut Vec<String>, tally| {
            all.extend_from_slice(&tally.failures);
        });
        failures.truncate(FAILURES_KEPT_MAX);
        failures
    }

    /// Returns the attempts of which it is unknown whether they created an order.
    pub fn unresolved(&self) -> Vec<UnresolvedAttempt> {
        self.fold(Vec::new(), |all: &mut Vec<UnresolvedAttempt>, tally| {
            all.extend_from_slice(&tally.unresolved);
        })
    }

    /// Counts the unresolved attempts, given which of them created an order.
    pub fn resolve(&self, has_order: impl Fn(&UnresolvedAttempt) -> bool) {
        for shard in &self.shards {
            lock(shard).resolve(&has_order);
        }
    }

    /// Returns the number of unfulfilled attempts by requested quantity: those that the shop
    /// rejected because of the stock. Failed attempts are not included.
    pub fn unfulfilled(&self) -> BTreeMap<u32, u64> {
        self.fold(BTreeMap::new(), |all: &mut BTreeMap<u32, u64>, tally| {
            for (units, buyers) in &tally.unfulfilled {
                *all.entry(*units).or_default() += buyers;
            }
        })
    }

    /// Returns the latency quantiles so far.
    pub fn latency(&self) -> LatencyMs {
        let all = self.fold(histogram(LATENCY_DIGITS), |all, tally| {
            merge(all, &tally.latency_us);
        });
        let at = |quantile| in_ms(all.value_at_quantile(quantile));
        let sum = self.fold(Duration::ZERO, |sum, tally| *sum += tally.latency);
        LatencyMs {
            mean: ms(sum / self.timed().max(1)),
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max: in_ms(all.max()),
        }
    }

    /// Returns the figures of the attempts that ended since the last call. Each call resets them,
    /// so that only the sampler may call this.
    pub fn take_recent(&self) -> RecentTimings {
        let mut all = Recent::new();
        for shard in &self.shards {
            all.drain(&mut lock(shard).recent);
        }
        all.figures()
    }

    /// Returns the mean of each part of an attempt's time. Together they are the mean latency.
    pub fn time_split(&self) -> TimeSplitMs {
        let sums = self.fold([Duration::ZERO; PARTS], |sums, tally| {
            add(sums, tally.split);
        });
        let timed = self.timed().max(1);
        TimeSplitMs::of(sums.map(|sum| ms(sum / timed)))
    }

    /// Returns the 99th percentile of each part of an attempt's time.
    pub fn time_split_p99(&self) -> TimeSplitMs {
        let empty = std::array::from_fn(|_| histogram(PART_DIGITS));
        let all: [Histogram<u32>; PARTS] = self.fold(empty, |all, tally| {
            for (all, part) in all.iter_mut().zip(&tally.split_us) {
                merge(all, part);
            }
        });
        TimeSplitMs::of(all.map(|part| in_ms(part.value_at_quantile(0.99))))
    }

    /// Returns the number of attempts with a latency.
    fn timed(&self) -> u32 {
        let timed = self.fold(0, |timed, tally| *timed += tally.latency_us.len());
        u32::try_from(timed).unwrap_or(u32::MAX)
    }

    fn fold<T>(&self, mut all: T, mut add: impl FnMut(&mut T, &Tally)) -> T {
        for shard in &self.shards {
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

fn lock(shard: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
