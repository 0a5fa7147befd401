//! The history of the figures, in two rings of fixed size: an hour in steps of ten seconds, and a
//! day in steps of five minutes, each the highest value of its time.

use std::collections::VecDeque;

use super::figures::{Sample, highest};

/// Samples of ten seconds in an hour.
const HOUR_SAMPLES: usize = 360;
/// Samples of ten seconds in one of the day's.
const MERGED: usize = 30;
/// Samples of five minutes in a day.
const DAY_SAMPLES: usize = 288;

/// The time that a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
}

impl Period {
    /// Returns the period that a query names; without one, the hour.
    pub fn named(name: &str) -> Self {
        match name {
            "day" => Self::Day,
            _ => Self::Hour,
        }
    }

    /// The most samples in it.
    pub const fn samples_max(self) -> usize {
        match self {
            Self::Hour => HOUR_SAMPLES,
            Self::Day => DAY_SAMPLES,
        }
    }

    /// The seconds between two samples.
    pub const fn step_s(self) -> u64 {
        match self {
            Self::Hour => super::INTERVAL.as_secs(),
            Self::Day => super::INTERVAL.as_secs() * MERGED as u64,
        }
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct History {
    hour: VecDeque<Sample>,
    day: VecDeque<Sample>,
    /// The samples since the last one of the day, merged.
    merged: Option<Sample>,
    merged_count: usize,
}

impl History {
    /// Adds a sample of ten seconds.
    pub fn push(&mut self, sample: Sample) {
        push_bounded(&mut self.hour, sample, HOUR_SAMPLES);
        self.merged = Some(match &self.merged {
            Some(merged) => highest(merged, &sample),
            None => sample,
        });
        self.merged_count += 1;
        if self.merged_count == MERGED {
            self.merged_count = 0;
            if let Some(merged) = self.merged.take() {
                push_bounded(&mut self.day, merged, DAY_SAMPLES);
            }
        }
    }

    /// Returns the samples of a period, the oldest first. The last one of a day may be of less than
    /// five minutes.
    pub fn of(&self, period: Period) -> Vec<Sample> {
        let (samples, unfinished) = match period {
            Period::Hour => (&self.hour, None),
            Period::Day => (&self.day, self.merged),
        };
        let too_many =
            (samples.len() + unfinished.iter().len()).saturating_sub(period.samples_max());
        let all = samples.iter().copied().chain(unfinished);
        all.skip(too_many).collect()
    }
}

fn push_bounded(ring: &mut VecDeque<Sample>, sample: Sample, samples_max: usize) {
    if ring.len() == samples_max {
        ring.pop_front();
    }
    ring.push_back(sample);
}

#[cfg(test)]
mod tests {
    use super::*;
    fn sample(value: f64) -> Sample {
        std::array::from_fn(|_| Some(value))
    }

    fn of_all(samples: &[Sample]) -> Vec<Option<f64>> {
        samples.iter().map(|sample| sample[0]).collect()
    }

    #[test]
    fn a_sample_of_the_day_is_the_highest_of_five_minutes() {
        let mut history = History::default();
        for number in 0..31_u32 {
            history.push(sample(f64::from(number % 7)));
        }
        assert_eq!(of_all(&history.of(Period::Day)), [Some(6.0), Some(2.0)]);
        assert_eq!(history.of(Period::Hour).len(), 31);
    }

    #[test]
    fn the_rings_have_a_fixed_size() {
        let mut history = History::default();
        for number in 0..10_000_u32 {
            history.push(sample(f64::from(number)));
        }
        let hour = of_all(&history.of(Period::Hour));
        assert_eq!((hour.len(), hour[0]), (360, Some(9_640.0)));
        let day = of_all(&history.of(Period::Day));
        assert_eq!(
            (day.len(), day[286], day[287]),
            (288, Some(9_989.0), Some(9_999.0))
        );
    }

    #[test]
    fn both_periods_are_as_long_as_their_names() {
        for (period, seconds) in [(Period::Hour, 3_600), (Period::Day, 86_400)] {
            let samples = u64::try_from(period.samples_max()).unwrap_or_default();
            assert_eq!(samples * period.step_s(), seconds, "{period:?}");
        }
    }
}
