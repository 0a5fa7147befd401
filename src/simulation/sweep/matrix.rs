//! What a sweep is to run, and in which order.

use std::fmt;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;
use serde::Serialize;

use crate::model::{Quantity, ShopError, SimulationPlan, StrategyKey, plan::Quantities};

/// The most repeats of one sweep.
pub const REPEAT_MAX: u32 = 100;
/// The most runs of one sweep.
pub const RUNS_MAX: usize = 10_000;

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub strategy: StrategyKey,
    pub buyers: u32,
    pub stock: u32,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            strategy,
            buyers,
            stock,
        } = self;
        write!(f, "{strategy}, {buyers} buyers, {stock} in stock")
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SweepPlan {
    pub strategies: Vec<StrategyKey>,
    /// Concurrent buyers; ascending.
    pub buyers: Vec<u32>,
    /// Units at the start; ascending.
    pub stocks: Vec<u32>,
    /// Runs of each cell.
    pub repeat: u32,
    /// Units that each attempt asks for.
    pub quantity: Quantity,
    /// Attempts of each buyer, one after the other.
    pub rounds: u32,
    /// Fixes the order of the runs, and of the arrivals in each.
    pub seed: u64,
    /// Pause between read and write, in milliseconds.
    pub race_window_ms: u32,
}

impl SweepPlan {
    /// Sorts the axes, drops what is named twice, and checks every limit.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`]: an empty axis, too many repeats or runs, or a cell that is no valid plan.
    pub fn validate(mut self) -> Result<Self, ShopError> {
        self.buyers.sort_unstable();
        self.buyers.dedup();
        self.stocks.sort_unstable();
        self.stocks.dedup();
        let mut named = Vec::new();
        self.strategies.retain(|strategy| {
            let is_new = !named.contains(strategy);
            named.push(*strategy);
            is_new
        });
        let cells = self.cells();
        if cells.is_empty() {
            return Err(ShopError::field_invalid(
                "strategies",
                "Name at least one of each: strategy, buyers, stock.",
            ));
        }
        if !(1..=REPEAT_MAX).contains(&self.repeat) {
            return Err(ShopError::field_invalid(
                "repeat",
                format!("Repeats must be from 1 to {REPEAT_MAX}."),
            ));
        }
        if cells.len() * self.repeat as usize > RUNS_MAX {
            return Err(ShopError::field_invalid(
                "repeat",
                format!("A sweep must not have more than {RUNS_MAX} runs."),
            ));
        }
        for cell in &cells {
            self.simulation(cell, 1).validate()?;
        }
        Ok(self)
    }

    /// Every combination, in the order of the report.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &stock in &self.stocks {
            for &strategy in &self.strategies {
                cells.extend(self.buyers.iter().map(|&buyers| Cell {
                    strategy,
                    buyers,
                    stock,
                }));
            }
        }
        cells
    }

    /// Every run with its repeat, from 1: all cells, shuffled, then all cells again, shuffled anew.
    pub fn order(&self) -> Vec<(u32, Cell)> {
        let mut shuffle = ChaCha12Rng::seed_from_u64(self.seed);
        let mut order = Vec::new();
        for repeat in 1..=self.repeat {
            let mut cells = self.cells();
            cells.shuffle(&mut shuffle);
            order.extend(cells.into_iter().map(|cell| (repeat, cell)));
        }
        order
    }

    /// One run of `cell`, as the engine wants it. Each repeat has arrivals of its own.
    pub fn simulation(&self, cell: &Cell, repeat: u32) -> SimulationPlan {
        SimulationPlan {
            strategies: vec![cell.strategy],
            buyers: cell.buyers,
            stock: cell.stock,
            quantities: Quantities::Fixed(self.quantity),
            rounds: self.rounds,
            seed: self.seed.wrapping_add(repeat.into()),
            race_window_ms: self.race_window_ms,
            ..SimulationPlan::preset()
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Two strategies with 1 to 64 buyers.
    pub fn plan() -> SweepPlan {
        SweepPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
            buyers: vec![1, 8, 64],
            stocks: vec![100],
            repeat: 3,
            quantity: Quantity::ONE,
            rounds: 1,
            seed: 42,
            race_window_ms: 0,
        }
    }

    #[test]
    fn each_repeat_runs_every_cell_once_in_an_order_of_its_own() {
        let plan = plan();
        let order = plan.order();
        assert_eq!(order, plan.order(), "the seed fixes it");
        let repeats: Vec<Vec<Cell>> = (1..=3)
            .map(|repeat| {
                let of_repeat = order.iter().filter(|(number, _)| *number == repeat);
                of_repeat.map(|(_, cell)| *cell).collect()
            })
            .collect();
        for cells in &repeats {
            assert_eq!(cells.len(), 6);
            assert!(plan.cells().iter().all(|cell| cells.contains(cell)));
        }
        assert_ne!(repeats[0], repeats[1]);
    }

    #[test]
    fn axes_are_sorted_and_hold_nothing_twice() -> Result<(), ShopError> {
        let plan = SweepPlan {
            buyers: vec![64, 1, 64],
            strategies: vec![
                StrategyKey::ConditionalUpdate,
                StrategyKey::RowLock,
                StrategyKey::ConditionalUpdate,
            ],
            ..plan()
        }
        .validate()?;
        assert_eq!(plan.buyers, [1, 64]);
        assert_eq!(
            plan.strategies,
            [StrategyKey::ConditionalUpdate, StrategyKey::RowLock]
        );
        Ok(())
    }

    #[test]
    fn a_sweep_out_of_range_is_refused() {
        for wrong in [
            SweepPlan {
                buyers: Vec::new(),
                ..plan()
            },
            SweepPlan {
                buyers: vec![0],
                ..plan()
            },
            SweepPlan {
                repeat: 0,
                ..plan()
            },
            SweepPlan {
                repeat: REPEAT_MAX + 1,
                ..plan()
            },
            SweepPlan {
                buyers: (1..=5_000).collect(),
                ..plan()
            },
        ] {
            assert!(matches!(wrong.validate(), Err(ShopError::FieldsInvalid(_))));
        }
    }
}
