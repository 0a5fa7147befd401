//! Counts and latencies of a run, as its buyers report them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

use super::buyer::{Attempt, AttemptResult};
use crate::{
    db::txn::TimeSplit,
    model::{LatencyMs, TimeSplitMs},
};

/// Failures whose sentence is kept; all are counted.
const FAILURES_KEPT_MAX: usize = 5;

/// What all buyers reported so far.
#[derive(Debug)]
pub struct Recorder(Mutex<Tally>);

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub succeeded: u64,
    pub rejected: u64,
    pub failed: u64,
    pub retries: u64,
}

impl Counts {
    /// Attempts that have ended.
    pub const fn attempts(&self) -> u64 {
        self.succeeded + self.rejected + self.failed
    }
}

#[derive(Debug)]
struct Tally {
    counts: Counts,
    latency_us: Histogram<u64>,
    split: TimeSplit,
    failures: Vec<String>,
}

impl Recorder {
    /// An empty one. Latencies keep three significant digits (HdrHistogram), up to an hour.
    pub fn new() -> Self {
        let latency_us = Histogram::new_with_max(3_600_000_000, 3)
            .unwrap_or_else(|_| unreachable!("constant bounds that HdrHistogram accepts"));
        Self(Mutex::new(Tally {
            counts: Counts::default(),
            latency_us,
            split: TimeSplit::default(),
            failures: Vec::new(),
        }))
    }

    /// Takes one attempt in.
    pub fn record(&self, attempt: Attempt) {
        let mut tally = self.tally();
        let latency_us = u64::try_from(attempt.latency.as_micros()).unwrap_or(u64::MAX);
        tally.latency_us.saturating_record(latency_us);
        tally.split.add(attempt.split);
        tally.counts.retries += u64::from(attempt.retries);
        match attempt.result {
            AttemptResult::Bought => tally.counts.succeeded += 1,
            AttemptResult::Rejected => tally.counts.rejected += 1,
            AttemptResult::Failed(sentence) => {
                tally.counts.failed += 1;
                if tally.failures.len() < FAILURES_KEPT_MAX {
                    tally.failures.push(sentence);
                }
            }
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.tally().counts
    }

    /// The first failures, each a sentence.
    pub fn failures(&self) -> Vec<String> {
        self.tally().failures.clone()
    }

    /// Quantiles so far.
    pub fn latency(&self) -> LatencyMs {
        let tally = self.tally();
        let at = |quantile| {
            ms(Duration::from_micros(
                tally.latency_us.value_at_quantile(quantile),
            ))
        };
        LatencyMs {
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max: ms(Duration::from_micros(tally.latency_us.max())),
        }
    }

    /// Where the time of an average attempt went.
    pub fn time_split(&self) -> TimeSplitMs {
        let tally = self.tally();
        let attempts = u32::try_from(tally.counts.attempts())
            .unwrap_or(u32::MAX)
            .max(1);
        TimeSplitMs {
            pool_wait: ms(tally.split.pool_wait / attempts),
            lock_wait: ms(tally.split.lock_wait / attempts),
            execute: ms(tally.split.execute / attempts),
            commit: ms(tally.split.commit / attempts),
        }
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

/// Milliseconds with three decimals.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
