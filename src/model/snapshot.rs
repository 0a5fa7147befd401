//! What a run looks like while it goes on, and what the database says when it is over.

use serde::{Deserialize, Serialize};

use super::{SimulationPlan, StrategyKey};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    Finished,
    Failed,
}

impl RunState {
    /// The state, as stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

/// One point of the chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Since the first buyer started.
    pub elapsed_ms: u64,
    /// Units left, from the database.
    pub remaining: i64,
    /// Attempts that bought.
    pub succeeded: u64,
    /// Attempts that the shop refused.
    pub rejected: u64,
    /// Attempts that ended in an error.
    pub failed: u64,
}

/// Quantiles of the time one attempt takes, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyMs {
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// Where the time of an average attempt goes, in milliseconds: waiting for a connection, in the statement that takes the row
/// lock, in the other statements, and in COMMIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeSplitMs {
    pub pool_wait: f64,
    pub lock_wait: f64,
    pub execute: f64,
    pub commit: f64,
}

/// The result of a run. Calls are counted by the buyers; units come from the database. This is also the object that
/// `doorbuster simulate --json` prints, hence the snake case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub strategy: StrategyKey,
    pub safe: bool,
    pub seed: u64,
    pub buyers: u32,
    /// Units at the start.
    pub stock: i64,
    pub quantity: u32,
    pub rounds: u32,
    pub attempts: u64,
    pub succeeded: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Extra tries inside attempts.
    pub retries: u64,
    /// Units on the run's order lines.
    pub sold: i64,
    /// Units that others bought of the same product meanwhile; 0 on a private lane.
    pub sold_to_others: i64,
    /// Units left by the stock row.
    pub remaining: i64,
    /// Units sold beyond the stock at the start.
    pub oversold: i64,
    /// Units left for which a refused buyer's whole quantity would have fitted.
    pub undersold: i64,
    pub elapsed_ms: u64,
    /// Successes a second.
    pub orders_per_second: f64,
    pub latency_ms: LatencyMs,
    pub time_split_ms: TimeSplitMs,
}

impl Verdict {
    /// True when nothing was oversold or undersold, and each success is an order that stock covers.
    pub fn invariants_held(&self) -> bool {
        self.oversold == 0
            && self.undersold == 0
            && u64::try_from(self.sold) == Ok(self.succeeded * u64::from(self.quantity))
            && self.remaining == self.stock - self.sold - self.sold_to_others
    }
}

/// All that a page needs to show a run, from its first moment to now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSnapshot {
    pub id: String,
    pub state: RunState,
    pub plan: SimulationPlan,
    /// The name of the product that is sold.
    pub product_name: String,
    /// Units at the start.
    pub stock: i64,
    pub started_at: String,
    pub samples: Vec<Sample>,
    /// Latency of the attempts so far.
    pub latency_ms: LatencyMs,
    /// Present once the run has finished.
    pub verdict: Option<Verdict>,
    /// Why the run could not finish.
    pub failure: Option<String>,
}

/// What happened since a page was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunNews {
    pub samples: Vec<Sample>,
    pub latency_ms: LatencyMs,
}
