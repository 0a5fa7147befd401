//! One point of a lane's chart: what had happened by then, what happened lately, and who stood where.

use serde::{Deserialize, Serialize};

/// Makes an enum of kinds and the struct that counts them, with one entry a kind: variant, field, and its words for people.
macro_rules! counted {
    ($(#[$about:meta])* $one:ident, $(#[$about_all:meta])* $all:ident: $($(#[$kind:meta])* $variant:ident = $field:ident, $words:literal;)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $one {
            $($(#[$kind])* $variant,)*
        }

        impl $one {
            /// Every kind, in the order in which charts stack them.
            pub const ALL: [Self; [$($words),*].len()] = [$(Self::$variant),*];

            /// The kind, for people.
            pub const fn words(self) -> &'static str {
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
            /// How many of one kind.
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

            /// Of all kinds together.
            pub const fn total(&self) -> u64 {
                0 $(+ self.$field)*
            }

            /// Adds another's.
            pub const fn add(&mut self, other: Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counted! {
    /// Why the shop said no.
    Refusal,
    /// How often it said no, by reason.
    Refusals:
    /// The row was asked, and had not enough.
    SoldOut = sold_out, "sold out, by the row";
    /// Others had just been refused as much, and this buyer was told so without asking the row. Over HTTP the two look alike.
    FromMemory = from_memory, "sold out, from memory";
    CustomerLimit = customer_limit, "over the customer limit";
    NotOpen = not_open, "sale not open";
    Declined = declined, "payment declined";
    OtherRule = other_rule, "another rule";
}

counted! {
    /// Why an attempt came to neither yes nor no.
    Failure,
    /// How many attempts came to neither, by kind.
    Failures:
    /// There was no answer in time, however often the same was asked.
    TimedOut = timed_out, "no answer in time";
    /// The database or the server could not be reached.
    NoConnection = no_connection, "no connection";
    /// Turned away by a full queue, or after too many tries.
    Busy = busy, "too busy";
    /// The buyer left, or was cut off: a fault of the plan.
    CutOff = cut_off, "left, or cut off on purpose";
    OtherFault = other_fault, "something else";
}

/// What the attempts that ended since the point before took. Times of one attempt, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lately {
    /// How many of them there are; none of those who left, for whom no answer was ready.
    #[serde(skip_serializing_if = "is_zero")]
    pub timed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub p50_us: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub p95_us: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub p99_us: u64,
    /// Of an average attempt: waiting for a connection.
    #[serde(skip_serializing_if = "is_zero")]
    pub pool_wait_us: u64,
    /// In the statements that take row locks.
    #[serde(skip_serializing_if = "is_zero")]
    pub lock_wait_us: u64,
    /// In all other statements.
    #[serde(skip_serializing_if = "is_zero")]
    pub execute_us: u64,
    /// In COMMIT.
    #[serde(skip_serializing_if = "is_zero")]
    pub commit_us: u64,
}

impl Lately {
    /// One for two spans of time. Of a quantile the higher: that of both together cannot be known any more, and a peak must not get lost.
    /// Means are weighed by the attempts behind them.
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
            lock_wait_us: mean(self.lock_wait_us, other.lock_wait_us),
            execute_us: mean(self.execute_us, other.execute_us),
            commit_us: mean(self.commit_us, other.commit_us),
        }
    }
}

/// One point of a chart. Counts are of all that happened since the lane began, so that rates can be told between any two points. What was
/// stored before a figure was taken reads as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Since the lane's first buyer started.
    pub elapsed_ms: u64,
    /// Units left, from the database.
    pub remaining: i64,
    /// Attempts that bought.
    pub succeeded: u64,
    /// Attempts that the shop refused.
    pub rejected: u64,
    /// Attempts that ended in an error.
    pub failed: u64,
    /// Units that those who bought asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    /// The refused ones by reason.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: Refusals,
    /// The failed ones by kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: Failures,
    /// Tries beyond the first of each attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lately: Lately,
    /// Buyers in the middle of an attempt: waiting, or being served.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub in_attempt: u32,
    /// Connections in use, of those that the lane's buyers have; over HTTP, requests on their way.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pool_in_use: u32,
    /// Of so many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pool_size: u32,
}

impl Sample {
    /// Attempts that have ended.
    pub const fn served(&self) -> u64 {
        self.succeeded + self.rejected + self.failed
    }

    /// Units that were sold by then, as far as buyers know. A point that was stored without them was of one quantity: `each`.
    pub fn units_sold(&self, each: u32) -> u64 {
        self.units
            .unwrap_or_else(|| self.succeeded.saturating_mul(each.into()))
    }

    /// Attempts that came to nothing.
    pub const fn turned_away(&self) -> u64 {
        self.rejected + self.failed
    }

    /// This point for itself and for an earlier one that is to be dropped. What stood in a queue at either moment counts as the longer
    /// queue.
    #[must_use]
    pub fn standing_for(self, dropped: Self) -> Self {
        Self {
            lately: self.lately.merged(dropped.lately),
            in_attempt: self.in_attempt.max(dropped.in_attempt),
            pool_in_use: self.pool_in_use.max(dropped.pool_in_use),
            ..self
        }
    }
}

/// Drops every second point, never the last. Each that stays stands for the one dropped before it.
pub fn thin(samples: &mut Vec<Sample>) {
    let mut thinned = Vec::with_capacity(samples.len().div_ceil(2));
    let odd = samples.len() % 2;
    thinned.extend_from_slice(&samples[..odd]);
    thinned.extend(
        samples[odd..]
            .chunks_exact(2)
            .map(|pair| pair[1].standing_for(pair[0])),
    );
    *samples = thinned;
}

/// As many of the points, at most, for a table: the last is always among them.
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
            lately: Lately {
                timed,
                p50_us: us,
                p99_us: us * 2,
                lock_wait_us: us,
                ..Lately::default()
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
        let timed = |samples: &[Sample]| samples.iter().map(|one| one.lately.timed).sum::<u64>();
        assert_eq!(timed(&samples), timed(&before));
        let first = samples[0];
        assert_eq!((first.elapsed_ms, first.succeeded), (100, 11));
        assert_eq!((first.lately.p50_us, first.lately.p99_us), (900, 1_800));
        assert_eq!(first.lately.lock_wait_us, (10 * 100 + 30 * 900) / 40);
        assert_eq!(first.in_attempt, 900);
        // An empty span changes no mean.
        assert_eq!(samples[1].lately.lock_wait_us, 100);
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
    fn kinds_are_counted_apart_and_together() {
        let mut refusals = Refusals::default();
        for (times, reason) in (1..).zip(Refusal::ALL) {
            *refusals.of_mut(reason) += times;
        }
        assert_eq!(refusals.of(Refusal::SoldOut), 1);
        assert_eq!(refusals.of(Refusal::OtherRule), 6);
        assert_eq!(refusals.total(), 21);
        refusals.add(refusals);
        assert_eq!(refusals.total(), 42);
    }
}
