//! The state of a run at one moment, and the updates that pages receive.

use serde::{Deserialize, Serialize};

use super::{
    LatencyMs, RunEvent, RunState, Sample, SimulationPlan, StrategyKey, Verdict, plan::Writers,
    utc_time::shorten_rfc3339,
};

/// The remaining time is estimated once one in this many attempts has ended.
const SERVED_MIN_OF: u64 = 50;

/// One lane of a run: one strategy and one product, with its own buyers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneSnapshot {
    pub strategy: StrategyKey,
    /// The nodes of a cluster to which its buyers write, if the plan chooses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers: Option<Writers>,
    /// The name of the product for sale.
    pub product_name: String,
    /// Units at the start.
    pub stock: i64,
    pub samples: Vec<Sample>,
    /// Latency of the attempts so far.
    pub latency_ms: LatencyMs,
    /// `None` until the lane has finished.
    pub verdict: Option<Verdict>,
}

impl LaneSnapshot {
    /// What distinguishes it from the other lanes of the run: `row-lock`, or `row-lock, all nodes
    /// write`.
    pub fn name(&self) -> String {
        lane_name(self.strategy, self.writers)
    }

    /// Whether its lines are thin: a lane of the same strategy on one node has normal ones.
    pub fn is_thin(&self) -> bool {
        is_thin(self.writers)
    }

    /// The latest sample, or an initial one.
    pub fn last(&self) -> Sample {
        self.samples.last().copied().unwrap_or(Sample {
            remaining: self.stock,
            ..Sample::default()
        })
    }

    /// Units that the lane's buyers bought, but that its counter has not lost, as far as the latest
    /// sample shows. They are not oversold yet: the shop goes on selling them until the counter is
    /// at 0. None for a safe strategy, whose counter and answers only arrive at different moments,
    /// and none once there is a verdict.
    pub fn lost_updates(&self, units_per_attempt: u32) -> i64 {
        let last = self.last();
        let sold = i64::try_from(last.units_sold(units_per_attempt)).unwrap_or(i64::MAX);
        lost_updates(
            self.strategy,
            self.verdict.is_some(),
            self.stock,
            (sold, last.remaining),
        )
    }

    /// Returns the lane with its latest sample only.
    #[must_use]
    pub fn without_points(self) -> Self {
        Self {
            samples: self.samples.last().copied().into_iter().collect(),
            ..self
        }
    }
}

/// See [`LaneSnapshot::name`].
pub fn lane_name(strategy: StrategyKey, writers: Option<Writers>) -> String {
    match writers {
        None => strategy.to_string(),
        Some(writers) => format!("{strategy}, {}", writers.in_words()),
    }
}

/// See [`LaneSnapshot::is_thin`].
pub fn is_thin(writers: Option<Writers>) -> bool {
    writers == Some(Writers::All)
}

/// See [`LaneSnapshot::lost_updates`].
pub fn lost_updates(
    strategy: StrategyKey,
    has_verdict: bool,
    stock: i64,
    (sold, remaining): (i64, i64),
) -> i64 {
    if strategy.is_safe() || has_verdict {
        return 0;
    }
    (sold - (stock - remaining)).max(0)
}

/// Everything that a page needs to show a run, from its start to now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSnapshot {
    pub id: String,
    pub state: RunState,
    pub plan: SimulationPlan,
    /// In RFC 3339, by the database's clock.
    pub started_at: String,
    /// The name that its administrator gave to it, or the title of its plan.
    #[serde(default)]
    pub name: String,
    /// What its administrator noted about it.
    #[serde(default)]
    pub note: String,
    /// The lanes of the plan, in their order.
    pub lanes: Vec<LaneSnapshot>,
    /// The run's events, in order.
    #[serde(default)]
    pub events: Vec<RunEvent>,
    /// Total time paused.
    #[serde(default)]
    pub paused_ms: u64,
    /// Whether every lane with a verdict passed; `None` until the run has ended.
    pub passed: Option<bool>,
    /// The error that ended the run.
    pub failure: Option<String>,
}

impl RunSnapshot {
    /// The start time for people: `2026-12-12 12:12 UTC`.
    pub fn started_in_utc(&self) -> String {
        shorten_rfc3339(&self.started_at)
    }

    /// Attempts that have ended, over all lanes.
    pub fn served(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.last().served()).sum()
    }

    /// From the first buyer to now; the sum over all lanes if they run one after the other.
    pub fn elapsed_ms(&self) -> u64 {
        let lanes = self.lanes.iter().map(|lane| lane.last().elapsed_ms);
        if self.plan.lanes_together {
            lanes.max().unwrap_or_default()
        } else {
            lanes.sum()
        }
    }

    /// Estimates the remaining time at the average rate so far; `None` while too few attempts have
    /// ended, or while the run is not running.
    pub fn left_ms(&self) -> Option<u64> {
        let (served, attempts) = (self.served(), self.plan.total_attempts());
        if self.state != RunState::Running || served.saturating_mul(SERVED_MIN_OF) < attempts {
            return None;
        }
        let busy_ms = self.elapsed_ms().saturating_sub(self.paused_ms);
        busy_ms
            .saturating_mul(attempts.saturating_sub(served))
            .checked_div(served)
    }

    /// Returns the run with only the latest sample of each lane. Charts receive the samples
    /// separately.
    #[must_use]
    pub fn without_points(self) -> Self {
        let lanes = self.lanes.into_iter();
        Self {
            lanes: lanes.map(LaneSnapshot::without_points).collect(),
            ..self
        }
    }
}

/// The verdicts of a run, in the order of its lanes. This object is stored, and `doorbuster
/// simulate --json` prints it for several lanes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// Incomplete if the run failed or was ended early.
    pub lanes: Vec<Option<Verdict>>,
    pub passed: bool,
}

impl RunVerdict {
    /// Collects the verdicts of `run`. A lane without a verdict has not passed, unless the run was
    /// ended early.
    pub fn of(run: &RunSnapshot) -> Self {
        let lanes: Vec<_> = run.lanes.iter().map(|lane| lane.verdict.clone()).collect();
        let ended_early = matches!(run.state, RunState::Stopped | RunState::Aborted);
        let passed = lanes
            .iter()
            .all(|verdict| verdict.as_ref().map_or(ended_early, Verdict::passed));
        Self { lanes, passed }
    }
}

/// What happened since the page's previous update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunUpdate {
    /// One update per lane.
    pub lanes: Vec<LaneUpdate>,
}

/// What happened on one lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneUpdate {
    pub samples: Vec<Sample>,
    pub latency_ms: LatencyMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_lost_before_anything_is_oversold() {
        let lost = |strategy, has_verdict, sold, remaining| {
            lost_updates(strategy, has_verdict, 400, (sold, remaining))
        };
        // 100 units are sold, and the counter has fallen by 10.
        assert_eq!(lost(StrategyKey::Unguarded, false, 100, 390), 90);
        assert_eq!(
            lost(StrategyKey::Unguarded, true, 100, 390),
            0,
            "the verdict counts"
        );
        assert_eq!(lost(StrategyKey::RowLock, false, 100, 390), 0);
        // Two orders whose answers have not arrived.
        assert_eq!(lost(StrategyKey::Unguarded, false, 100, 298), 0);
    }
}
