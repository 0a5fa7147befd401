//! Some runs beside each other: their figures with what changed, their parameters where they differ, and the spread of their repeats.

mod figures;
mod parameters;
mod repeats;

pub use figures::{Better, Change, FIGURES, Figure};
pub use parameters::{Parameter, parameter_name};
pub use repeats::Repeats;

use crate::model::{LaneSnapshot, RunSnapshot, ShopError, SimulationPlan};

/// How many runs can be compared.
pub const RUNS_MIN: usize = 2;
/// More columns than this nobody reads.
pub const RUNS_MAX: usize = 4;

/// One lane of one of the runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `A · row-lock`
    pub name: String,
    /// Which of the runs.
    pub run: usize,
    /// Which of its lanes.
    pub lane: usize,
    /// The entry that it is held against; none: it is the measure of others.
    pub against: Option<usize>,
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// In the order in which they were chosen; the first is the measure.
    pub runs: Vec<RunSnapshot>,
    pub entries: Vec<Entry>,
    pub parameters: Vec<Parameter>,
    /// One for each plan, in the order of the runs.
    pub repeats: Vec<Repeats>,
}

/// The letter of a run.
pub fn letter(run: usize) -> char {
    // Four letters are enough for four runs.
    ['A', 'B', 'C', 'D'].get(run).copied().unwrap_or('?')
}

/// Refuses what cannot be compared: fewer than [`RUNS_MIN`] or more than [`RUNS_MAX`].
///
/// # Errors
/// [`ShopError::Invalid`].
pub fn check_count(runs: usize) -> Result<(), ShopError> {
    if (RUNS_MIN..=RUNS_MAX).contains(&runs) {
        return Ok(());
    }
    Err(ShopError::Invalid(format!(
        "choose from {RUNS_MIN} to {RUNS_MAX} different runs to compare, not {runs}"
    )))
}

/// The plans of the runs, each once.
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
    /// Of these runs; `repeats` holds for each of their [`plans`] all runs that are stored of it.
    pub fn of(runs: Vec<RunSnapshot>, repeats: Vec<Vec<RunSnapshot>>) -> Self {
        let plans = plans(&runs);
        let repeats = plans.into_iter().zip(repeats);
        Self {
            entries: entries(&runs),
            parameters: parameters::of(&runs),
            repeats: repeats
                .map(|(plan, stored)| Repeats::of(plan, &runs, stored))
                .collect(),
            runs,
        }
    }

    /// The lane of an entry.
    pub fn lane(&self, entry: &Entry) -> Option<&LaneSnapshot> {
        self.runs.get(entry.run)?.lanes.get(entry.lane)
    }

    /// A figure of an entry, and how it changed; none while the lane has no verdict.
    pub fn figure(&self, figure: &Figure, entry: &Entry) -> Option<(f64, Option<Change>)> {
        let of = |entry: &Entry| {
            self.lane(entry)?
                .verdict
                .as_ref()
                .map(|verdict| (figure.of)(verdict))
        };
        let value = of(entry)?;
        let measure = entry.against.and_then(|index| self.entries.get(index));
        let change = measure
            .and_then(of)
            .map(|before| Change::between(before, value, figure.better));
        Some((value, change))
    }
}

/// Each lane is held against the first run's lane of the same strategy or, where that has none, against its first.
fn entries(runs: &[RunSnapshot]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let several = runs.iter().any(|run| run.lanes.len() > 1);
    let measures: &[LaneSnapshot] = runs.first().map_or(&[], |run| &run.lanes);
    for (run, snapshot) in runs.iter().enumerate() {
        for (lane, of) in snapshot.lanes.iter().enumerate() {
            let same = measures
                .iter()
                .position(|measure| measure.strategy == of.strategy);
            let name = if several {
                format!("{} · {}", letter(run), of.strategy)
            } else {
                letter(run).to_string()
            };
            entries.push(Entry {
                name,
                run,
                lane,
                against: (run > 0).then(|| same.unwrap_or(0)),
            });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{StrategyKey, Verdict};
    use serde_json::json;

    /// A run that has ended, of the preset plan. Written as it is stored, so that a new field needs no word here.
    pub fn nothing() -> RunSnapshot {
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
            ..nothing()
        }
    }

    #[test]
    fn a_lane_is_held_against_the_same_strategy_of_the_first_run() {
        use StrategyKey::{ConditionalUpdate, Optimistic, RowLock};
        let runs = vec![
            run(&[RowLock, Optimistic], &[100.0, 50.0]),
            run(&[Optimistic, ConditionalUpdate], &[75.0, 120.0]),
        ];
        let comparison = Comparison::of(runs, vec![Vec::new(), Vec::new()]);
        let against: Vec<_> = comparison
            .entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.against))
            .collect();
        assert_eq!(
            against,
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
        // Those that were chosen have ids of their own and count too.
        assert_eq!(
            spreads,
            [
                ("A, C", 4, 90.0, 97.5, 110.0),
                ("B", 1, 300.0, 300.0, 300.0)
            ]
        );
    }
}
