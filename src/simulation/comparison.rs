//! Compares runs: the figures of each lane and their changes, the parameters that differ, and the
//! spread over repeated runs of the same plan.

mod figures;
mod parameters;
mod repeats;

pub use figures::{Better, Change, Evidence, FIGURES, Figure};
pub use parameters::{ComparedParameter, parameter_name};
pub use repeats::RepeatedRuns;

use super::spread::{Spread, can_differ};
use crate::model::{
    LaneSnapshot, RunSnapshot, RunState, ShopError, SimulationPlan, Verdict, plan::Thresholds,
};

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

    /// Returns what the repeats of both plans say about the difference of a figure.
    fn evidence(&self, figure: &Figure, entry: &ComparedLane, baseline: &ComparedLane) -> Evidence {
        let plan = |entry: &ComparedLane| self.runs.get(entry.run).map(|run| &run.plan);
        if plan(entry) == plan(baseline) && entry.lane == baseline.lane {
            return Evidence::SamePlan;
        }
        let (one, other) = (self.spread(figure, entry), self.spread(figure, baseline));
        // An invariant that one plan never violates and the other does: one run shows that it can.
        if figure.better == Better::Zero && one.is_apart_from(&other) {
            return Evidence::Shown;
        }
        if !self.is_fair_comparison(entry, baseline) {
            return Evidence::NotComparable;
        }
        match (one.runs, other.runs) {
            (1, 1) => Evidence::OneRunEach,
            (runs, others) if !can_differ(runs, others) => Evidence::TooFewRuns,
            _ if one.differs_from(&other) => Evidence::Shown,
            _ => Evidence::WithinSpread,
        }
    }

    /// Returns the spread of a figure over all complete runs of the plan of an entry; of the entry
    /// alone, if there is none.
    fn spread(&self, figure: &Figure, entry: &ComparedLane) -> Spread {
        let plan = self.runs.get(entry.run).map(|run| &run.plan);
        let repeats = self.repeats.iter();
        let mut repeats = repeats.filter(|repeats| Some(&repeats.plan) == plan);
        let of_plan = repeats
            .next()
            .map(|repeats| repeats.spread(entry.lane, figure.of));
        let alone = || {
            let verdict = self.lane(entry).and_then(|lane| lane.verdict.as_ref());
            Spread::of(verdict.map(figure.of))
        };
        of_plan
            .filter(|spread| spread.runs > 0)
            .unwrap_or_else(alone)
    }

    /// Whether one lane may be called better than the other: both had the same load to the end, and
    /// neither oversold nor undersold.
    fn is_fair_comparison(&self, entry: &ComparedLane, baseline: &ComparedLane) -> bool {
        let run = |entry: &ComparedLane| self.runs.get(entry.run);
        let (Some(one), Some(other)) = (run(entry), run(baseline)) else {
            return false;
        };
        let held = |entry: &ComparedLane| {
            self.lane(entry)
                .and_then(|lane| lane.verdict.as_ref())
                .is_some_and(Verdict::invariants_held)
        };
        let is_complete = |run: &RunSnapshot| run.state == RunState::Finished;
        is_same_load(&one.plan, &other.plan)
            && [one, other].into_iter().all(is_complete)
            && [entry, baseline].into_iter().all(held)
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

/// Whether two plans send the same buyers to the same stock, whatever the strategy.
fn is_same_load(one: &SimulationPlan, other: &SimulationPlan) -> bool {
    let crowd = |plan: &SimulationPlan| SimulationPlan {
        strategies: Vec::new(),
        lanes_together: false,
        seed: 0,
        race_window_ms: 0,
        pool_size: 0,
        thresholds: Thresholds::default(),
        guess: None,
        ..plan.clone()
    };
    crowd(one) == crowd(other)
}

/// Builds the entries. Each lane is compared with the first run's lane of the same strategy or, if
/// there is none, with its first lane.
fn entries(runs: &[RunSnapshot]) -> Vec<ComparedLane> {
    let mut entries: Vec<ComparedLane> = Vec::new();
    let several = runs.iter().any(|run| run.lanes.len() > 1);
    let baselines: &[LaneSnapshot] = runs.first().map_or(&[], |run| &run.lanes);
    for (run, snapshot) in runs.iter().enumerate() {
        for (lane, of) in snapshot.lanes.iter().enumerate() {
            let same = baselines
                .iter()
                .position(|baseline| baseline.strategy == of.strategy);
            let name = if several {
                format!("{} · {}", run_letter(run), of.strategy)
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
    use crate::model::StrategyKey;
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

    fn run(strategies: &[StrategyKey], rates: &[f64]) -> RunSnapshot {
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

    /// The change of a figure from the first run to the second, each with its stored repeats.
    fn change(name: &str, runs: [RunSnapshot; 2], repeats: [&[RunSnapshot]; 2]) -> Change {
        let repeats = repeats.map(<[RunSnapshot]>::to_vec).to_vec();
        let comparison = Comparison::of(runs.to_vec(), repeats);
        let figure = FIGURES.iter().find(|figure| figure.name == name);
        let last = comparison.entries.last().expect("a lane");
        let changed = comparison.figure(figure.expect("it is compared"), last);
        changed.and_then(|(_, change)| change).expect("a change")
    }

    fn runs_of(strategy: StrategyKey, rates: &[f64]) -> Vec<RunSnapshot> {
        let runs = rates.iter().map(|rate| run(&[strategy], &[*rate]));
        runs.collect()
    }

    #[test]
    fn a_change_is_rated_only_if_the_repeats_show_it() {
        let slow = |rates: &[f64]| runs_of(StrategyKey::RowLock, rates);
        let fast = |rates: &[f64]| runs_of(StrategyKey::Optimistic, rates);
        let rated = |one: Vec<RunSnapshot>, other: Vec<RunSnapshot>| {
            let runs = [one[0].clone(), other[0].clone()];
            let change = change("Orders per second", runs, [&one, &other]);
            (change.is_better, change.unrated)
        };
        let four = [100.0, 95.0, 105.0, 90.0];
        assert_eq!(
            rated(slow(&four), fast(&[182.0, 180.0, 190.0, 150.0])),
            (Some(true), None)
        );
        assert_eq!(
            rated(slow(&four), fast(&[60.0, 70.0, 50.0, 80.0])),
            (Some(false), None)
        );
        assert_eq!(
            rated(slow(&four), fast(&[182.0, 180.0, 190.0, 101.0])),
            (None, Some(Evidence::WithinSpread))
        );
        assert_eq!(
            rated(slow(&four[..3]), fast(&[182.0, 180.0, 190.0])),
            (None, Some(Evidence::TooFewRuns))
        );
        assert_eq!(
            rated(slow(&four[..1]), fast(&[182.0])),
            (None, Some(Evidence::OneRunEach))
        );
        assert_eq!(
            rated(slow(&four), slow(&[182.0])),
            (None, Some(Evidence::SamePlan))
        );
        let stopped = |mut run: RunSnapshot| {
            run.state = RunState::Stopped;
            run
        };
        assert_eq!(
            rated(
                slow(&four).into_iter().map(stopped).collect(),
                fast(&[182.0, 180.0, 190.0, 150.0])
            ),
            (None, Some(Evidence::NotComparable))
        );
    }

    #[test]
    fn only_lanes_with_the_same_load_and_held_invariants_are_rated() {
        let one = runs_of(StrategyKey::RowLock, &[100.0, 101.0, 102.0, 103.0]);
        let faster = runs_of(StrategyKey::Unguarded, &[200.0, 201.0, 202.0, 203.0]);
        let rated = |name, other: &[RunSnapshot]| {
            let runs = [one[0].clone(), other[0].clone()];
            change(name, runs, [&one, other]).is_better
        };
        assert_eq!(rated("Orders per second", &faster), Some(true));

        let mut larger = faster.clone();
        for run in &mut larger {
            run.plan.buyers += 1;
        }
        assert_eq!(rated("Orders per second", &larger), None);

        let mut oversold = faster;
        for lane in oversold.iter_mut().flat_map(|run| &mut run.lanes) {
            let verdict = lane.verdict.as_mut().expect("a verdict");
            verdict.oversold = 13;
            verdict.sold += 13;
        }
        assert_eq!(rated("Orders per second", &oversold), None);
        assert_eq!(rated("Oversold", &oversold), Some(false));
        assert_eq!(
            rated("Oversold", &oversold[..1]),
            Some(false),
            "one run shows that it can"
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
