//! A sample with every figure, also those that are zero: a reader of a file must find the same
//! columns in each. What the program itself stores and streams leaves zeros out.

use serde::{Serialize, Serializer};

use crate::model::{Sample, sample::RecentTimings};

/// A sample as files contain it. The names are those of [`Sample`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    elapsed_ms: u64,
    remaining: i64,
    succeeded: u64,
    rejected: u64,
    failed: u64,
    /// `null` in a run from before units were counted.
    units: Option<u64>,
    refusals: Counts,
    failures: Counts,
    retries: u64,
    lately: Timings,
    in_attempt: u32,
    pool_in_use: u32,
    pool_size: u32,
}

/// Counts by kind, with the names of their fields.
struct Counts(Vec<(&'static str, u64)>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Timings {
    timed: u64,
    p50_us: u64,
    p95_us: u64,
    p99_us: u64,
    pool_wait_us: u64,
    queue_wait_us: u64,
    redis_us: u64,
    lock_wait_us: u64,
    execute_us: u64,
    pause_us: u64,
    commit_us: u64,
    payment_us: u64,
    backoff_us: u64,
    other_us: u64,
}

impl From<&Sample> for Point {
    fn from(sample: &Sample) -> Self {
        // Without `..`, so that a new figure cannot be forgotten.
        let Sample {
            elapsed_ms,
            remaining,
            succeeded,
            rejected,
            failed,
            units,
            refusals,
            failures,
            retries,
            recent,
            in_attempt,
            pool_in_use,
            pool_size,
        } = *sample;
        Self {
            elapsed_ms,
            remaining,
            succeeded,
            rejected,
            failed,
            units,
            refusals: Counts(refusals.named()),
            failures: Counts(failures.named()),
            retries,
            lately: recent.into(),
            in_attempt,
            pool_in_use,
            pool_size,
        }
    }
}

impl From<RecentTimings> for Timings {
    fn from(recent: RecentTimings) -> Self {
        let RecentTimings {
            timed,
            p50_us,
            p95_us,
            p99_us,
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
        } = recent;
        Self {
            timed,
            p50_us,
            p95_us,
            p99_us,
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

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.0.iter();
        serializer.collect_map(counts.map(|(name, count)| (camel_case(name), count)))
    }
}

/// `sold_out` as `soldOut`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |all, word| {
        let mut letters = word.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        all + &capital.into_iter().chain(letters).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::export::fields;

    #[test]
    fn a_point_without_figures_has_the_same_columns_as_a_full_one() {
        let mut sample = Sample::default();
        let names = |sample: &Sample| -> Vec<String> {
            let fields = fields(&Point::from(sample)).into_iter();
            fields.map(|(name, _)| name).collect()
        };
        let empty = names(&sample);
        sample.units = Some(3);
        sample.retries = 1;
        sample.refusals.sold_out = 2;
        sample.recent.backoff_us = 7;
        assert_eq!(names(&sample), empty);
        for name in [
            "units",
            "refusals_sold_out",
            "lately_backoff_us",
            "pool_size",
        ] {
            assert!(empty.iter().any(|column| column == name), "{empty:?}");
        }
    }

    #[test]
    fn a_point_is_read_back_as_its_sample() {
        let mut sample = Sample {
            elapsed_ms: 25,
            units: Some(4),
            ..Sample::default()
        };
        sample.failures.other_fault = 1;
        sample.recent.queue_wait_us = 9;
        let json = serde_json::to_value(Point::from(&sample)).ok();
        let read: Option<Sample> = json.and_then(|json| serde_json::from_value(json).ok());
        assert_eq!(read, Some(sample));
    }
}
