//! The workbench's engine: many simulated buyers call the shop's own purchase code at the same
//! time, and the database decides the verdict.

pub mod arrival_gate;
pub mod buyer;
pub mod certificate;
pub mod comparison;
pub mod crowd;
pub mod engine;
pub mod export;
pub mod lessons;
pub mod live;
pub mod lock_watch;
pub mod own_servers;
pub mod recorder;
pub mod run_buyers;
pub mod run_secret;
pub mod run_task;
pub mod schedule;
pub mod spread;
pub mod stepper;
pub mod store;
pub mod sweep;
pub mod verdict;
pub mod waterfall;

mod csv_writer;
mod document;
mod sampler;

pub use buyer::{Attempt, AttemptResult, Storefront};
pub use engine::{Engine, RunStart, SimulationError, StartedRun};
pub use live::{LiveRun, LiveRuns};
pub use stepper::Steppers;
