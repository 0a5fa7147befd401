//! The aggregated figures of a cell's runs.

use serde::Serialize;

use super::{SweepRun, matrix::SweepPlan};
use crate::model::{StrategyKey, Verdict};

/// A cell whose median run is shorter than this is marked: it measures start and end more than the
/// strategy.
const SHORT_MS: f64 = 100.0;

/// The median and the range of some measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
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
        Self { median, min, max }
    }

    /// Whether the two ranges do not overlap, so that their difference exceeds the spread.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        self.min > other.max || other.min > self.max
    }
}

/// The figures of one cell over all of its repeats. Counts are sums.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellFigures {
    pub strategy: StrategyKey,
    pub safe: bool,
    pub buyers: u32,
    pub stock: u32,
    pub orders_per_second: Spread,
    pub elapsed_ms: Spread,
    pub latency_p50_ms: Spread,
    pub latency_p99_ms: Spread,
    pub attempts: u64,
    pub succeeded: u64,
    pub rejected: u64,
    pub failed: u64,
    pub retries: u64,
    /// Attempts that fell back to the row lock.
    pub fallbacks: u64,
    pub oversold: i64,
    pub undersold: i64,
    /// Whether every invariant held in every run.
    pub held: bool,
}

impl CellFigures {
    /// Whether the runs were too short for a reliable figure.
    pub fn is_short(&self) -> bool {
        self.elapsed_ms.median < SHORT_MS
    }
}

/// Computes the figures of every cell, in the order of the matrix.
pub fn of_cells(plan: &SweepPlan, runs: &[SweepRun]) -> Vec<CellFigures> {
    let of_cell = |cell: super::Cell| {
        let runs: Vec<&SweepRun> = runs
            .iter()
            .filter(|run| {
                let verdict = &run.verdict;
                verdict.strategy == cell.strategy
                    && verdict.buyers == cell.buyers
                    && verdict.stock == i64::from(cell.stock)
            })
            .collect();
        let spread =
            |figure: fn(&Verdict) -> f64| Spread::of(runs.iter().map(|run| figure(&run.verdict)));
        let count = |figure: fn(&Verdict) -> u64| runs.iter().map(|run| figure(&run.verdict)).sum();
        let units = |figure: fn(&Verdict) -> i64| runs.iter().map(|run| figure(&run.verdict)).sum();
        CellFigures {
            strategy: cell.strategy,
            safe: cell.strategy.is_safe(),
            buyers: cell.buyers,
            stock: cell.stock,
            orders_per_second: spread(|verdict| verdict.orders_per_second),
            elapsed_ms: spread(|verdict| elapsed_ms(verdict.elapsed_ms)),
            latency_p50_ms: spread(|verdict| verdict.latency_ms.p50),
            latency_p99_ms: spread(|verdict| verdict.latency_ms.p99),
            attempts: count(|verdict| verdict.attempts),
            succeeded: count(|verdict| verdict.succeeded),
            rejected: count(|verdict| verdict.rejected),
            failed: count(|verdict| verdict.failed),
            retries: count(|verdict| verdict.retries),
            fallbacks: count(|verdict| verdict.fallbacks),
            oversold: units(|verdict| verdict.oversold),
            undersold: units(|verdict| verdict.undersold),
            held: runs.iter().all(|run| run.held),
        }
    };
    plan.cells().into_iter().map(of_cell).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a run is over within hours")]
fn elapsed_ms(ms: u64) -> f64 {
    ms as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_depend_on_the_order() {
        let of = |values: &[f64]| Spread::of(values.iter().copied()).median;
        assert!((of(&[9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
        assert!((of(&[4.0, 1.0, 9.0, 2.0]) - 3.0).abs() < f64::EPSILON);
        assert!((of(&[7.0]) - 7.0).abs() < f64::EPSILON);
        assert!(of(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn ranges_that_touch_overlap() {
        let range = |min, max| Spread {
            median: min,
            min,
            max,
        };
        assert!(range(1.0, 2.0).is_apart_from(&range(2.1, 3.0)));
        assert!(range(2.1, 3.0).is_apart_from(&range(1.0, 2.0)));
        assert!(!range(1.0, 2.0).is_apart_from(&range(2.0, 3.0)));
        assert!(!range(1.0, 9.0).is_apart_from(&range(2.0, 3.0)));
    }
}
