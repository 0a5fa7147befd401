//! The command-line options.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use doorbuster::model::StrategyKey;

/// Measures the strategies, on an embedded PostgreSQL or on DATABASE_URL's server; with --engine,
/// on another engine too.
#[derive(Clone, Debug, Parser)]
#[command(name = "./makew bench", bin_name = "./makew bench")]
pub struct Options {
    /// Compares this engine with PostgreSQL, and Doorbuster on it with the yardstick, a small shop
    /// that needs Node.js; nothing is compared with pgbench.
    #[arg(long, value_enum, conflicts_with_all = ["rtt", "record"])]
    pub engine: Option<OtherEngine>,

    /// Number of rounds; each round runs every cell once.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,

    /// Seed for the order of the cells. Default: a random seed, which is printed.
    #[arg(long)]
    pub seed: Option<u64>,

    /// Strategies, comma-separated; row-lock, the reference, is always included. Default: all safe
    /// ones.
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    pub only: Vec<StrategyKey>,

    /// Added round-trip times to the database in milliseconds, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "0,1", value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub rtt: Vec<u32>,

    /// Seconds for which a cell is measured, after a short warm-up.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,

    /// Writes the tables between the markers of this Markdown file.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Rewrites benches/pgbench/ from the statements that the shop sends, and measures nothing.
    #[arg(long)]
    pub record: bool,

    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// An engine that can be compared with PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OtherEngine {
    #[value(name = "mariadb")]
    MariaDb,
}

impl Options {
    /// The safe strategies to measure, without those that need Redis. The speed of a strategy that
    /// sells wrongly is meaningless.
    pub fn strategies(&self) -> Vec<StrategyKey> {
        self.safe(false)
    }

    /// The same, of those that need Redis.
    pub fn strategies_with_redis(&self) -> Vec<StrategyKey> {
        self.safe(true)
    }

    fn safe(&self, needs_redis: bool) -> Vec<StrategyKey> {
        StrategyKey::ALL
            .into_iter()
            .filter(|strategy| {
                let row = strategy.row();
                row.is_safe && row.needs_redis == needs_redis && self.is_included(*strategy)
            })
            .collect()
    }

    fn is_included(&self, strategy: StrategyKey) -> bool {
        self.only.is_empty() || strategy == StrategyKey::RowLock || self.only.contains(&strategy)
    }

    /// Returns the strategy with that key if it exists and is included.
    pub fn strategy(&self, key: &str) -> Option<StrategyKey> {
        let strategy = key.parse().ok()?;
        self.is_included(strategy).then_some(strategy)
    }
}
