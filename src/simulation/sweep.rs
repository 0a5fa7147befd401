//! A sweep: every combination of strategy, buyers and stock, repeated and interleaved. Each cell is
//! one simulation run by the [`Engine`].
//!
//! A machine's speed drifts during a sweep. So each repeat runs the cells in a new random order:
//! drift then affects all cells alike, and shows as spread instead of favouring one strategy.

pub mod crossover;
pub mod csv;
pub mod figures;
pub mod machine;
pub mod matrix;
pub mod report;

use serde::Serialize;

use super::{Engine, SimulationError};
use crate::{
    model::{RunEventKind, RunState, Verdict},
    shop::administrator::Administrator,
};
use crossover::Crossover;
use figures::CellFigures;
use machine::Machine;
use matrix::{Cell, SweepPlan};

/// Why a sweep failed.
#[derive(Debug, thiserror::Error)]
#[error("{cell}: {cause}")]
pub struct SweepError {
    cell: Cell,
    #[source]
    cause: SweepErrorCause,
}

#[derive(Debug, thiserror::Error)]
enum SweepErrorCause {
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    #[error("the run ended without a verdict")]
    NoVerdict,
    #[error("one of the servers of the run ended before the run")]
    ServerEnded,
}

/// One run of one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepRun {
    /// From 1.
    pub repeat: u32,
    /// The position among all runs, from 1.
    pub position: usize,
    pub held: bool,
    pub verdict: Verdict,
}

/// All measurements of a sweep and the results derived from them: the contents of `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    pub machine: Machine,
    pub plan: SweepPlan,
    /// Whether the sweep ended before all of its runs.
    pub interrupted: bool,
    /// The complete runs in the order in which they ran.
    pub runs: Vec<SweepRun>,
    /// The cells with a complete run, in the order of the matrix.
    pub cells: Vec<CellFigures>,
    pub crossovers: Vec<Crossover>,
}

impl Sweep {
    /// Summarises the runs.
    pub fn of(machine: Machine, plan: SweepPlan, runs: Vec<SweepRun>) -> Self {
        let mut cells = figures::of_cells(&plan, &runs);
        // An interrupted sweep has cells without a run.
        cells.retain(|cell| cell.attempts > 0);
        let crossovers = crossover::find(&plan, &cells);
        Self {
            machine,
            interrupted: runs.len() < plan.runs(),
            plan,
            runs,
            cells,
            crossovers,
        }
    }

    /// Whether every invariant of every safe cell held.
    pub fn safe_cells_held(&self) -> bool {
        self.broken_cells().next().is_none()
    }

    /// Safe cells in which an invariant was violated.
    pub fn broken_cells(&self) -> impl Iterator<Item = &CellFigures> {
        self.cells.iter().filter(|cell| cell.safe && !cell.held)
    }
}

/// Runs the whole matrix. Before each run it calls `progress` with the number of finished runs and
/// the next cell. Returns the runs that were complete before one was interrupted, by a signal or by
/// a command of an administrator.
///
/// # Errors
/// The first cell whose run failed or has no verdict.
pub async fn run(
    administrator: &Administrator,
    engine: &Engine,
    plan: &SweepPlan,
    progress: impl Fn(usize, &Cell),
) -> Result<Vec<SweepRun>, SweepError> {
    let order = plan.order();
    if let Some((_, first)) = order.first() {
        // A warm-up run that is not counted: the first run finds cold caches, which would be unfair
        // to its cell.
        progress(0, first);
        let warm_up = run_cell(administrator, engine, plan, first, 0).await?;
        if warm_up.is_none() {
            return Ok(Vec::new());
        }
    }
    let mut runs = Vec::with_capacity(order.len());
    for (repeat, cell) in order {
        progress(runs.len(), &cell);
        let Some(verdict) = run_cell(administrator, engine, plan, &cell, repeat).await? else {
            break;
        };
        runs.push(SweepRun {
            repeat,
            position: runs.len() + 1,
            held: verdict.invariants_held(),
            verdict,
        });
    }
    Ok(runs)
}

/// Returns the verdict on one run, or `None` if the run was interrupted.
async fn run_cell(
    administrator: &Administrator,
    engine: &Engine,
    plan: &SweepPlan,
    cell: &Cell,
    repeat: u32,
) -> Result<Option<Verdict>, SweepError> {
    let failed = |cause| SweepError { cell: *cell, cause };
    let started = engine
        .start(administrator, plan.simulation(cell, repeat))
        .await;
    let started = match started {
        Err(SimulationError::Interrupted) => return Ok(None),
        started => started.map_err(|error| failed(error.into()))?,
    };
    let end = engine.finish(started, &[], |_| {}).await;
    let end = end.map_err(|error| failed(error.into()))?;
    // A part of the load is no measurement of the cell.
    if matches!(end.state, RunState::Aborted | RunState::Stopped) {
        return Ok(None);
    }
    // Neither is a run in which the attempts of some buyers failed for this reason.
    let mut events = end.events.iter();
    if events.any(|event| event.kind == RunEventKind::ServerEnded) {
        return Err(failed(SweepErrorCause::ServerEnded));
    }
    let verdict = end.lanes.into_iter().next().and_then(|lane| lane.verdict);
    let verdict = verdict.ok_or_else(|| failed(SweepErrorCause::NoVerdict))?;
    Ok(Some(verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StrategyKey;

    fn machine() -> Machine {
        Machine {
            cores: 2,
            system: String::new(),
            database: String::new(),
            fsync: "on".to_owned(),
            pool_size: 16,
            began_at: String::new(),
            version: String::new(),
        }
    }

    /// A sweep that ended after `runs` runs, and in which every cell of `broken` violated an
    /// invariant.
    fn sweep(runs: usize, broken: StrategyKey) -> Sweep {
        let plan = SweepPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Unguarded],
            ..matrix::tests::plan()
        };
        let order = plan.order().into_iter().zip(1..).take(runs);
        let run = |((repeat, cell), position): ((u32, Cell), usize)| SweepRun {
            repeat,
            position,
            held: cell.strategy != broken,
            verdict: Verdict {
                strategy: cell.strategy,
                buyers: cell.buyers,
                stock: cell.stock.into(),
                ..Verdict::example()
            },
        };
        let runs = order.map(run).collect();
        Sweep::of(machine(), plan, runs)
    }

    #[test]
    fn only_a_safe_cell_can_fail_a_sweep() {
        assert!(sweep(usize::MAX, StrategyKey::Unguarded).safe_cells_held());
        let broken = sweep(usize::MAX, StrategyKey::RowLock);
        assert!(!broken.safe_cells_held());
        assert_eq!(broken.broken_cells().count(), 3);
        assert!(!broken.interrupted);
    }

    #[test]
    fn an_interrupted_sweep_has_only_the_cells_that_it_measured() {
        let interrupted = sweep(2, StrategyKey::Unguarded);
        assert!(interrupted.interrupted);
        assert_eq!((interrupted.runs.len(), interrupted.cells.len()), (2, 2));
        assert!(interrupted.cells.iter().all(|cell| cell.attempts == 33));
    }
}
