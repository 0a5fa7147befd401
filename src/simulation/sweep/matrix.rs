//! The plan of a sweep: its cells and the order of its runs.

use std::fmt;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;
use serde::Serialize;

use crate::model::{Quantity, ShopError, SimulationPlan, StrategyKey, plan::Quantities};

/// Maximum number of repeats of a sweep.
pub const REPEAT_MAX: u32 = 100;
/// Maximum number of runs of a sweep.
pub const RUNS_MAX: usize = 10_000;

/// One combination of strategy, buyers and stock.
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

/// The parameters of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SweepPlan {
    pub strategies: Vec<StrategyKey>,
    /// Concurrent buyers; ascending.
    pub buyers: Vec<u32>,
    /// Initial stock; ascending.
    pub stocks: Vec<u32>,
    /// Runs of each cell.
    pub repeat: u32,
    /// Units per attempt.
    pub quantity: Quantity,
    /// Attempts per buyer, one after the other.
    pub rounds: u32,
    /// Seed for the order of the runs and for the arrivals in each.
    pub seed: u64,
    /// Pause between read and write, in milliseconds.
    pub race_window_ms: u32,
    /// The number of servers that each run starts for its buyers, who then buy over HTTP; 0 if the
    /// buyers buy in this process.
    pub own_servers: u32,
}

impl SweepPlan {
    /// Sorts the axes, removes duplicates, and checks every limit.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`] for an empty axis, too many repeats or runs, or a cell whose
    /// plan is invalid.
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
                "Give at least one strategy, one number of buyers and one stock.",
            ));
        }
        if !(1..=REPEAT_MAX).contains(&self.repeat) {
            return Err(ShopError::field_invalid(
                "repeat",
                format!("Choose 1 to {REPEAT_MAX} repeats."),
            ));
        }
        if self.runs() > RUNS_MAX {
            return Err(ShopError::field_invalid(
                "repeat",
                format!("A sweep can have at most {RUNS_MAX} runs. Reduce an axis or the repeats."),
            ));
        }
        for cell in &cells {
            self.simulation(cell, 1).validate()?;
        }
        Ok(self)
    }

    /// Returns every cell, in the order of the report.
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

    /// Returns the number of runs.
    pub fn runs(&self) -> usize {
        self.cells().len() * self.repeat as usize
    }

    /// Returns every run with its repeat, from 1. Each repeat contains all cells in a new random
    /// order.
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

    /// Returns the maximum concurrent transactions of the buyers or, if the runs start servers, of
    /// each server.
    pub fn pool_size(&self) -> u32 {
        // A run of a sweep has one lane.
        SimulationPlan::fitted_pool_size(1, false, self.own_servers)
    }

    /// Returns the simulation plan of one run of `cell`. Each repeat has different arrivals.
    pub fn simulation(&self, cell: &Cell, repeat: u32) -> SimulationPlan {
        SimulationPlan {
            strategies: vec![cell.strategy],
            buyers: cell.buyers,
            stock: cell.stock,
            quantities: Quantities::Fixed(self.quantity),
            rounds: self.rounds,
            seed: self.seed.wrapping_add(repeat.into()),
            race_window_ms: self.race_window_ms,
            pool_size: self.pool_size(),
            own_servers: self.own_servers,
            ..SimulationPlan::preset()
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::model::plan::OWN_SERVERS_MAX;

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
            own_servers: 0,
        }
    }

    #[test]
    fn each_repeat_runs_every_cell_once_in_a_new_order() {
        let plan = plan();
        let order = plan.order();
        assert_eq!(order, plan.order(), "the seed determines the order");
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
    fn axes_are_sorted_without_duplicates() -> Result<(), ShopError> {
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
    fn the_servers_of_a_run_share_the_connections() {
        for (own_servers, pool_size) in [(0, 16), (1, 16), (4, 16), (8, 8)] {
            let plan = SweepPlan {
                own_servers,
                ..plan()
            };
            let run = plan.simulation(&plan.cells()[0], 1);
            assert_eq!((run.own_servers, run.pool_size), (own_servers, pool_size));
            assert!(run.validate().is_ok(), "{own_servers}");
        }
    }

    #[test]
    fn a_sweep_out_of_range_is_rejected() {
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
                own_servers: OWN_SERVERS_MAX + 1,
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
