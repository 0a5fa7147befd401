//! The times of the attempts that ended since the last sample.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::times::{PARTS, add, histogram, merge, us};
use crate::model::sample::RecentTimings;

/// Significant digits: a point of a chart is at most one pixel high, and the histogram is reset ten
/// times a second.
const DIGITS: u8 = 2;

/// The times that one shard, or several together, recorded since the last reset.
#[derive(Debug)]
pub struct Recent {
    latency_us: Histogram<u32>,
    /// The sums of the parts.
    parts: [Duration; PARTS],
}

impl Recent {
    /// Creates an empty one.
    pub fn new() -> Self {
        Self {
            latency_us: histogram(DIGITS),
            parts: [Duration::ZERO; PARTS],
        }
    }

    /// Records one attempt.
    pub fn record(&mut self, latency: Duration, parts: [Duration; PARTS]) {
        self.latency_us.saturating_record(us(latency));
        add(&mut self.parts, parts);
    }

    /// Adds the times of `other`, and resets it.
    pub fn drain(&mut self, other: &mut Self) {
        if other.latency_us.is_empty() {
            return;
        }
        merge(&mut self.latency_us, &other.latency_us);
        add(&mut self.parts, std::mem::take(&mut other.parts));
        other.latency_us.reset();
    }

    /// Returns the quantiles and the means.
    pub fn figures(&self) -> RecentTimings {
        let timed = self.latency_us.len();
        let at = |quantile| self.latency_us.value_at_quantile(quantile);
        let share = u32::try_from(timed).unwrap_or(u32::MAX).max(1);
        let [
            pool_wait_us,
            queue_wait_us,
            redis_us,
            lock_wait_us,
            execute_us,
            pause_us,
            commit_us,
            payment_us,
            backoff_us,
            other_us,
        ] = self.parts.map(|part| us(part / share));
        RecentTimings {
            timed,
            p50_us: at(0.50),
            p95_us: at(0.95),
            p99_us: at(0.99),
            pool_wait_us,
            queue_wait_us,
            redis_us,
            lock_wait_us,
            execute_us,
            pause_us,
            commit_us,
            payment_us,
            backoff_us,
            other_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::txn::TimeSplit, simulation::recorder::times::parts};

    const MS: Duration = Duration::from_millis(1);

    fn split(lock_wait: Duration) -> [Duration; PARTS] {
        let split = TimeSplit {
            lock_wait,
            ..TimeSplit::default()
        };
        parts(split, lock_wait)
    }

    #[test]
    fn each_time_is_reported_once() {
        let (mut one, mut other) = (Recent::new(), Recent::new());
        for latency in 1..=50 {
            one.record(MS * latency, split(MS * 2));
            other.record(MS * (50 + latency), split(MS * 4));
        }
        let mut both = Recent::new();
        both.drain(&mut one);
        both.drain(&mut other);
        let figures = both.figures();
        assert_eq!((figures.timed, figures.lock_wait_us), (100, 3_000));
        for (us, expected_ms) in [
            (figures.p50_us, 50),
            (figures.p95_us, 95),
            (figures.p99_us, 99),
        ] {
            assert!(us.abs_diff(expected_ms * 1_000) <= 1_000, "{figures:?}");
        }
        assert_eq!(one.figures(), RecentTimings::default());
        let mut next = Recent::new();
        other.record(MS * 7, split(MS));
        next.drain(&mut one);
        next.drain(&mut other);
        assert_eq!(
            (next.figures().timed, next.figures().lock_wait_us),
            (1, 1_000)
        );
    }
}
