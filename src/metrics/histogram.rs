//! A histogram of durations: one atomic counter for each bucket, and an exemplar of those whose
//! request is being traced.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::TraceId;

use super::{
    Counter,
    exemplar::{Exemplar, LatestExemplar},
    microseconds,
};

/// The upper bounds of the buckets, in microseconds; one more bucket has no bound.
pub const BOUNDS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
/// The number of buckets.
pub const BUCKETS: usize = BOUNDS_US.len() + 1;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Bucket; BUCKETS],
    sum_us: Counter,
}

#[derive(Debug, Default)]
struct Bucket {
    count: Counter,
    exemplar: LatestExemplar,
}

impl Histogram {
    /// Counts a duration. `trace` is the one that contains it, if it is being recorded.
    pub fn observe(&self, duration: Duration, trace: Option<TraceId>) {
        let us = microseconds(duration);
        let bucket = &self.buckets[BOUNDS_US.partition_point(|bound| *bound < us)];
        bucket.count.increment();
        self.sum_us.add(us);
        if let Some(trace) = trace {
            bucket.exemplar.replace(Exemplar {
                trace,
                duration_us: us,
                at: SystemTime::now(),
            });
        }
    }

    /// Returns the latest exemplar of each bucket.
    pub fn exemplars(&self) -> [Option<Exemplar>; BUCKETS] {
        let mut exemplars = [None; BUCKETS];
        for (exemplar, bucket) in exemplars.iter_mut().zip(&self.buckets) {
            *exemplar = bucket.exemplar.get();
        }
        exemplars
    }

    /// Returns the counts as they are now.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut counts = [0; BUCKETS];
        for (count, bucket) in counts.iter_mut().zip(&self.buckets) {
            *count = bucket.count.get();
        }
        HistogramSnapshot {
            counts,
            sum_us: self.sum_us.get(),
        }
    }
}

/// The counts of a histogram at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// The durations in each bucket, without those of lower buckets.
    pub counts: [u64; BUCKETS],
    pub sum_us: u64,
}

impl HistogramSnapshot {
    /// Returns how many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds the counts of another histogram.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (count, others) in self.counts.iter_mut().zip(other.counts) {
            *count += others;
        }
        self.sum_us += other.sum_us;
        self
    }

    /// Returns what was counted since `before`.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        for (count, earlier) in self.counts.iter_mut().zip(before.counts) {
            *count = count.saturating_sub(earlier);
        }
        self.sum_us = self.sum_us.saturating_sub(before.sum_us);
        self
    }

    /// Returns the duration that the part `quantile` of all durations does not exceed, in seconds,
    /// assuming that each bucket is evenly filled. `None` if nothing was counted.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn quantile_s(&self, quantile: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let wanted = quantile * total as f64;
        let mut below = 0.0;
        for (bucket, count) in self.counts.iter().enumerate() {
            let within = *count as f64;
            if within > 0.0 && below + within >= wanted {
                let lower = bucket.checked_sub(1).map_or(0, |lower| BOUNDS_US[lower]);
                // Of the durations in the last bucket, only the lower bound is known.
                let upper = BOUNDS_US.get(bucket).copied().unwrap_or(lower);
                let part = (wanted - below) / within;
                return Some((lower as f64 + part * (upper - lower) as f64) / 1e6);
            }
            below += within;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram_of(durations_us: &[u64]) -> HistogramSnapshot {
        let histogram = Histogram::default();
        for us in durations_us {
            histogram.observe(Duration::from_micros(*us), None);
        }
        histogram.snapshot()
    }

    #[test]
    fn a_duration_is_in_the_first_bucket_that_it_does_not_exceed() {
        let snapshot = histogram_of(&[0, 500, 501, 10_000_000, 10_000_001, 60_000_000]);
        assert_eq!(snapshot.counts[..2], [2, 1]);
        assert_eq!(snapshot.counts[13..], [1, 2]);
        assert_eq!(snapshot.count(), 6);
        assert_eq!(snapshot.sum_us, 80_001_002);
    }

    #[test]
    fn only_a_traced_duration_is_an_exemplar_of_its_bucket() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(700), None);
        assert_eq!(histogram.exemplars(), [None; BUCKETS]);
        let trace = TraceId::from(7_u128);
        histogram.observe(Duration::from_micros(800), Some(trace));
        histogram.observe(Duration::from_micros(900), None);
        let exemplars = histogram.exemplars();
        let exemplar = exemplars[1].expect("of the bucket from 500 µs to 1 ms");
        assert_eq!((exemplar.trace, exemplar.duration_us), (trace, 800));
        assert_eq!(exemplars.iter().flatten().count(), 1);
        assert_eq!(histogram.snapshot().counts[1], 3);
    }

    #[test]
    fn a_quantile_is_within_its_bucket() {
        assert_eq!(histogram_of(&[]).quantile_s(0.99), None);
        // 100 durations from 1 ms to 2.5 ms: the 50th is in the middle of the bucket.
        let snapshot = histogram_of(&[2_000; 100]);
        let median = snapshot.quantile_s(0.5).unwrap_or_default();
        assert!((median - 0.00175).abs() < 1e-9, "{median}");
        let mut slow = vec![300; 98];
        slow.extend([20_000_000; 2]);
        assert_eq!(histogram_of(&slow).quantile_s(0.99), Some(10.0));
    }

    #[test]
    fn only_what_came_later_is_left() {
        let (before, after) = (histogram_of(&[300, 700]), histogram_of(&[300, 700, 800]));
        let since = after.since(&before);
        assert_eq!((since.count(), since.sum_us), (1, 800));
        assert_eq!(before.and(&since), after);
    }
}
