//! The spread of repeated measurements, and whether two of them show a difference.
//!
//! Two runs of one plan differ: the machine and the database decide which buyer is next. So a
//! difference between two plans counts only if their repeats show it: every measurement of one is
//! beyond every measurement of the other, and chance alone would rarely separate them like that.
//! This is the rank-sum test of Mann and Whitney (1947) for its most extreme result. Of all orders
//! in which n and m measurements of one distribution may fall, two separate them, out of n + m over
//! n. With four measurements each that is 1 of 35; with three each it is 1 of 10.

use serde::Serialize;

/// The largest chance at which a difference counts as shown: 1 of 20.
const CHANCE_MAX: f64 = 0.05;
/// The fewest measurements each, if both have as many, that can show a difference.
pub const RUNS_EACH_MIN: u32 = 4;

/// The median and the range of some measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// The number of measurements.
    pub runs: u32,
}

impl Spread {
    /// Computes the spread of measurements in any order; all zero if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (values.first(), values.last()) else {
            return Self::default();
        };
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Self {
            median,
            min,
            max,
            runs: u32::try_from(values.len()).unwrap_or(u32::MAX),
        }
    }

    /// Whether the two ranges do not overlap.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        self.min > other.max || other.min > self.max
    }

    /// Whether the measurements show a difference; see the module's documentation.
    pub fn differs_from(&self, other: &Self) -> bool {
        self.is_apart_from(other) && can_differ(self.runs, other.runs)
    }
}

/// Whether so many measurements can show a difference at all.
pub fn can_differ(runs: u32, others: u32) -> bool {
    runs > 0 && others > 0 && chance_of_separation(runs, others) <= CHANCE_MAX
}

/// The probability that chance separates `n` from `m` measurements of the same distribution:
/// 2 ÷ C(n + m, n).
fn chance_of_separation(n: u32, m: u32) -> f64 {
    let orders: f64 = (1..=n)
        .map(|k| (f64::from(m) + f64::from(k)) / f64::from(k))
        .product();
    2.0 / orders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: f64, max: f64, runs: u32) -> Spread {
        Spread {
            median: min,
            min,
            max,
            runs,
        }
    }

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        let of = |values: &[f64]| Spread::of(values.iter().copied()).median;
        assert!((of(&[9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
        assert!((of(&[4.0, 1.0, 9.0, 2.0]) - 3.0).abs() < f64::EPSILON);
        assert!((of(&[7.0]) - 7.0).abs() < f64::EPSILON);
        assert!(of(&[]).abs() < f64::EPSILON);
        assert_eq!(Spread::of([4.0, 1.0]).runs, 2);
    }

    #[test]
    fn ranges_that_touch_overlap() {
        let range = |min, max| range(min, max, 9);
        assert!(range(1.0, 2.0).differs_from(&range(2.1, 3.0)));
        assert!(range(2.1, 3.0).differs_from(&range(1.0, 2.0)));
        assert!(!range(1.0, 2.0).differs_from(&range(2.0, 3.0)));
        assert!(!range(1.0, 9.0).differs_from(&range(2.0, 3.0)));
    }

    #[test]
    fn too_few_measurements_show_no_difference() {
        for (n, m, chance) in [
            (1, 1, 1.0),
            (2, 2, 1.0 / 3.0),
            (3, 3, 0.1),
            (4, 4, 1.0 / 35.0),
            (3, 5, 1.0 / 28.0),
            (1, 39, 0.05),
        ] {
            let computed = chance_of_separation(n, m);
            assert!((computed - chance).abs() < 1e-12, "{n}, {m}: {computed}");
            assert!((chance_of_separation(m, n) - chance).abs() < 1e-12);
            let (slow, fast) = (range(1.0, 2.0, n), range(100.0, 200.0, m));
            assert_eq!(slow.differs_from(&fast), chance < 0.051, "{n}, {m}");
        }
        assert!(can_differ(RUNS_EACH_MIN, RUNS_EACH_MIN));
        assert!(!can_differ(RUNS_EACH_MIN - 1, RUNS_EACH_MIN - 1));
        assert!(!can_differ(0, 1_000));
    }
}
