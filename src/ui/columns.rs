//! The numbers that charts draw: what each point of a lane says, with rates told from counts.

use crate::model::{
    Sample,
    sample::{Lately, Refusal},
};

/// What stands in each place of a row. Times are in seconds since the lane began, rates in calls per second since the point before, latencies
/// and their parts in milliseconds.
pub const COLUMNS: [&str; 24] = [
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
    "lock-wait",
    "execute",
    "commit",
    "in-attempt",
    "pool-in-use",
    "pool-size",
    "shelf",
];

/// One point, in the order of [`COLUMNS`]. What cannot be told is not a number: a rate over no time, a latency of nobody.
pub type Row = [f64; COLUMNS.len()];

/// The row of `sample`, after the point `before`, on a lane that began with `shelf` units; `each` is what an attempt of an old run asked for.
pub fn row(before: &Sample, sample: &Sample, each: u32, shelf: i64) -> Row {
    let per_s = |count: fn(&Sample) -> u64| per_second(before, sample, count);
    let Lately { timed, .. } = sample.lately;
    let ms = |us: u64| {
        if timed == 0 {
            f64::NAN
        } else {
            of(us) / 1_000.0
        }
    };
    let reason = |reason: Refusal| {
        let (now, then) = (sample.refusals.of(reason), before.refusals.of(reason));
        rate(now.saturating_sub(then), span_ms(before, sample))
    };
    [
        of(sample.elapsed_ms) / 1_000.0,
        signed(sample.remaining),
        of(sample.units_sold(each)),
        per_s(|sample| sample.succeeded),
        per_s(|sample| sample.rejected),
        reason(Refusal::SoldOut),
        reason(Refusal::FromMemory),
        reason(Refusal::CustomerLimit),
        reason(Refusal::NotOpen),
        reason(Refusal::Declined),
        reason(Refusal::OtherRule),
        per_s(|sample| sample.failed),
        per_s(|sample| sample.retries),
        ms(sample.lately.p50_us),
        ms(sample.lately.p95_us),
        ms(sample.lately.p99_us),
        ms(sample.lately.pool_wait_us),
        ms(sample.lately.lock_wait_us),
        ms(sample.lately.execute_us),
        ms(sample.lately.commit_us),
        sample.in_attempt.into(),
        sample.pool_in_use.into(),
        sample.pool_size.into(),
        signed(shelf),
    ]
}

/// The rows of points that follow `before`, one after the other.
pub fn rows(before: Option<Sample>, samples: &[Sample], each: u32, shelf: i64) -> Vec<f64> {
    let mut before = before.unwrap_or_default();
    let mut rows = Vec::with_capacity(samples.len() * COLUMNS.len());
    for sample in samples {
        rows.extend(row(&before, sample, each, shelf));
        before = *sample;
    }
    rows
}

/// How much a count grew in a second. One that shrank, because the database settled what had seemed to fail, did not grow.
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
        of(count) * 1_000.0 / of(span_ms)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and microseconds of a run are far below 2^52"
)]
const fn of(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
const fn signed(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{Refusals, thin};

    fn point(elapsed_ms: u64, succeeded: u64) -> Sample {
        Sample {
            elapsed_ms,
            succeeded,
            rejected: succeeded * 2,
            refusals: Refusals {
                sold_out: succeeded,
                from_memory: succeeded,
                ..Refusals::default()
            },
            lately: Lately {
                timed: 1,
                p50_us: 1_500,
                ..Lately::default()
            },
            ..Sample::default()
        }
    }

    #[track_caller]
    fn check(row: &Row, column: &str, expected: f64) {
        let place = COLUMNS.iter().position(|name| *name == column);
        let told = place.map_or(f64::NAN, |place| row[place]);
        assert!((told - expected).abs() < 1e-9, "{column} is {told}");
    }

    #[test]
    fn rates_are_of_the_time_between_two_points() {
        let told = row(&point(1_000, 10), &point(1_250, 15), 1, 20);
        check(&told, "time", 1.25);
        check(&told, "succeeded", 20.0);
        check(&told, "rejected", 40.0);
        check(&told, "sold-out", 20.0);
        check(&told, "from-memory", 20.0);
        check(&told, "declined", 0.0);
        check(&told, "p50", 1.5);
        check(&told, "sold", 15.0);
    }

    #[test]
    fn what_cannot_be_told_is_no_number() {
        let nobody = Sample {
            lately: Lately::default(),
            ..point(0, 0)
        };
        let told = row(&Sample::default(), &nobody, 1, 20);
        let numbers = COLUMNS.iter().zip(told);
        let untold = numbers.filter(|(_, number)| number.is_nan());
        let untold: Vec<_> = untold.map(|(name, _)| *name).collect();
        assert!(untold.contains(&"succeeded") && untold.contains(&"p99"));
        assert!(!untold.contains(&"remaining") && !untold.contains(&"in-attempt"));
    }

    #[test]
    fn a_count_that_was_settled_downwards_is_no_negative_rate() {
        let told = row(&point(1_000, 10), &point(1_100, 9), 1, 20);
        check(&told, "succeeded", 0.0);
        check(&told, "rejected", 0.0);
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
            "all calls, told by their rate"
        );
    }
}
