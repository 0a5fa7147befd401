//! The aggregated figures of a cell's runs.

use serde::Serialize;

use super::{SweepRun, matrix::SweepPlan};
use crate::{
    model::{StrategyKey, Verdict},
    simulation::spread::Spread,
};

/// A cell whose median run is shorter than this is marked: it measures start and end more than the
/// strategy.
const SHORT_MS: f64 = 100.0;

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
