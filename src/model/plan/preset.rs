//! Named example plans, each made to be watched: its buyers arrive over some seconds, and its race
//! window is wide enough that they still meet.

use super::{Arrivals, FaultKind, Faults, Quantities, Share, SimulationPlan, Writers};
use crate::model::{Quantity, StrategyKey};

/// A named plan.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// What the plan does. Not how it ends: the form asks for a guess.
    pub description: &'static str,
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
pub const PRESETS: [Preset; 11] = [
    Preset {
        name: "33 buyers, 20 phones",
        description: "The code reads the stock, compares, and writes. Next to it, the same code with a row lock.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::Unguarded, StrategyKey::RowLock],
            lanes_together: true,
            ramp_ms: 4_000,
            // Two buyers arrive in this time, so the counter falls at most half as fast as it
            // should, and all 33 get a phone.
            race_window_ms: 250,
            ..preset
        },
    },
    Preset {
        name: "Calm day",
        description: "20 buyers per second and enough stock for all. Would a test find the missing lock?",
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
        description: "1,000 buyers rush for the last 10 units. Where do they wait, and for how long?",
        plan: |preset| SimulationPlan {
            strategies: vec![
                StrategyKey::RowLock,
                StrategyKey::ConditionalUpdate,
                StrategyKey::Optimistic,
                StrategyKey::MicroBatch,
            ],
            lanes_together: true,
            buyers: 1_000,
            stock: 10,
            ramp_ms: 6_000,
            // A row that is locked this long serves fewer buyers than arrive.
            race_window_ms: 50,
            ..preset
        },
    },
    Preset {
        name: "Bots",
        description: "50 scripts without think time send 40 attempts each, for up to 3 units, and double-click.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::MicroBatch],
            lanes_together: true,
            buyers: 50,
            stock: 600,
            rounds: 40,
            ramp_ms: 5_000,
            quantities: up_to_three(),
            faults: Faults::of([(FaultKind::DoubleClick, Share::percent(30))]),
            ..preset
        },
    },
    Preset {
        name: "Slow database",
        description: "One statement in 10 takes half a second. Which buyers wait for it, and for how long?",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Optimistic],
            lanes_together: true,
            buyers: 60,
            stock: 40,
            ramp_ms: 4_000,
            faults: Faults::of([(FaultKind::SlowStatement, Share::percent(10))]),
            ..preset
        },
    },
    Preset {
        name: "A buyer freezes holding the lock",
        description: "Two buyers freeze before they write. Which other buyers wait for them, and for how long?",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
            buyers: 100,
            // One unit per buyer, so that a buyer that freezes is not rejected before it reaches
            // the row.
            stock: 100,
            seed: TWO_FREEZE,
            lanes_together: true,
            ramp_ms: 4_000,
            faults: Faults::of([(FaultKind::Freeze, Share::percent(2))]),
            ..preset
        },
    },
    Preset {
        name: "12.12",
        description: "The database subtracts what the application has checked. Next to it, a CHECK constraint.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::BlindDecrement, StrategyKey::CheckConstraint],
            lanes_together: true,
            buyers: 500,
            stock: 600,
            quantities: up_to_three(),
            ramp_ms: 5_000,
            // Ten buyers arrive in this time, and all of them read the last units.
            race_window_ms: 100,
            ..preset
        },
    },
    Preset {
        name: "Two servers, one mutex",
        description: "Two server processes sell the same phones, each with a mutex of its own. Next to it, the lock of the row.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::ProcessMutex, StrategyKey::RowLock],
            lanes_together: true,
            own_servers: 2,
            ramp_ms: 4_000,
            // As long as two buyers need to arrive, one at each server.
            race_window_ms: 250,
            ..preset
        },
    },
    Preset {
        name: "A lock that ends too early",
        description: "Two servers share a lock in Redis that ends after a second, and each purchase takes longer. Next to it, the same lock with a token that the row checks.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RedisLockUnfenced, StrategyKey::RedisLock],
            lanes_together: true,
            own_servers: 2,
            // The lock passes on once a second, and no buyer waits for it for longer than a request
            // may.
            buyers: 8,
            stock: 4,
            ramp_ms: 6_000,
            // Longer than the lease, shorter than two leases.
            race_window_ms: 1_500,
            ..preset
        },
    },
    Preset {
        name: "Stock in two places",
        description: "A counter in Redis and one in the row, written one after the other; some connections break in between. Next to it, the same with leases and reconciliation.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RedisDualWrite, StrategyKey::RedisCounter],
            lanes_together: true,
            // More buyers than units, also without those whose connections break.
            buyers: 80,
            stock: 40,
            ramp_ms: 5_000,
            race_window_ms: 150,
            faults: Faults::of([(FaultKind::DropConnection, Share::percent(20))]),
            ..preset
        },
    },
    Preset {
        name: "One writer node or all",
        description: "Every buyer wants the same row of a cluster: first all of them at one node, then spread over all nodes.",
        plan: |preset| SimulationPlan {
            strategies: vec![StrategyKey::RowLock],
            buyers: 600,
            stock: 600,
            ramp_ms: 4_000,
            // Each node holds its row lock this long, so that the nodes meet.
            race_window_ms: 5,
            // A few buyers on each node: with more of them, some use up their retries.
            pool_size: 6,
            writers: Some(Writers::Both),
            ..preset
        },
    },
];

/// Returns the name of the preset with the same buyers and the same stock, whatever the strategies,
/// the seed and the criteria.
pub(super) fn name_of(plan: &SimulationPlan) -> Option<&'static str> {
    let of_preset = |preset: &Preset| SimulationPlan {
        strategies: plan.strategies.clone(),
        seed: plan.seed,
        thresholds: plan.thresholds,
        guess: plan.guess,
        ..preset.plan()
    };
    let found = PRESETS.iter().find(|preset| of_preset(preset) == *plan);
    found.map(|preset| preset.name)
}

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

    /// A room needs this long to see that something moves, in milliseconds.
    const WATCHABLE_MS: u64 = 4_000;
    /// The last buyer arrives after at most this time, in milliseconds.
    const PATIENT_MS: u64 = 15_000;

    #[test]
    fn every_preset_lasts_long_enough_to_be_watched() {
        for preset in PRESETS {
            let plan = preset.plan();
            let arrivals_ms = plan.arrivals_ms();
            assert!(
                (WATCHABLE_MS..=PATIENT_MS).contains(&arrivals_ms),
                "{}: the buyers arrive over {arrivals_ms} ms",
                preset.name
            );
            assert!(
                plan.lanes_together || plan.writers.is_some(),
                "{}: one time for all lanes",
                preset.name
            );
        }
    }

    #[test]
    fn buyers_of_an_unsafe_strategy_meet_although_they_arrive_over_seconds() {
        for preset in PRESETS
            .into_iter()
            .filter(|preset| preset.name != "Calm day")
        {
            let plan = preset.plan();
            if plan.strategies.iter().all(|strategy| strategy.is_safe()) {
                continue;
            }
            let gap_ms = plan.arrivals_ms() / u64::from(plan.buyers);
            let window_ms = u64::from(plan.race_window_ms);
            assert!(
                window_ms >= 2 * gap_ms,
                "{}: a buyer each {gap_ms} ms, and a window of {window_ms} ms",
                preset.name
            );
        }
    }

    #[test]
    fn every_preset_is_valid() {
        for preset in PRESETS {
            let plan = preset.plan();
            assert_eq!(plan.clone().validate(), Ok(plan), "{}", preset.name);
        }
    }
}
