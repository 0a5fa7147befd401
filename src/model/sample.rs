//! A sample of a lane: counts since its start, timings since the previous sample, and current
//! gauges.

use serde::{Deserialize, Serialize};

/// Declares an enum of kinds and a struct that counts them, with one line per kind: variant, field,
/// label.
macro_rules! counted {
    ($(#[$about:meta])* $one:ident, $(#[$about_all:meta])* $all:ident: $($(#[$kind:meta])* $variant:ident = $field:ident, $words:literal;)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $one {
            $($(#[$kind])* $variant,)*
        }

        impl $one {
            /// Every kind, in the stacking order of charts.
            pub const ALL: [Self; [$($words),*].len()] = [$(Self::$variant),*];

            /// The label on pages.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)*
                }
            }
        }

        $(#[$about_all])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $all {
            $(#[serde(skip_serializing_if = "is_zero")] pub $field: u64,)*
        }

        impl $all {
            /// The count of one kind.
            pub const fn of(&self, kind: $one) -> u64 {
                match kind {
                    $($one::$variant => self.$field,)*
                }
            }

            /// The counter of one kind.
            pub const fn of_mut(&mut self, kind: $one) -> &mut u64 {
                match kind {
                    $($one::$variant => &mut self.$field,)*
                }
            }

            /// The sum of all kinds.
            pub const fn total(&self) -> u64 {
                0 $(+ self.$field)*
            }

            /// The counts with the names of their fields, also those that are zero.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field)),*]
            }

            /// Adds the counts of `other`.
            pub const fn add(&mut self, other: Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counted! {
    /// Why the shop rejected an attempt.
    RejectionReason,
    /// Rejections by reason.
    RejectionCounts:
    /// The stock row was read and had too few units.
    SoldOut = sold_out, "sold out (stock row)";
    /// The sold-out cache rejected the attempt without reading the stock row. Over HTTP the two
    /// cannot be distinguished.
    FromMemory = from_memory, "sold out (cache)";
    CustomerLimit = customer_limit, "customer limit exceeded";
    NotOpen = not_open, "sale not open";
    Declined = declined, "payment declined";
    OtherRule = other_rule, "other rule";
}

impl RejectionReason {
    /// True if the shop said that the stock does not cover the attempt. Any other rule rejects an
    /// attempt however many units remain.
    pub const fn is_about_stock(self) -> bool {
        matches!(self, Self::SoldOut | Self::FromMemory)
    }
}

counted! {
    /// Why an attempt failed.
    FailureKind,
    /// Failures by kind.
    FailureCounts:
    /// No response in time, even after retries.
    TimedOut = timed_out, "timed out";
    /// The database or the server could not be reached.
    NoConnection = no_connection, "no connection";
    /// The queue was full, or the retries were used up.
    Busy = busy, "too busy";
    /// The buyer left or was interrupted: an injected fault.
    CutOff = cut_off, "interrupted on purpose";
    OtherFault = other_fault, "other";
}

/// Timings of the attempts that ended since the previous sample. Times are per attempt, in
/// microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecentTimings {
    /// The number of these attempts, without those whose buyer left before the response.
    #[serde(skip_serializing_if = "is_zero")]
    pub timed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub p50_us: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub p95_us: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub p99_us: u64,
    /// Average time waiting for a connection.
    #[serde(skip_serializing_if = "is_zero")]
    pub pool_wait_us: u64,
    /// Average time waiting in the server's memory: for a mutex, a batch, or a shared answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub queue_wait_us: u64,
    /// Average time waiting for Redis.
    #[serde(skip_serializing_if = "is_zero")]
    pub redis_us: u64,
    /// Average time in the statements that take row locks.
    #[serde(skip_serializing_if = "is_zero")]
    pub lock_wait_us: u64,
    /// Average time in all other statements.
    #[serde(skip_serializing_if = "is_zero")]
    pub execute_us: u64,
    /// Average time in the race window, or frozen by a fault.
    #[serde(skip_serializing_if = "is_zero")]
    pub pause_us: u64,
    /// Average time in COMMIT.
    #[serde(skip_serializing_if = "is_zero")]
    pub commit_us: u64,
    /// Average time waiting for the payment provider.
    #[serde(skip_serializing_if = "is_zero")]
    pub payment_us: u64,
    /// Average pause before retries.
    #[serde(skip_serializing_if = "is_zero")]
    pub backoff_us: u64,
    /// The rest of the average latency.
    #[serde(skip_serializing_if = "is_zero")]
    pub other_us: u64,
}

impl RecentTimings {
    /// Merges the timings of two intervals. For a percentile the higher value: the exact percentile
    /// of both intervals is no longer known, and a peak must not be lost. Averages are weighted by
    /// their attempts.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let timed = self.timed + other.timed;
        let mean = |mine: u64, others: u64| {
            (mine * self.timed + others * other.timed)
                .checked_div(timed)
                .unwrap_or_default()
        };
        Self {
            timed,
            p50_us: self.p50_us.max(other.p50_us),
            p95_us: self.p95_us.max(other.p95_us),
            p99_us: self.p99_us.max(other.p99_us),
            pool_wait_us: mean(self.pool_wait_us, other.pool_wait_us),
            queue_wait_us: mean(self.queue_wait_us, other.queue_wait_us),
            redis_us: mean(self.redis_us, other.redis_us),
            lock_wait_us: mean(self.lock_wait_us, other.lock_wait_us),
            execute_us: mean(self.execute_us, other.execute_us),
            pause_us: mean(self.pause_us, other.pause_us),
            commit_us: mean(self.commit_us, other.commit_us),
            payment_us: mean(self.payment_us, other.payment_us),
            backoff_us: mean(self.backoff_us, other.backoff_us),
            other_us: mean(self.other_us, other.other_us),
        }
    }
}

/// One sample. Counts are cumulative since the lane's start, so that the rate between any two
/// samples can be computed. Figures that an older stored sample lacks read as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Since the lane's first buyer started.
    pub elapsed_ms: u64,
    /// Available units, from the database.
    pub remaining: i64,
    /// Successful attempts.
    pub succeeded: u64,
    /// Attempts that the shop rejected.
    pub rejected: u64,
    /// Attempts that ended in an error.
    pub failed: u64,
    /// Units requested by the successful attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    /// The rejected attempts by reason.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: RejectionCounts,
    /// The failed attempts by kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: FailureCounts,
    /// Retries inside attempts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    #[serde(rename = "lately", default, skip_serializing_if = "is_zero")]
    pub recent: RecentTimings,
    /// Attempts in progress.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub in_attempt: u32,
    /// Connections in use by the lane's buyers; over HTTP, requests in flight.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pool_in_use: u32,
    /// The number of connections of the lane's buyers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pool_size: u32,
}

impl Sample {
    /// Attempts that have ended.
    pub const fn served(&self) -> u64 {
        self.succeeded + self.rejected + self.failed
    }

    /// Units sold so far, as counted by the buyers. An older sample without `units` is from a run
    /// with the fixed quantity `each`.
    pub fn units_sold(&self, each: u32) -> u64 {
        self.units
            .unwrap_or_else(|| self.succeeded.saturating_mul(each.into()))
    }

    /// Rejected and failed attempts.
    pub const fn unsuccessful(&self) -> u64 {
        self.rejected + self.failed
    }

    /// Merges the earlier sample `dropped` into this one. For gauges, the higher value is kept.
    #[must_use]
    pub fn merge_dropped(self, dropped: Self) -> Self {
        Self {
            recent: self.recent.merged(dropped.recent),
            in_attempt: self.in_attempt.max(dropped.in_attempt),
            pool_in_use: self.pool_in_use.max(dropped.pool_in_use),
            ..self
        }
    }
}

/// Drops every second sample, never the last. Each remaining sample is merged with the one dropped
/// before it.
pub fn thin(samples: &mut Vec<Sample>) {
    let mut thinned = Vec::with_capacity(samples.len().div_ceil(2));
    let odd = samples.len() % 2;
    thinned.extend_from_slice(&samples[..odd]);
    thinned.extend(
        samples[odd..]
            .chunks_exact(2)
            .map(|pair| pair[1].merge_dropped(pair[0])),
    );
    *samples = thinned;
}

/// Thins the samples for a table to at most `at_most`; the last one remains.
pub fn thinned_to(samples: &[Sample], at_most: usize) -> Vec<Sample> {
    let mut samples = samples.to_vec();
    while samples.len() > at_most.max(1) {
        thin(&mut samples);
    }
    samples
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(elapsed_ms: u64, succeeded: u64, timed: u64, us: u64) -> Sample {
        Sample {
            elapsed_ms,
            succeeded,
            in_attempt: u32::try_from(us).unwrap_or(u32::MAX),
            recent: RecentTimings {
                timed,
                p50_us: us,
                p99_us: us * 2,
                lock_wait_us: us,
                ..RecentTimings::default()
            },
            ..Sample::default()
        }
    }

    #[test]
    fn thinning_keeps_the_last_point() {
        for len in [1_u64, 2, 3, 8, 9] {
            let mut samples: Vec<Sample> = (0..len).map(|ms| point(ms, ms, 1, 1)).collect();
            thin(&mut samples);
            assert_eq!(
                samples.last().map(|sample| sample.elapsed_ms),
                Some(len - 1)
            );
            assert_eq!(samples.len() as u64, len.div_ceil(2));
        }
    }

    #[test]
    fn thinning_loses_no_attempt_and_no_peak() {
        let mut samples = vec![
            point(0, 1, 10, 100),
            point(100, 11, 30, 900),
            point(200, 41, 10, 100),
            point(300, 51, 0, 0),
        ];
        let before = samples.clone();
        thin(&mut samples);
        let timed = |samples: &[Sample]| samples.iter().map(|one| one.recent.timed).sum::<u64>();
        assert_eq!(timed(&samples), timed(&before));
        let first = samples[0];
        assert_eq!((first.elapsed_ms, first.succeeded), (100, 11));
        assert_eq!((first.recent.p50_us, first.recent.p99_us), (900, 1_800));
        assert_eq!(first.recent.lock_wait_us, (10 * 100 + 30 * 900) / 40);
        assert_eq!(first.in_attempt, 900);
        // An empty interval does not change an average.
        assert_eq!(samples[1].recent.lock_wait_us, 100);
    }

    #[test]
    fn a_table_is_thinned_until_it_fits() {
        let samples: Vec<_> = (0..601).map(|ms| point(ms, ms, 1, 1)).collect();
        let table = thinned_to(&samples, 60);
        assert!(table.len() <= 60 && table.len() > 30, "{}", table.len());
        assert_eq!(table.last().map(|sample| sample.elapsed_ms), Some(600));
        assert_eq!(thinned_to(&samples[..5], 60), samples[..5]);
        assert_eq!(thinned_to(&[], 0), []);
    }

    #[test]
    fn kinds_are_counted_separately_and_in_total() {
        let mut refusals = RejectionCounts::default();
        for (times, reason) in (1..).zip(RejectionReason::ALL) {
            *refusals.of_mut(reason) += times;
        }
        assert_eq!(refusals.of(RejectionReason::SoldOut), 1);
        assert_eq!(refusals.of(RejectionReason::OtherRule), 6);
        assert_eq!(refusals.total(), 21);
        refusals.add(refusals);
        assert_eq!(refusals.total(), 42);
    }
}
