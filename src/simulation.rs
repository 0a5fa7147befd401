//! The workbench's engine: many buyers who call the shop's own purchase code at once, and a verdict from the database.

pub mod buyer;
pub mod crowd;
pub mod door;
pub mod engine;
pub mod lessons;
pub mod live;
pub mod recorder;
pub mod schedule;
pub mod store;
pub mod sweep;
pub mod verdict;

mod sampler;

pub use buyer::{Attempt, AttemptResult, Storefront};
pub use engine::{Engine, SimulationError, Start, StartedRun};
pub use live::{LiveRun, LiveRuns};
