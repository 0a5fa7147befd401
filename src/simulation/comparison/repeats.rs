//! Repeated runs of one plan and one seed. Differences between them come from the machine and the
//! database.

use super::run_letter;
use crate::{
    model::{RunSnapshot, RunState, SimulationPlan, Verdict},
    simulation::spread::Spread,
};

/// All runs of one plan.
#[derive(Clone, Debug, PartialEq)]
pub struct RepeatedRuns {
    /// The letters of the selected runs among them, for example `A, C`.
    pub letters: String,
    pub plan: SimulationPlan,
    /// The verdicts of each complete run. A run that was ended early had another load.
    verdicts: Vec<Vec<Verdict>>,
}

impl RepeatedRuns {
    /// Collects the `stored` runs of the plan and those `chosen` runs that are not among them.
    pub fn of(plan: SimulationPlan, chosen: &[RunSnapshot], stored: Vec<RunSnapshot>) -> Self {
        let of_plan = || {
            chosen
                .iter()
                .enumerate()
                .filter(|(_, run)| run.plan == plan)
        };
        let letters: Vec<String> = of_plan()
            .map(|(index, _)| run_letter(index).to_string())
            .collect();
        let more = of_plan().map(|(_, run)| run.clone());
        let mut runs: Vec<RunSnapshot> = Vec::new();
        for run in more.chain(stored) {
            if runs.iter().all(|known| known.id != run.id) {
                runs.push(run);
            }
        }
        let verdicts = |run: RunSnapshot| run.lanes.into_iter().map(|lane| lane.verdict).collect();
        Self {
            letters: letters.join(", "),
            verdicts: runs
                .into_iter()
                .filter(|run| run.state == RunState::Finished)
                .filter_map(verdicts)
                .collect(),
            plan,
        }
    }

    /// Returns the number of runs.
    pub fn count(&self) -> usize {
        self.verdicts.len()
    }

    /// Returns the spread of a figure of a lane.
    pub fn spread(&self, lane: usize, figure: impl Fn(&Verdict) -> f64) -> Spread {
        let verdicts = self.verdicts.iter().filter_map(|lanes| lanes.get(lane));
        Spread::of(verdicts.map(figure))
    }
}
