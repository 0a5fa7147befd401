//! Whether a difference between two lanes is shown: by the repeats of their plans, which had the
//! same load.

use super::{Better, ComparedLane, Comparison, Evidence, Figure};
use crate::{
    model::{RunSnapshot, RunState, SimulationPlan, Verdict, plan::Thresholds},
    simulation::spread::{Spread, can_differ},
};

impl Comparison {
    /// Returns what the repeats of both plans say about the difference of a figure.
    pub(super) fn evidence(
        &self,
        figure: &Figure,
        entry: &ComparedLane,
        baseline: &ComparedLane,
    ) -> Evidence {
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
}

/// Whether two plans send the same buyers to the same stock, whatever the strategy.
pub fn is_same_load(one: &SimulationPlan, other: &SimulationPlan) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::StrategyKey,
        simulation::comparison::{Change, FIGURES, tests::run},
    };

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
}
