//! Plans that tell a story.

use super::{Arrivals, FaultKind, Faults, Quantities, Share, SimulationPlan};
use crate::model::{Quantity, StrategyKey};

/// A plan with a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// What there is to see.
    pub story: &'static str,
    plan: fn(SimulationPlan) -> SimulationPlan,
}

impl Preset {
    /// The plan itself.
    pub fn plan(&self) -> SimulationPlan {
        (self.plan)(SimulationPlan::preset())
    }
}

/// A seed by which two of a hundred buyers freeze, if two in a hundred do: by others it may be none.
const TWO_FREEZE: u64 = 3;

/// From the simplest to the saddest.
pub const PRESETS: [Preset; 7] = [
    Preset {
        name: "33 buyers, 20 phones",
        story: "The bug report that everybody has read: more orders than phones. Beside it, the lock that cures it.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::Unguarded, StrategyKey::RowLock],
            race_window_ms: 5,
            ..preset
        },
    },
    Preset {
        name: "Calm day",
        story: "Twenty shoppers a second, and enough for all. Even without a guard little goes wrong, which is why nobody notices.",
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
        story: "A thousand people buy the last ten at the same moment. Who waits where, and for how long?",
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
        story: "Fifty scripts that never think, ask for up to three at a time, forty times over, and click twice.",
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
        story: "One statement in ten takes half a second. With the row locked meanwhile, everybody behind it takes as long.",
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
        story: "Two buyers freeze before they write. With the row locked, nobody can buy until the database ends their sessions; where one statement takes the stock, they hold nothing.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
            buyers: 100,
            // One for each: whoever freezes has reached the row, and was not refused before.
            stock: 100,
            seed: TWO_FREEZE,
            lanes_together: true,
            faults: Faults::of([(FaultKind::Freeze, Share::percent(2))]),
            ..preset
        },
    },
    Preset {
        name: "12.12",
        story: "The sale whose counter went below zero, beside the one constraint that would have stopped it.",
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
    fn every_preset_is_a_plan() {
        for preset in PRESETS {
            let plan = preset.plan();
            assert_eq!(plan.clone().validate(), Ok(plan), "{}", preset.name);
        }
    }
}
