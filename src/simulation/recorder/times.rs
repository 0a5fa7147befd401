//! Histograms of times, and the conversion of their units.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::{db::txn::TimeSplit, model::TimeSplitMs};

/// The longest time that a histogram records, in microseconds: an hour.
const TIME_MAX_US: u64 = 3_600_000_000;

/// Creates a histogram with 32-bit counters: a lane has at most a million attempts.
pub fn histogram(digits: u8) -> Histogram<u32> {
    Histogram::new_with_max(TIME_MAX_US, digits)
        .unwrap_or_else(|_| unreachable!("constant bounds that HdrHistogram accepts"))
}

pub fn merge(all: &mut Histogram<u32>, part: &Histogram<u32>) {
    all.add(part)
        .unwrap_or_else(|_| unreachable!("both have the same bounds"));
}

/// Returns the parts in the order that [`time_split`] expects.
pub fn parts(split: TimeSplit) -> [Duration; 4] {
    [
        split.pool_wait,
        split.lock_wait,
        split.execute,
        split.commit,
    ]
}

pub fn time_split([pool_wait, lock_wait, execute, commit]: [f64; 4]) -> TimeSplitMs {
    TimeSplitMs {
        pool_wait,
        lock_wait,
        execute,
        commit,
    }
}

pub fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub fn in_ms(us: u64) -> f64 {
    ms(Duration::from_micros(us))
}

/// Milliseconds with three decimals.
pub fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
