//! What a run looks like while it goes on.

use serde::{Deserialize, Serialize};

use super::{LatencyMs, SimulationPlan, StrategyKey, Verdict};

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

    /// True when nothing more will happen.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// One point of a chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Since the lane's first buyer started.
    pub elapsed_ms: u64,
    /// Units left, from the database.
    pub remaining: i64,
    /// Attempts that bought.
    pub succeeded: u64,
    /// Attempts that the shop refused.
    pub rejected: u64,
    /// Attempts that ended in an error.
    pub failed: u64,
    /// Units that those who bought asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
}

impl Sample {
    /// Attempts that have ended.
    pub const fn served(&self) -> u64 {
        self.succeeded + self.rejected + self.failed
    }

    /// Units that were sold by then, as far as buyers know. A point that was stored without them was of one quantity: `each`.
    pub fn units_sold(&self, each: u32) -> u64 {
        self.units
            .unwrap_or_else(|| self.succeeded.saturating_mul(each.into()))
    }

    /// Attempts that came to nothing.
    pub const fn turned_away(&self) -> u64 {
        self.rejected + self.failed
    }
}

/// One lane of a run: one strategy, one product, one crowd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneSnapshot {
    pub strategy: StrategyKey,
    /// The name of the product that is sold.
    pub product_name: String,
    /// Units at the start.
    pub stock: i64,
    pub samples: Vec<Sample>,
    /// Latency of the attempts so far.
    pub latency_ms: LatencyMs,
    /// Present once the lane has finished.
    pub verdict: Option<Verdict>,
}

impl LaneSnapshot {
    /// The latest point, or that nothing has happened yet.
    pub fn last(&self) -> Sample {
        self.samples.last().copied().unwrap_or(Sample {
            remaining: self.stock,
            ..Sample::default()
        })
    }
}

/// All that a page needs to show a run, from its first moment to now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSnapshot {
    pub id: String,
    pub state: RunState,
    pub plan: SimulationPlan,
    pub started_at: String,
    /// As many as the plan has strategies.
    pub lanes: Vec<LaneSnapshot>,
    /// Whether every lane passed; known once the run has finished.
    pub passed: Option<bool>,
    /// Why the run could not finish.
    pub failure: Option<String>,
}

impl RunSnapshot {
    /// Attempts that have ended, over all lanes.
    pub fn served(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.last().served()).sum()
    }
}

/// The verdicts of a run, in the order of its lanes. This is what is stored, and what `doorbuster simulate --json` prints of several
/// lanes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// Of a run that failed, perhaps not all.
    pub lanes: Vec<Option<Verdict>>,
    pub passed: bool,
}

impl RunVerdict {
    /// What the lanes came to; a lane without a verdict has not passed.
    pub fn of(lanes: &[LaneSnapshot]) -> Self {
        let lanes: Vec<_> = lanes.iter().map(|lane| lane.verdict.clone()).collect();
        let passed = lanes
            .iter()
            .all(|verdict| verdict.as_ref().is_some_and(Verdict::passed));
        Self { lanes, passed }
    }
}

/// What happened since a page was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunNews {
    /// One for each lane.
    pub lanes: Vec<LaneNews>,
}

/// What happened on one lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneNews {
    pub samples: Vec<Sample>,
    pub latency_ms: LatencyMs,
}
