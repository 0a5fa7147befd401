//! Counts and latencies of a lane, as its buyers report them.
//!
//! Ten thousand buyers report from as many tasks, so that one lock around all of it would be what is measured. Buyers are spread over
//! shards, and whoever wants to know adds the shards up.

mod counts;
mod recent;
mod tally;
#[cfg(test)]
mod tests;
mod times;

pub use counts::Counts;
pub use tally::Unsettled;

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
    times::{histogram, in_ms, merge, ms, parts, time_split},
};
use super::{buyer::Attempt, schedule::Ask};
use crate::{
    db::txn::TimeSplit,
    model::{LatencyMs, TimeSplitMs, sample::Lately},
};

/// More than the cores on which buyers run.
const SHARDS: u32 = 8;
/// What all buyers of a lane reported so far.
#[derive(Debug)]
pub struct Recorder {
    shards: Vec<Mutex<Tally>>,
    in_attempt: AtomicU32,
}

/// A buyer in the middle of an attempt, until this is dropped.
#[derive(Debug)]
pub struct InAttempt<'a>(&'a AtomicU32);

impl Drop for InAttempt<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Tally::new())).collect(),
            in_attempt: AtomicU32::new(0),
        }
    }

    /// Counts a buyer as being in an attempt, for as long as the guard lives.
    pub fn enter(&self) -> InAttempt<'_> {
        self.in_attempt.fetch_add(1, Ordering::Relaxed);
        InAttempt(&self.in_attempt)
    }

    /// Buyers in the middle of an attempt: waiting, or being served.
    pub fn in_attempt(&self) -> u32 {
        self.in_attempt.load(Ordering::Relaxed)
    }

    /// Takes one attempt in. Of a buyer who left, no latency: nobody waited for an answer.
    pub fn record(&self, ask: &Ask, latency: Duration, attempt: Attempt) {
        let shard = &self.shards[(ask.buyer % SHARDS) as usize];
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
        for shard in &self.shards {
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

    /// Of the attempts that ended since this was last asked: one who watches, and nobody else, may ask.
    pub fn take_lately(&self) -> Lately {
        let mut all = Recent::new();
        for shard in &self.shards {
            all.drain(&mut lock(shard).recent);
        }
        all.figures()
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
