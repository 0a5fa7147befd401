//! Runs of one plan and one seed: what lies between them is the machine's and the database's doing.

use super::letter;
use crate::{
    model::{RunSnapshot, SimulationPlan, Verdict},
    simulation::sweep::figures::Spread,
};

/// All runs that are known of one plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeats {
    /// Which of those that were chosen are among them: `A, C`.
    pub letters: String,
    pub plan: SimulationPlan,
    /// Only those whose lanes all have a verdict.
    judged: Vec<Vec<Verdict>>,
}

impl Repeats {
    /// Of the plan: the `stored` runs and those of the `chosen` that are not among them.
    pub fn of(plan: SimulationPlan, chosen: &[RunSnapshot], stored: Vec<RunSnapshot>) -> Self {
        let of_plan = || {
            chosen
                .iter()
                .enumerate()
                .filter(|(_, run)| run.plan == plan)
        };
        let letters: Vec<String> = of_plan()
            .map(|(index, _)| letter(index).to_string())
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
            judged: runs.into_iter().filter_map(verdicts).collect(),
            plan,
        }
    }

    /// How many runs there are.
    pub fn count(&self) -> usize {
        self.judged.len()
    }

    /// How far a figure of a lane lies apart.
    pub fn spread(&self, lane: usize, figure: impl Fn(&Verdict) -> f64) -> Spread {
        let verdicts = self.judged.iter().filter_map(|lanes| lanes.get(lane));
        Spread::of(verdicts.map(figure))
    }
}
