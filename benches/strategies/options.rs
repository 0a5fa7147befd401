//! What can be chosen.

use std::path::PathBuf;

use clap::Parser;
use doorbuster::model::StrategyKey;

/// Measures the strategies, on a PostgreSQL of its own or on DATABASE_URL's server.
#[derive(Clone, Debug, Parser)]
#[command(name = "./makew bench", bin_name = "./makew bench")]
pub struct Options {
    /// Rounds; each runs every cell once.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,

    /// Fixes the order of the cells. Unset: a fresh one, which is printed.
    #[arg(long)]
    pub seed: Option<u64>,

    /// Strategies, comma-separated; row-lock, which all are compared with, always takes part. Unset: all safe ones.
    #[arg(long, value_delimiter = ',', value_name = "KEY")]
    pub only: Vec<StrategyKey>,

    /// Added round-trip times to the database in milliseconds, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "0,1", value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub rtt: Vec<u32>,

    /// Seconds that a cell is measured for, after a short warm-up.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,

    /// Puts the tables between the marks of this Markdown file.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Writes benches/pgbench/ anew from what the shop sends, and measures nothing.
    #[arg(long)]
    pub record: bool,

    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// The safe strategies to measure. What sells wrongly has no speed.
    pub fn strategies(&self) -> Vec<StrategyKey> {
        StrategyKey::ALL
            .into_iter()
            .filter(|strategy| strategy.is_safe() && self.takes_part(*strategy))
            .collect()
    }

    fn takes_part(&self, strategy: StrategyKey) -> bool {
        self.only.is_empty() || strategy == StrategyKey::RowLock || self.only.contains(&strategy)
    }

    /// The strategy of that name, if there is one and it takes part.
    pub fn strategy(&self, key: &str) -> Option<StrategyKey> {
        let strategy = key.parse().ok()?;
        self.takes_part(strategy).then_some(strategy)
    }
}
