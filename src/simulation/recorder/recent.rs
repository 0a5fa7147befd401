//! The times of what ended since somebody last looked.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::times::{histogram, merge, parts, us};
use crate::{db::txn::TimeSplit, model::sample::Lately};

/// Significant digits: one point of a chart is one pixel high at best, and these are emptied ten times a second.
const DIGITS: u8 = 2;

/// What one shard took in since it was last emptied, or several of them together.
#[derive(Debug)]
pub struct Recent {
    latency_us: Histogram<u32>,
    split: TimeSplit,
}

impl Recent {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            latency_us: histogram(DIGITS),
            split: TimeSplit::default(),
        }
    }

    /// Takes one attempt in.
    pub fn take_in(&mut self, latency: Duration, split: TimeSplit) {
        self.latency_us.saturating_record(us(latency));
        self.split.add(split);
    }

    /// Adds what another holds, and empties it.
    pub fn drain(&mut self, other: &mut Self) {
        if other.latency_us.is_empty() {
            return;
        }
        merge(&mut self.latency_us, &other.latency_us);
        self.split.add(std::mem::take(&mut other.split));
        other.latency_us.reset();
    }

    /// Quantiles and means of it.
    pub fn figures(&self) -> Lately {
        let timed = self.latency_us.len();
        let at = |quantile| self.latency_us.value_at_quantile(quantile);
        let share = u32::try_from(timed).unwrap_or(u32::MAX).max(1);
        let [pool_wait_us, lock_wait_us, execute_us, commit_us] =
            parts(self.split).map(|part| us(part / share));
        Lately {
            timed,
            p50_us: at(0.50),
            p95_us: at(0.95),
            p99_us: at(0.99),
            pool_wait_us,
            lock_wait_us,
            execute_us,
            commit_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn split(lock_wait: Duration) -> TimeSplit {
        TimeSplit {
            lock_wait,
            ..TimeSplit::default()
        }
    }

    #[test]
    fn what_was_looked_at_is_not_told_again() {
        let (mut one, mut other) = (Recent::new(), Recent::new());
        for latency in 1..=50 {
            one.take_in(MS * latency, split(MS * 2));
            other.take_in(MS * (50 + latency), split(MS * 4));
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
        assert_eq!(one.figures(), Lately::default());
        let mut next = Recent::new();
        other.take_in(MS * 7, split(MS));
        next.drain(&mut one);
        next.drain(&mut other);
        assert_eq!(
            (next.figures().timed, next.figures().lock_wait_us),
            (1, 1_000)
        );
    }
}
