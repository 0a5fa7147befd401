//! How far a plan may go.

use super::{Journey, RATE_PER_S_MAX, Share, SimulationPlan};
use crate::model::{FieldError, StockLayout, StrategyKey};

/// The most lanes of one run.
pub const LANES_MAX: usize = 20;
/// The most concurrent buyers of one run.
pub const BUYERS_MAX: u32 = 10_000;
/// The largest stock of a private lane.
pub const STOCK_MAX: u32 = 1_000_000;
/// The largest where each unit is a row of its own.
pub const UNITS_MAX: u32 = 100_000;
/// The longest pause in the race window, in milliseconds: an open transaction may stand still no longer than this.
pub const RACE_WINDOW_MS_MAX: u32 = 2_000;
/// The most attempts of one buyer.
pub const ROUNDS_MAX: u32 = 1_000;
/// The most attempts of one lane over all buyers.
pub const ATTEMPTS_MAX: u64 = 1_000_000;
/// The longest time until all buyers are there, in milliseconds.
pub const RAMP_MS_MAX: u32 = 600_000;
/// The longest mean pause of a buyer, in milliseconds.
pub const THINK_TIME_MS_MAX: u32 = 60_000;
/// The most transactions that a run may have open at once: a database has connections for others too.
pub const POOL_SIZE_MAX: u32 = 64;
/// The longest time until the last buyer has come, in seconds.
pub const ARRIVALS_S_MAX: u64 = 3_600;

/// A sentence for each field of `plan` that is out of range.
pub fn broken_by(plan: &SimulationPlan) -> Vec<FieldError> {
    let mut refusals = Refusals(Vec::new());
    check_lanes(plan, &mut refusals);
    check_crowd(plan, &mut refusals);
    check_times(plan, &mut refusals);
    check_arrivals(plan, &mut refusals);
    check_faults(plan, &mut refusals);
    refusals.0
}

struct Refusals(Vec<FieldError>);

impl Refusals {
    /// Notes a sentence about `field`, unless all is well with it.
    fn unless(&mut self, well: bool, field: &str, message: impl FnOnce() -> String) {
        if !well {
            self.0.push(FieldError::new(field, message()));
        }
    }
}

fn check_lanes(plan: &SimulationPlan, refusals: &mut Refusals) {
    let lanes = plan.strategies.len();
    refusals.unless((1..=LANES_MAX).contains(&lanes), "strategy", || {
        format!("Choose from 1 to {LANES_MAX} strategies.")
    });
    let together = if plan.lanes_together { lanes } else { 1 };
    let in_all = |each: u32| u64::from(each) * together as u64;
    refusals.unless(
        in_all(plan.buyers) <= BUYERS_MAX.into() || together < 2,
        "buyers",
        || format!("Lanes that run together may have at most {BUYERS_MAX} buyers in all."),
    );
    refusals.unless(
        (1..=POOL_SIZE_MAX).contains(&plan.pool_size),
        "pool_size",
        || format!("The pool must have from 1 to {POOL_SIZE_MAX} connections."),
    );
    let too_many = together > 1 && in_all(plan.pool_size) > POOL_SIZE_MAX.into();
    refusals.unless(!too_many, "pool_size", || {
        format!("Lanes that run together may have at most {POOL_SIZE_MAX} connections in all.")
    });
    refusals.unless(plan.product_id.is_none() || together < 2, "target", || {
        "A product of the shop is sold by one lane after the other.".to_owned()
    });
    let holds_not = plan.strategies.iter().find(|key| !key.can_hold());
    if let (Journey::Checkout, Some(key)) = (plan.journey, holds_not) {
        refusals.unless(false, "journey", || {
            format!("The strategy {key} cannot set stock aside, as a checkout needs.")
        });
    }
}

fn check_crowd(plan: &SimulationPlan, refusals: &mut Refusals) {
    refusals.unless((1..=BUYERS_MAX).contains(&plan.buyers), "buyers", || {
        format!("Buyers must be from 1 to {BUYERS_MAX}.")
    });
    refusals.unless(plan.stock <= STOCK_MAX, "stock", || {
        format!("Stock must be from 0 to {STOCK_MAX}.")
    });
    let in_units = |key: &StrategyKey| key.layout() == StockLayout::Units;
    let row_a_unit = plan.strategies.iter().find(|key| in_units(key));
    if let Some(key) = row_a_unit {
        let fits = plan.stock <= UNITS_MAX || plan.stock > STOCK_MAX;
        refusals.unless(fits, "stock", || {
            format!(
                "With {key}, which keeps a row for each unit, stock must be at most {UNITS_MAX}."
            )
        });
    }
    refusals.unless((1..=ROUNDS_MAX).contains(&plan.rounds), "rounds", || {
        format!("Rounds must be from 1 to {ROUNDS_MAX}.")
    });
    refusals.unless(plan.attempts() <= ATTEMPTS_MAX, "rounds", || {
        format!("Buyers times rounds must not exceed {ATTEMPTS_MAX}.")
    });
    let (min, max) = (plan.quantities.min(), plan.quantities.max());
    refusals.unless(min <= max, "quantity", || {
        format!("No quantity is from {min} to {max}.")
    });
}

fn check_times(plan: &SimulationPlan, refusals: &mut Refusals) {
    refusals.unless(
        plan.race_window_ms <= RACE_WINDOW_MS_MAX,
        "race_window_ms",
        || format!("The race window must be from 0 to {RACE_WINDOW_MS_MAX} ms."),
    );
    refusals.unless(plan.ramp_ms <= RAMP_MS_MAX, "ramp_ms", || {
        format!("The ramp must be from 0 to {RAMP_MS_MAX} ms.")
    });
    refusals.unless(
        plan.think_time_ms <= THINK_TIME_MS_MAX,
        "think_time_ms",
        || format!("The think time must be from 0 to {THINK_TIME_MS_MAX} ms."),
    );
    let thinking_ms = u64::from(plan.think_time_ms) * u64::from(plan.rounds);
    refusals.unless(
        thinking_ms <= ARRIVALS_S_MAX * 1_000,
        "think_time_ms",
        || format!("Think time times rounds must not exceed {ARRIVALS_S_MAX} s."),
    );
}

fn check_arrivals(plan: &SimulationPlan, refusals: &mut Refusals) {
    let Some(rate_per_s) = plan.arrivals.rate_per_s() else {
        return;
    };
    refusals.unless(
        (1..=RATE_PER_S_MAX).contains(&rate_per_s),
        "rate_per_s",
        || format!("The rate must be from 1 to {RATE_PER_S_MAX} arrivals a second."),
    );
    let takes_s = plan.attempts() / u64::from(rate_per_s.max(1));
    refusals.unless(takes_s <= ARRIVALS_S_MAX, "rate_per_s", || {
        format!("At this rate the last buyer would come after {takes_s} s; at most {ARRIVALS_S_MAX} are allowed.")
    });
    refusals.unless(plan.think_time_ms == 0, "think_time_ms", || {
        "Buyers who come at a rate do not wait for each other, so there is no time to think."
            .to_owned()
    });
}

fn check_faults(plan: &SimulationPlan, refusals: &mut Refusals) {
    refusals.unless(
        plan.faults.in_all() <= Share::ALL.basis_points(),
        "faults",
        || "The shares of all faults together must not exceed 100 %.".to_owned(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Quantity, StrategyKey,
        plan::{Arrivals, FaultKind, Faults, Quantities},
    };

    fn about(plan: SimulationPlan) -> Vec<String> {
        let mut fields: Vec<_> = broken_by(&plan).into_iter().map(|e| e.field).collect();
        fields.sort();
        fields.dedup();
        fields
    }

    #[test]
    fn a_plan_out_of_range_names_each_field() {
        let plan = SimulationPlan {
            strategies: Vec::new(),
            buyers: 0,
            stock: STOCK_MAX + 1,
            rounds: 0,
            race_window_ms: RACE_WINDOW_MS_MAX + 1,
            ramp_ms: RAMP_MS_MAX + 1,
            think_time_ms: THINK_TIME_MS_MAX + 1,
            pool_size: 0,
            arrivals: Arrivals::Open { rate_per_s: 0 },
            faults: Faults::of([
                (FaultKind::Freeze, Share::percent(60)),
                (FaultKind::Abandon, Share::percent(41)),
            ]),
            ..SimulationPlan::preset()
        };
        assert_eq!(
            about(plan),
            [
                "buyers",
                "faults",
                "pool_size",
                "race_window_ms",
                "ramp_ms",
                "rate_per_s",
                "rounds",
                "stock",
                "strategy",
                "think_time_ms"
            ]
        );
        assert_eq!(about(SimulationPlan::preset()), [""; 0]);
    }

    #[test]
    fn lanes_that_run_together_share_what_there_is() -> Result<(), crate::model::ShopError> {
        let two = SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
            lanes_together: true,
            buyers: BUYERS_MAX / 2,
            pool_size: POOL_SIZE_MAX / 2,
            quantities: Quantities::Range {
                min: Quantity::ONE,
                max: Quantity::new(3)?,
            },
            ..SimulationPlan::preset()
        };
        assert_eq!(about(two.clone()), [""; 0]);
        let more = SimulationPlan {
            buyers: BUYERS_MAX / 2 + 1,
            pool_size: POOL_SIZE_MAX / 2 + 1,
            product_id: Some(1),
            ..two
        };
        assert_eq!(about(more.clone()), ["buyers", "pool_size", "target"]);
        let in_sequence = SimulationPlan {
            lanes_together: false,
            ..more
        };
        assert_eq!(about(in_sequence), [""; 0]);
        Ok(())
    }

    #[test]
    fn a_rate_leaves_no_time_to_think_and_comes_to_an_end() {
        let plan = |rate_per_s, think_time_ms| SimulationPlan {
            buyers: 10_000,
            arrivals: Arrivals::Open { rate_per_s },
            think_time_ms,
            ..SimulationPlan::preset()
        };
        assert_eq!(about(plan(3, 0)), [""; 0]);
        assert_eq!(about(plan(2, 1)), ["rate_per_s", "think_time_ms"]);
    }
}
