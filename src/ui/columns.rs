//! The numbers that charts draw: one row per point of a lane, with rates derived from counts.

use crate::model::{
    Sample,
    sample::{RecentTimings, RejectionReason},
};

/// The columns of a row. Times are in seconds since the start of the lane, rates in attempts per
/// second since the previous point, latencies and their parts in milliseconds.
pub const COLUMNS: [&str; 30] = [
    "time",
    "remaining",
    "sold",
    "succeeded",
    "rejected",
    "sold-out",
    "from-memory",
    "customer-limit",
    "not-open",
    "declined",
    "other-rule",
    "failed",
    "retries",
    "p50",
    "p95",
    "p99",
    "pool-wait",
    "queue-wait",
    "redis",
    "lock-wait",
    "execute",
    "pause",
    "commit",
    "payment",
    "backoff",
    "other",
    "in-attempt",
    "pool-in-use",
    "pool-size",
    "initial-stock",
];

/// One point, in the order of [`COLUMNS`]. A value that cannot be computed is NaN: a rate over no
/// time, or a latency without attempts.
pub type Row = [f64; COLUMNS.len()];

/// Returns the row of `sample`, which follows `before`, on a lane with `initial_stock` units. For
/// runs stored without unit counts, `units_per_attempt` is the quantity of each attempt.
pub fn row(before: &Sample, sample: &Sample, units_per_attempt: u32, initial_stock: i64) -> Row {
    let per_s = |count: fn(&Sample) -> u64| per_second(before, sample, count);
    let RecentTimings { timed, .. } = sample.recent;
    let ms = |us: u64| {
        if timed == 0 {
            f64::NAN
        } else {
            unsigned(us) / 1_000.0
        }
    };
    let reason = |reason: RejectionReason| {
        let (now, then) = (sample.refusals.of(reason), before.refusals.of(reason));
        rate(now.saturating_sub(then), span_ms(before, sample))
    };
    [
        unsigned(sample.elapsed_ms) / 1_000.0,
        signed(sample.remaining),
        unsigned(sample.units_sold(units_per_attempt)),
        per_s(|sample| sample.succeeded),
        per_s(|sample| sample.rejected),
        reason(RejectionReason::SoldOut),
        reason(RejectionReason::FromMemory),
        reason(RejectionReason::CustomerLimit),
        reason(RejectionReason::NotOpen),
        reason(RejectionReason::Declined),
        reason(RejectionReason::OtherRule),
        per_s(|sample| sample.failed),
        per_s(|sample| sample.retries),
        ms(sample.recent.p50_us),
        ms(sample.recent.p95_us),
        ms(sample.recent.p99_us),
        ms(sample.recent.pool_wait_us),
        ms(sample.recent.queue_wait_us),
        ms(sample.recent.redis_us),
        ms(sample.recent.lock_wait_us),
        ms(sample.recent.execute_us),
        ms(sample.recent.pause_us),
        ms(sample.recent.commit_us),
        ms(sample.recent.payment_us),
        ms(sample.recent.backoff_us),
        ms(sample.recent.other_us),
        sample.in_attempt.into(),
        sample.pool_in_use.into(),
        sample.pool_size.into(),
        signed(initial_stock),
    ]
}

/// Returns the rows of the points that follow `before`, concatenated.
pub fn rows(
    before: Option<Sample>,
    samples: &[Sample],
    units_per_attempt: u32,
    initial_stock: i64,
) -> Vec<f64> {
    let mut before = before.unwrap_or_default();
    let mut rows = Vec::with_capacity(samples.len() * COLUMNS.len());
    for sample in samples {
        rows.extend(row(&before, sample, units_per_attempt, initial_stock));
        before = *sample;
    }
    rows
}

/// Returns how much a count grew per second. A count that shrank, because the database corrected an
/// attempt that had seemed to fail, counts as no growth.
pub fn per_second(before: &Sample, sample: &Sample, count: impl Fn(&Sample) -> u64) -> f64 {
    rate(
        count(sample).saturating_sub(count(before)),
        span_ms(before, sample),
    )
}

fn span_ms(before: &Sample, sample: &Sample) -> u64 {
    sample.elapsed_ms.saturating_sub(before.elapsed_ms)
}

fn rate(count: u64, span_ms: u64) -> f64 {
    if span_ms == 0 {
        f64::NAN
    } else {
        unsigned(count) * 1_000.0 / unsigned(span_ms)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and microseconds of a run are far below 2^52"
)]
const fn unsigned(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
const fn signed(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{RejectionCounts, thin};

    fn point(elapsed_ms: u64, succeeded: u64) -> Sample {
        Sample {
            elapsed_ms,
            succeeded,
            rejected: succeeded * 2,
            refusals: RejectionCounts {
                sold_out: succeeded,
                from_memory: succeeded,
                ..RejectionCounts::default()
            },
            recent: RecentTimings {
                timed: 1,
                p50_us: 1_500,
                ..RecentTimings::default()
            },
            ..Sample::default()
        }
    }

    #[track_caller]
    fn check(row: &Row, column: &str, expected: f64) {
        let index = COLUMNS.iter().position(|name| *name == column);
        let value = index.map_or(f64::NAN, |index| row[index]);
        assert!((value - expected).abs() < 1e-9, "{column} is {value}");
    }

    #[test]
    fn rates_use_the_time_between_two_points() {
        let row = row(&point(1_000, 10), &point(1_250, 15), 1, 20);
        check(&row, "time", 1.25);
        check(&row, "succeeded", 20.0);
        check(&row, "rejected", 40.0);
        check(&row, "sold-out", 20.0);
        check(&row, "from-memory", 20.0);
        check(&row, "declined", 0.0);
        check(&row, "p50", 1.5);
        check(&row, "sold", 15.0);
    }

    #[test]
    fn values_that_cannot_be_computed_are_nan() {
        let no_attempts = Sample {
            recent: RecentTimings::default(),
            ..point(0, 0)
        };
        let row = row(&Sample::default(), &no_attempts, 1, 20);
        let numbers = COLUMNS.iter().zip(row);
        let missing = numbers.filter(|(_, number)| number.is_nan());
        let missing: Vec<_> = missing.map(|(name, _)| *name).collect();
        assert!(missing.contains(&"succeeded") && missing.contains(&"p99"));
        assert!(!missing.contains(&"remaining") && !missing.contains(&"in-attempt"));
    }

    #[test]
    fn a_corrected_count_gives_no_negative_rate() {
        let row = row(&point(1_000, 10), &point(1_100, 9), 1, 20);
        check(&row, "succeeded", 0.0);
        check(&row, "rejected", 0.0);
    }

    #[test]
    fn thinning_keeps_the_mean_rate() {
        let mut samples: Vec<_> = (0..=10).map(|n| point(n * 100, n * n)).collect();
        let mean = |samples: &[Sample]| {
            let rows = rows(None, samples, 1, 20);
            let rows = rows.chunks_exact(COLUMNS.len());
            let mut before_s = 0.0;
            rows.fold(0.0, |sum, row| {
                let calls = (row[0] - before_s) * row[3];
                before_s = row[0];
                if calls.is_nan() { sum } else { sum + calls }
            })
        };
        let before = mean(&samples);
        thin(&mut samples);
        assert!((mean(&samples) - before).abs() < 1e-6);
        assert!(
            (before - 100.0).abs() < 1e-6,
            "the sum of all attempts, computed from the rates"
        );
    }
}
