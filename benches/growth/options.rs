//! The command-line options. Each can also be set by an environment variable.

use std::{fmt, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use crate::folders::target_folder;

/// Measures a fresh database beside an old one, on an embedded PostgreSQL of its own.
#[derive(Clone, Debug, Parser)]
#[command(name = "./makew bench growth", bin_name = "./makew bench growth")]
pub struct Options {
    /// What to measure. Default: everything.
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<Part>,

    /// Orders of the old database. Missing ones are made at the start, and kept.
    #[arg(long, env = "GROWTH_ORDERS", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub orders: u64,

    /// Number of rounds; the parts that take minutes for each round have at most three.
    #[arg(long, env = "GROWTH_ROUNDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,

    /// Seconds for which a rate is measured. Latencies are measured for six times, and the
    /// continuous audit for twelve times as long.
    #[arg(long, env = "GROWTH_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=15))]
    pub seconds: u32,

    /// Orders per second while an audit or the retention runs.
    #[arg(long, env = "GROWTH_RATE", default_value_t = 500, value_parser = clap::value_parser!(u32).range(50..=5_000))]
    pub rate: u32,

    /// Folder of the databases, which are kept. Default: target/growth-postgres.
    #[arg(long, env = "GROWTH_FOLDER", value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Orders per second of three strategies, old ÷ fresh.
    Orders,
    /// Processor time of the continuous audit, old ÷ fresh.
    ContinuousAudit,
    /// Latency of purchases while the full audit runs ÷ without it.
    FullAudit,
    /// Admin and order pages, old ÷ fresh; product and home page beside the empty cart page.
    Pages,
    /// Time to delete a million expired keys, and the latency of purchases meanwhile.
    Retention,
    /// Purchases over HTTP beside the health check.
    HotPath,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Orders => "orders",
            Self::ContinuousAudit => "continuous-audit",
            Self::FullAudit => "full-audit",
            Self::Pages => "pages",
            Self::Retention => "retention",
            Self::HotPath => "hot-path",
        })
    }
}

impl Options {
    /// The most rounds of a part that takes minutes for each one.
    const LONG_ROUNDS_MAX: u32 = 3;

    /// Returns the parts to measure.
    pub fn parts(&self) -> &[Part] {
        if self.parts.is_empty() {
            Part::value_variants()
        } else {
            &self.parts
        }
    }

    /// Returns the folder of the databases.
    pub fn folder(&self) -> PathBuf {
        self.folder
            .clone()
            .unwrap_or_else(|| target_folder("growth-postgres"))
    }

    /// Returns the number of rounds of a part that takes minutes for each one.
    pub fn long_rounds(&self) -> u32 {
        self.rounds.min(Self::LONG_ROUNDS_MAX)
    }

    /// Returns how long a rate is measured.
    pub fn rate_window(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// Returns how long latencies are measured: long enough for a hundred and fifty of them to be
    /// above the 99th percentile, with the default settings.
    pub fn latency_window(&self) -> Duration {
        6 * self.rate_window()
    }

    /// Returns how long the continuous audit is measured: six of its rounds, with the default
    /// settings.
    pub fn audit_window(&self) -> Duration {
        12 * self.rate_window()
    }
}
