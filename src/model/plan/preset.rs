//! Named example plans.

use super::{Arrivals, FaultKind, Faults, Quantities, Share, SimulationPlan};
use crate::model::{Quantity, StrategyKey};

/// A named plan.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// What the plan demonstrates.
    pub story: &'static str,
    plan: fn(SimulationPlan) -> SimulationPlan,
}

impl Preset {
    /// Returns the plan.
    pub fn plan(&self) -> SimulationPlan {
        (self.plan)(SimulationPlan::preset())
    }
}

/// With this seed and a share of 2 %, two of 100 buyers freeze; with other seeds it may be none.
const TWO_FREEZE: u64 = 3;

/// The example plans, from the simplest to the most severe.
pub const PRESETS: [Preset; 7] = [
    Preset {
        name: "33 buyers, 20 phones",
        story: "The classic bug report: more orders than phones. Next to it, the row lock that fixes it.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::Unguarded, StrategyKey::RowLock],
            race_window_ms: 5,
            ..preset
        },
    },
    Preset {
        name: "Calm day",
        story: "20 buyers per second and enough stock for all. Even without a lock little goes wrong, so the bug stays hidden.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::Unguarded, StrategyKey::RowLock],
            buyers: 100,
            stock: 120,
            arrivals: Arrivals::Open { rate_per_s: 20 },
            lanes_together: true,
            pool_size: 8,
            ..preset
        },
    },
    Preset {
        name: "Stampede",
        story: "1,000 buyers want the last 10 units at the same time. Where do they wait, and for how long?",
        plan: |preset| SimulationPlan {
            strategies: vec![
                StrategyKey::RowLock,
                StrategyKey::ConditionalUpdate,
                StrategyKey::Optimistic,
                StrategyKey::MicroBatch,
            ],
            buyers: 1_000,
            stock: 10,
            ..preset
        },
    },
    Preset {
        name: "Bots",
        story: "50 scripts without think time send 40 attempts each, for up to 3 units, and double-click.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::MicroBatch],
            buyers: 50,
            stock: 600,
            rounds: 40,
            quantities: up_to_three(),
            faults: Faults::of([(FaultKind::DoubleClick, Share::percent(30))]),
            ..preset
        },
    },
    Preset {
        name: "Slow database",
        story: "One statement in 10 takes half a second. If it holds the row lock, every waiting buyer is delayed, too.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Optimistic],
            buyers: 60,
            stock: 40,
            faults: Faults::of([(FaultKind::SlowStatement, Share::percent(10))]),
            ..preset
        },
    },
    Preset {
        name: "A buyer dies holding the lock",
        story: "Two buyers freeze before they write. With a row lock, all others wait until the database terminates their sessions; a conditional update holds no lock at that point.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
            buyers: 100,
            // One unit per buyer, so that a buyer that freezes is not rejected before it reaches
            // the row.
            stock: 100,
            seed: TWO_FREEZE,
            lanes_together: true,
            faults: Faults::of([(FaultKind::Freeze, Share::percent(2))]),
            ..preset
        },
    },
    Preset {
        name: "12.12",
        story: "A sale whose stock counter falls below zero, next to the CHECK constraint that prevents it.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::BlindDecrement, StrategyKey::CheckConstraint],
            buyers: 500,
            stock: 100,
            quantities: up_to_three(),
            race_window_ms: 3,
            ..preset
        },
    },
];

fn up_to_three() -> Quantities {
    let three = Quantity::parse("3").unwrap_or(Quantity::ONE);
    Quantities::Range {
        min: Quantity::ONE,
        max: three,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for preset in PRESETS {
            let plan = preset.plan();
            assert_eq!(plan.clone().validate(), Ok(plan), "{}", preset.name);
        }
    }
}
