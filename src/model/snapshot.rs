//! What a run looks like while it goes on.

use serde::{Deserialize, Serialize};

use super::{LatencyMs, RunEvent, RunState, Sample, SimulationPlan, StrategyKey, Verdict};

/// An end is expected once one in so many attempts has been served.
const SERVED_MIN_OF: u64 = 50;

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

    /// The lane without its points, but for the latest.
    #[must_use]
    pub fn without_points(self) -> Self {
        Self {
            samples: self.samples.last().copied().into_iter().collect(),
            ..self
        }
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
    /// What happened on the way, in order.
    #[serde(default)]
    pub events: Vec<RunEvent>,
    /// For how long nobody was let in.
    #[serde(default)]
    pub paused_ms: u64,
    /// Whether every lane passed that was judged; known once the run is over.
    pub passed: Option<bool>,
    /// Why the run could not finish.
    pub failure: Option<String>,
}

impl RunSnapshot {
    /// Attempts that have ended, over all lanes.
    pub fn served(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.last().served()).sum()
    }

    /// From the first buyer to now: lanes that run one after the other add up.
    pub fn elapsed_ms(&self) -> u64 {
        let lanes = self.lanes.iter().map(|lane| lane.last().elapsed_ms);
        if self.plan.lanes_together {
            lanes.max().unwrap_or_default()
        } else {
            lanes.sum()
        }
    }

    /// How much longer it will take if buyers are served as fast as so far; none while too few have been served to say, or nobody is let in.
    pub fn left_ms(&self) -> Option<u64> {
        let (served, attempts) = (self.served(), self.plan.attempts_in_all());
        if self.state != RunState::Running || served.saturating_mul(SERVED_MIN_OF) < attempts {
            return None;
        }
        let busy_ms = self.elapsed_ms().saturating_sub(self.paused_ms);
        busy_ms
            .saturating_mul(attempts.saturating_sub(served))
            .checked_div(served)
    }

    /// How the run stands: each lane with its latest point alone. Charts get the others by a way of their own.
    #[must_use]
    pub fn without_points(self) -> Self {
        let lanes = self.lanes.into_iter();
        Self {
            lanes: lanes.map(LaneSnapshot::without_points).collect(),
            ..self
        }
    }
}

/// The verdicts of a run, in the order of its lanes. This is what is stored, and what `doorbuster simulate --json` prints of several
/// lanes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// Of a run that failed or was ended early, perhaps not all.
    pub lanes: Vec<Option<Verdict>>,
    pub passed: bool,
}

impl RunVerdict {
    /// What the lanes came to. A lane without a verdict has not passed, unless the run was ended before its turn came.
    pub fn of(run: &RunSnapshot) -> Self {
        let lanes: Vec<_> = run.lanes.iter().map(|lane| lane.verdict.clone()).collect();
        let ended_early = matches!(run.state, RunState::Stopped | RunState::Aborted);
        let passed = lanes
            .iter()
            .all(|verdict| verdict.as_ref().map_or(ended_early, Verdict::passed));
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
