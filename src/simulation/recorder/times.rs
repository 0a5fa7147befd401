//! Histograms of times, and the conversion of their units.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::db::txn::TimeSplit;

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

/// The number of parts of a latency: those of a [`TimeSplit`], and the rest.
pub const PARTS: usize = 10;

/// Returns the parts of a latency, which add up to it, in the order of `TimeSplitMs::of`. The
/// rest is time outside of all measured parts, such as a task that waits for a processor.
pub fn parts(split: TimeSplit, latency: Duration) -> [Duration; PARTS] {
    let rest = latency.saturating_sub(split.total());
    let [a, b, c, d, e, f, g, h, i] = split.parts();
    [a, b, c, d, e, f, g, h, i, rest]
}

/// Adds `more` to `sums`, part by part.
pub fn add(sums: &mut [Duration; PARTS], more: [Duration; PARTS]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
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
