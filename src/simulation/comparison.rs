//! Compares runs: the figures of each lane and their changes, the parameters that differ, and the
//! spread over repeated runs of the same plan.

mod evidence;
mod figures;
mod parameters;
mod repeats;

pub use figures::{Better, Change, Evidence, FIGURES, Figure};
pub use parameters::{ComparedParameter, parameter_name};
pub use repeats::RepeatedRuns;

use self::evidence::is_same_load;
use crate::model::{LaneSnapshot, RunSnapshot, ShopError, SimulationPlan};

/// Minimum number of runs in a comparison.
pub const RUNS_MIN: usize = 2;
/// Maximum number of runs in a comparison. A table with more columns is hard to read.
pub const RUNS_MAX: usize = 4;

/// A lane of one of the compared runs.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedLane {
    /// For example `A · row-lock`.
    pub name: String,
    /// Index of the run.
    pub run: usize,
    /// Index of the lane in its run.
    pub lane: usize,
    /// Index of the entry it is compared with; `None` for a lane of the first run.
    pub baseline: Option<usize>,
}

/// A comparison of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The runs in the order of selection. The first is the baseline.
    pub runs: Vec<RunSnapshot>,
    pub entries: Vec<ComparedLane>,
    pub parameters: Vec<ComparedParameter>,
    /// One for each plan, in the order of the runs.
    pub repeats: Vec<RepeatedRuns>,
}

/// Returns the letter of a run.
pub fn run_letter(run: usize) -> char {
    // Four letters are enough for four runs.
    ['A', 'B', 'C', 'D'].get(run).copied().unwrap_or('?')
}

/// Checks the number of runs.
///
/// # Errors
/// [`ShopError::Invalid`] for fewer than [`RUNS_MIN`] or more than [`RUNS_MAX`] runs.
pub fn check_count(runs: usize) -> Result<(), ShopError> {
    if (RUNS_MIN..=RUNS_MAX).contains(&runs) {
        return Ok(());
    }
    Err(ShopError::Invalid(format!(
        "choose {RUNS_MIN} to {RUNS_MAX} different runs to compare, not {runs}"
    )))
}

/// Returns the distinct plans of the runs.
pub fn plans(runs: &[RunSnapshot]) -> Vec<SimulationPlan> {
    let mut plans: Vec<SimulationPlan> = Vec::new();
    for run in runs {
        if !plans.contains(&run.plan) {
            plans.push(run.plan.clone());
        }
    }
    plans
}

impl Comparison {
    /// Compares `runs`. `repeats` contains all stored runs of each of their [`plans`].
    pub fn of(runs: Vec<RunSnapshot>, repeats: Vec<Vec<RunSnapshot>>) -> Self {
        let plans = plans(&runs);
        let repeats = plans.into_iter().zip(repeats);
        Self {
            entries: entries(&runs),
            parameters: parameters::of(&runs),
            repeats: repeats
                .map(|(plan, stored)| RepeatedRuns::of(plan, &runs, stored))
                .collect(),
            runs,
        }
    }

    /// Returns the lane of an entry.
    pub fn lane(&self, entry: &ComparedLane) -> Option<&LaneSnapshot> {
        self.runs.get(entry.run)?.lanes.get(entry.lane)
    }

    /// Returns a figure of an entry and its change from the baseline; `None` if the lane has no
    /// verdict.
    pub fn figure(&self, figure: &Figure, entry: &ComparedLane) -> Option<(f64, Option<Change>)> {
        let of = |entry: &ComparedLane| {
            self.lane(entry)?
                .verdict
                .as_ref()
                .filter(|verdict| !verdict.counted_afterwards)
                .map(|verdict| (figure.of)(verdict))
        };
        let value = of(entry)?;
        let baseline = entry.baseline.and_then(|index| self.entries.get(index));
        let change = baseline.and_then(|baseline| {
            let change = Change::between(of(baseline)?, value, figure.better);
            Some(change.with_evidence(self.evidence(figure, entry, baseline)))
        });
        Some((value, change))
    }

    /// Returns why changes are not rated, each reason once.
    pub fn unrated(&self) -> Vec<Evidence> {
        let mut reasons = Vec::new();
        for figure in FIGURES {
            for entry in &self.entries {
                let change = self.figure(figure, entry).and_then(|(_, change)| change);
                if let Some(reason) = change.and_then(|change| change.unrated)
                    && !reasons.contains(&reason)
                {
                    reasons.push(reason);
                }
            }
        }
        reasons
    }

    /// Whether all runs had the same load.
    pub fn have_same_load(&self) -> bool {
        self.runs
            .windows(2)
            .all(|runs| is_same_load(&runs[0].plan, &runs[1].plan))
    }
}

/// Builds the entries. Each lane is compared with the first run's lane of the same strategy, with
/// the same writer nodes if there is one, or else with its first lane.
fn entries(runs: &[RunSnapshot]) -> Vec<ComparedLane> {
    let mut entries: Vec<ComparedLane> = Vec::new();
    let several = runs.iter().any(|run| run.lanes.len() > 1);
    let baselines: &[LaneSnapshot] = runs.first().map_or(&[], |run| &run.lanes);
    for (run, snapshot) in runs.iter().enumerate() {
        for (lane, of) in snapshot.lanes.iter().enumerate() {
            let same_strategy = |baseline: &LaneSnapshot| baseline.strategy == of.strategy;
            let same = baselines
                .iter()
                .position(|baseline| same_strategy(baseline) && baseline.writers == of.writers)
                .or_else(|| baselines.iter().position(same_strategy));
            let name = if several {
                format!("{} · {}", run_letter(run), of.name())
            } else {
                run_letter(run).to_string()
            };
            entries.push(ComparedLane {
                name,
                run,
                lane,
                baseline: (run > 0).then(|| same.unwrap_or(0)),
            });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{StrategyKey, Verdict, plan::Writers};
    use serde_json::json;

    /// A finished run of the preset plan, without lanes. It is parsed from JSON, so that a new
    /// field needs no change here.
    pub fn empty_run() -> RunSnapshot {
        let run = json!({
            "id": uuid::Uuid::new_v4(), "state": "finished", "plan": SimulationPlan::preset(), "startedAt": "", "lanes": [],
            "passed": true, "failure": null,
        });
        serde_json::from_value(run).expect("a run")
    }

    /// A finished run of the preset plan with a lane of each strategy, which sold at its rate.
    pub fn run(strategies: &[StrategyKey], rates: &[f64]) -> RunSnapshot {
        let lanes = strategies.iter().zip(rates).map(|(strategy, rate)| {
            let verdict = Verdict {
                strategy: *strategy,
                orders_per_second: *rate,
                ..Verdict::example()
            };
            let lane = json!({
                "strategy": strategy, "productName": "", "stock": 20, "samples": [], "latencyMs": verdict.latency_ms, "verdict": verdict,
            });
            serde_json::from_value(lane).expect("a lane")
        });
        RunSnapshot {
            lanes: lanes.collect(),
            plan: SimulationPlan {
                strategies: strategies.to_vec(),
                ..SimulationPlan::preset()
            },
            ..empty_run()
        }
    }

    #[test]
    fn a_lane_is_compared_with_the_same_strategy_of_the_first_run() {
        use StrategyKey::{ConditionalUpdate, Optimistic, RowLock};
        let runs = vec![
            run(&[RowLock, Optimistic], &[100.0, 50.0]),
            run(&[Optimistic, ConditionalUpdate], &[75.0, 120.0]),
        ];
        let comparison = Comparison::of(runs, vec![Vec::new(), Vec::new()]);
        let baseline: Vec<_> = comparison
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.baseline))
            .collect();
        assert_eq!(
            baseline,
            [
                ("A · row-lock", None),
                ("A · optimistic", None),
                ("B · optimistic", Some(1)),
                ("B · conditional-update", Some(0)),
            ]
        );
        let rate = FIGURES
            .iter()
            .find(|figure| figure.name == "Orders per second")
            .expect("it is compared");
        let changes: Vec<_> = comparison
            .entries
            .iter()
            .map(|entry| {
                comparison
                    .figure(rate, entry)
                    .and_then(|(_, change)| change)
            })
            .map(|change| change.map(|change| change.difference))
            .collect();
        assert_eq!(changes, [None, None, Some(25.0), Some(20.0)]);
    }

    #[test]
    fn a_lane_is_compared_with_the_same_writer_nodes_of_the_first_run() {
        use StrategyKey::RowLock;
        let mut on_nodes = run(&[RowLock, RowLock], &[100.0, 50.0]);
        for (lane, writers) in on_nodes.lanes.iter_mut().zip(Writers::Both.lanes()) {
            lane.writers = Some(*writers);
        }
        let runs = vec![on_nodes.clone(), on_nodes, run(&[RowLock], &[75.0])];
        let entries = entries(&runs);
        let baseline: Vec<_> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.baseline))
            .collect();
        assert_eq!(
            baseline,
            [
                ("A · row-lock, one writer node", None),
                ("A · row-lock, all nodes write", None),
                ("B · row-lock, one writer node", Some(0)),
                ("B · row-lock, all nodes write", Some(1)),
                ("C · row-lock", Some(0)),
            ]
        );
    }

    #[test]
    fn two_to_four_runs_are_compared() {
        let allowed = (0..7).filter(|count| check_count(*count).is_ok());
        assert_eq!(allowed.collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn repeats_are_runs_of_one_plan() {
        let again = |rate| run(&[StrategyKey::RowLock], &[rate]);
        let other = RunSnapshot {
            plan: SimulationPlan {
                seed: 7,
                ..again(1.0).plan
            },
            ..again(300.0)
        };
        let stored = vec![again(90.0), again(110.0)];
        let comparison = Comparison::of(
            vec![again(100.0), other, again(95.0)],
            vec![stored, Vec::new()],
        );
        let spreads: Vec<_> = comparison
            .repeats
            .iter()
            .map(|repeats| {
                let rate = repeats.spread(0, |verdict| verdict.orders_per_second);
                (
                    repeats.letters.as_str(),
                    repeats.count(),
                    rate.min,
                    rate.median,
                    rate.max,
                )
            })
            .collect();
        // The selected runs have other ids than the stored ones, so they count too.
        assert_eq!(
            spreads,
            [
                ("A, C", 4, 90.0, 97.5, 110.0),
                ("B", 1, 300.0, 300.0, 300.0)
            ]
        );
    }
}
