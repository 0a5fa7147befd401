//! A sweep: every strategy × buyers × stock, repeated and interleaved, each cell one simulation through the [`Engine`].
//!
//! A machine's speed drifts while a sweep goes on. So the cells are shuffled anew in each repeat: drift then falls on all of them alike,
//! and shows as spread instead of as a winner.

pub mod crossover;
pub mod csv;
pub mod figures;
pub mod machine;
pub mod matrix;
pub mod report;

use serde::Serialize;

use super::{Engine, SimulationError};
use crate::model::Verdict;
use crossover::Crossover;
use figures::CellFigures;
use machine::Machine;
use matrix::{Cell, SweepPlan};

/// Why a sweep came to no end.
#[derive(Debug, thiserror::Error)]
#[error("{cell}: {why}")]
pub struct SweepError {
    cell: Cell,
    #[source]
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    #[error("the run ended without a verdict")]
    NoVerdict,
}

/// One run of one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepRun {
    /// From 1.
    pub repeat: u32,
    /// The place among all runs, from 1.
    pub position: usize,
    pub held: bool,
    pub verdict: Verdict,
}

/// All that was measured, and what follows from it: what `sweep.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    pub machine: Machine,
    pub plan: SweepPlan,
    /// In the order in which they ran.
    pub runs: Vec<SweepRun>,
    /// In the order of the matrix.
    pub cells: Vec<CellFigures>,
    pub crossovers: Vec<Crossover>,
}

impl Sweep {
    /// Sums up what was run.
    pub fn of(machine: Machine, plan: SweepPlan, runs: Vec<SweepRun>) -> Self {
        let cells = figures::of_cells(&plan, &runs);
        let crossovers = crossover::find(&plan, &cells);
        Self {
            machine,
            plan,
            runs,
            cells,
            crossovers,
        }
    }

    /// True when every invariant of every safe cell held.
    pub fn safe_cells_held(&self) -> bool {
        self.broken().next().is_none()
    }

    /// Safe cells of which an invariant broke.
    pub fn broken(&self) -> impl Iterator<Item = &CellFigures> {
        self.cells.iter().filter(|cell| cell.safe && !cell.held)
    }
}

/// Runs the whole matrix. `progress` hears before each run how many have ended, and which comes.
///
/// # Errors
/// The cell whose run came to no verdict, and why.
pub async fn run(
    engine: &Engine,
    plan: &SweepPlan,
    progress: impl Fn(usize, &Cell),
) -> Result<Vec<SweepRun>, SweepError> {
    let order = plan.order();
    if let Some((_, first)) = order.first() {
        // Not counted: the first run finds cold caches, and whichever cell it were would pay for all.
        progress(0, first);
        run_cell(engine, plan, first, 0).await?;
    }
    let mut runs = Vec::with_capacity(order.len());
    for (repeat, cell) in order {
        progress(runs.len(), &cell);
        let verdict = run_cell(engine, plan, &cell, repeat).await?;
        runs.push(SweepRun {
            repeat,
            position: runs.len() + 1,
            held: verdict.invariants_held(),
            verdict,
        });
    }
    Ok(runs)
}

async fn run_cell(
    engine: &Engine,
    plan: &SweepPlan,
    cell: &Cell,
    repeat: u32,
) -> Result<Verdict, SweepError> {
    let failed = |why| SweepError { cell: *cell, why };
    let started = engine.start(plan.simulation(cell, repeat)).await;
    let started = started.map_err(|error| failed(error.into()))?;
    let end = engine.finish(started, &[], |_| {}).await;
    let end = end.map_err(|error| failed(error.into()))?;
    let lane = end.lanes.into_iter().next();
    lane.and_then(|lane| lane.verdict)
        .ok_or_else(|| failed(Why::NoVerdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StrategyKey;

    fn sweep(broken: StrategyKey) -> Sweep {
        let machine = Machine {
            cores: 2,
            system: String::new(),
            postgresql: String::new(),
            fsync: "on".to_owned(),
            pool_size: 16,
            began_at: String::new(),
            version: String::new(),
        };
        let plan = SweepPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Unguarded],
            ..matrix::tests::plan()
        };
        let mut sweep = Sweep::of(machine, plan, Vec::new());
        for cell in &mut sweep.cells {
            cell.held = cell.strategy != broken;
        }
        sweep
    }

    #[test]
    fn only_a_safe_cell_can_break_a_sweep() {
        assert!(sweep(StrategyKey::Unguarded).safe_cells_held());
        let broken = sweep(StrategyKey::RowLock);
        assert!(!broken.safe_cells_held());
        assert_eq!(broken.broken().count(), 3);
    }
}
