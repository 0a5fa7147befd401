//! Some runs beside each other: their figures with what changed, their parameters where they differ, and the spread of their repeats.

mod figures;
mod parameters;
mod repeats;

pub use figures::{Better, Change, FIGURES, Figure};
pub use parameters::{Parameter, parameter_name};
pub use repeats::Repeats;

use crate::model::{
    LaneSnapshot, RunSnapshot, ShopError, SimulationPlan, Verdict, plan::Thresholds,
};

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
        let change = measure.and_then(|measure| {
            let change = Change::between(of(measure)?, value, figure.better);
            let is_judged = figure.better == Better::Zero || self.is_fair(entry, measure);
            Some(if is_judged { change } else { change.unjudged() })
        });
        Some((value, change))
    }

    /// Whether one may be called better than the other: the same was asked of both, and it was not bought by overselling.
    fn is_fair(&self, entry: &Entry, measure: &Entry) -> bool {
        let plan = |entry: &Entry| self.runs.get(entry.run).map(|run| &run.plan);
        let (Some(one), Some(other)) = (plan(entry), plan(measure)) else {
            return false;
        };
        let has_held = |entry: &Entry| {
            self.lane(entry)
                .and_then(|lane| lane.verdict.as_ref())
                .is_some_and(Verdict::invariants_held)
        };
        asks_the_same(one, other) && has_held(entry) && has_held(measure)
    }

    /// Whether all runs were asked for the same.
    pub fn asked_the_same(&self) -> bool {
        self.runs
            .windows(2)
            .all(|runs| asks_the_same(&runs[0].plan, &runs[1].plan))
    }
}

/// Whether the same crowd comes to the same shelf, whatever waits for it there.
fn asks_the_same(one: &SimulationPlan, other: &SimulationPlan) -> bool {
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
    use crate::model::StrategyKey;
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

    /// What is said of the change of a figure from the first run's lane to the second's.
    fn judged(name: &str, runs: [RunSnapshot; 2]) -> Option<bool> {
        let comparison = Comparison::of(runs.to_vec(), vec![Vec::new(), Vec::new()]);
        let figure = FIGURES.iter().find(|figure| figure.name == name);
        let last = comparison.entries.last().expect("a lane");
        let (_, change) = comparison.figure(figure.expect("it is compared"), last)?;
        change?.is_better
    }

    #[test]
    fn only_what_was_asked_for_the_same_and_held_is_called_better() {
        let one = || run(&[StrategyKey::RowLock], &[100.0]);
        let faster = || run(&[StrategyKey::Unguarded], &[200.0]);
        assert_eq!(judged("Orders per second", [one(), faster()]), Some(true));

        let mut larger = faster();
        larger.plan.buyers += 1;
        assert_eq!(judged("Orders per second", [one(), larger]), None);

        let mut oversold = faster();
        for lane in &mut oversold.lanes {
            let verdict = lane.verdict.as_mut().expect("a verdict");
            verdict.oversold = 13;
            verdict.sold += 13;
        }
        let pair = || [one(), oversold.clone()];
        assert_eq!(judged("Orders per second", pair()), None);
        assert_eq!(judged("Oversold", pair()), Some(false));
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
