//! The limits of a plan.

use super::{Journey, RATE_PER_S_MAX, Share, SimulationPlan};
use crate::model::{FieldError, StockLayout, StrategyKey};

/// The maximum lanes of one run.
pub const LANES_MAX: usize = 24;
/// The maximum concurrent buyers of one run.
pub const BUYERS_MAX: u32 = 10_000;
/// The maximum stock of a private lane.
pub const STOCK_MAX: u32 = 1_000_000;
/// The maximum stock if each unit is a row.
pub const UNITS_MAX: u32 = 100_000;
/// The maximum race window, in milliseconds: an open transaction must not be idle for longer.
pub const RACE_WINDOW_MS_MAX: u32 = 2_000;
/// The maximum attempts of one buyer.
pub const ROUNDS_MAX: u32 = 1_000;
/// The maximum attempts of one lane.
pub const ATTEMPTS_MAX: u64 = 1_000_000;
/// The maximum time to full load, in milliseconds.
pub const RAMP_MS_MAX: u32 = 600_000;
/// The maximum mean think time, in milliseconds.
pub const THINK_TIME_MS_MAX: u32 = 60_000;
/// The maximum concurrent transactions of a run: the database needs connections for others, too.
pub const POOL_SIZE_MAX: u32 = 64;
/// The maximum servers that one run starts.
pub const OWN_SERVERS_MAX: u32 = 8;
/// The maximum time until the last buyer has arrived, in seconds.
pub const ARRIVALS_S_MAX: u64 = 3_600;

/// Returns an error for each field of `plan` that is out of range.
pub fn violations(plan: &SimulationPlan) -> Vec<FieldError> {
    let mut errors = Errors(Vec::new());
    check_lanes(plan, &mut errors);
    check_buyers(plan, &mut errors);
    check_times(plan, &mut errors);
    check_arrivals(plan, &mut errors);
    check_faults(plan, &mut errors);
    check_thresholds(plan, &mut errors);
    check_servers(plan, &mut errors);
    check_writers(plan, &mut errors);
    errors.0
}

struct Errors(Vec<FieldError>);

impl Errors {
    /// Adds an error about `field`, unless `valid`.
    fn unless(&mut self, valid: bool, field: &str, message: impl FnOnce() -> String) {
        if !valid {
            self.0.push(FieldError::new(field, message()));
        }
    }
}

fn check_lanes(plan: &SimulationPlan, errors: &mut Errors) {
    let lanes = plan.lane_count();
    errors.unless((1..=LANES_MAX).contains(&lanes), "strategy", || {
        let each = plan.writers.map_or(1, |writers| writers.lanes().len());
        format!("Choose 1 to {} strategies.", LANES_MAX / each)
    });
    let together = if plan.lanes_together { lanes } else { 1 };
    let total = |each: u32| u64::from(each) * together as u64;
    errors.unless(
        total(plan.buyers) <= BUYERS_MAX.into() || together < 2,
        "buyers",
        || {
            format!(
                "Lanes that run at the same time can have at most {BUYERS_MAX} buyers in total."
            )
        },
    );
    errors.unless(
        (1..=POOL_SIZE_MAX).contains(&plan.pool_size),
        "pool_size",
        || format!("The number of connections must be from 1 to {POOL_SIZE_MAX}."),
    );
    let pools = plan.pools();
    let fits = pools < 2 || u64::from(plan.pool_size) * u64::from(pools) <= POOL_SIZE_MAX.into();
    errors.unless(fits, "pool_size", || {
        let each = POOL_SIZE_MAX / pools.max(1);
        let which = match plan.own_servers {
            0 => "lanes that run at the same time",
            _ => "servers",
        };
        format!(
            "{pools} {which} can have at most {each} connections each, {POOL_SIZE_MAX} in total. Leave the field empty to use as many as fit."
        )
    });
    errors.unless(plan.product_id.is_none() || together < 2, "target", || {
        "Lanes that sell a shop product must run one after the other.".to_owned()
    });
    let cannot_hold = plan.strategies.iter().find(|key| !key.row().can_hold);
    if let (Journey::Checkout, Some(key)) = (plan.journey, cannot_hold) {
        errors.unless(false, "journey", || {
            format!("The strategy {key} cannot reserve stock, which the checkout journey needs.")
        });
    }
}

fn check_buyers(plan: &SimulationPlan, errors: &mut Errors) {
    errors.unless((1..=BUYERS_MAX).contains(&plan.buyers), "buyers", || {
        format!("The number of buyers must be from 1 to {BUYERS_MAX}.")
    });
    errors.unless(plan.stock <= STOCK_MAX, "stock", || {
        format!("The stock must be from 0 to {STOCK_MAX} units.")
    });
    let in_units = |key: &StrategyKey| key.row().layout == StockLayout::Units;
    let row_a_unit = plan.strategies.iter().find(|key| in_units(key));
    if let Some(key) = row_a_unit {
        let fits = plan.stock <= UNITS_MAX || plan.stock > STOCK_MAX;
        errors.unless(fits, "stock", || {
            format!(
                "The strategy {key} stores a row per unit; the stock must be at most {UNITS_MAX}."
            )
        });
    }
    errors.unless((1..=ROUNDS_MAX).contains(&plan.rounds), "rounds", || {
        format!("Attempts per buyer must be from 1 to {ROUNDS_MAX}.")
    });
    errors.unless(plan.attempts() <= ATTEMPTS_MAX, "rounds", || {
        format!("Buyers times attempts per buyer must be at most {ATTEMPTS_MAX}.")
    });
    let (min, max) = (plan.quantities.min(), plan.quantities.max());
    errors.unless(min <= max, "quantity", || {
        format!("The quantity range must not descend from {min} to {max}.")
    });
}

fn check_times(plan: &SimulationPlan, errors: &mut Errors) {
    errors.unless(
        plan.race_window_ms <= RACE_WINDOW_MS_MAX,
        "race_window_ms",
        || format!("The race window must be from 0 to {RACE_WINDOW_MS_MAX} ms."),
    );
    errors.unless(plan.ramp_ms <= RAMP_MS_MAX, "ramp_ms", || {
        format!("The time to full load must be from 0 to {RAMP_MS_MAX} ms.")
    });
    errors.unless(
        plan.think_time_ms <= THINK_TIME_MS_MAX,
        "think_time_ms",
        || format!("The think time must be from 0 to {THINK_TIME_MS_MAX} ms."),
    );
    let thinking_ms = u64::from(plan.think_time_ms) * u64::from(plan.rounds);
    errors.unless(
        thinking_ms <= ARRIVALS_S_MAX * 1_000,
        "think_time_ms",
        || format!("Think time times attempts per buyer must be at most {ARRIVALS_S_MAX} s."),
    );
}

fn check_arrivals(plan: &SimulationPlan, errors: &mut Errors) {
    let Some(rate_per_s) = plan.arrivals.rate_per_s() else {
        return;
    };
    errors.unless(
        (1..=RATE_PER_S_MAX).contains(&rate_per_s),
        "rate_per_s",
        || format!("The rate must be from 1 to {RATE_PER_S_MAX} arrivals per second."),
    );
    let takes_s = plan.attempts() / u64::from(rate_per_s.max(1));
    errors.unless(takes_s <= ARRIVALS_S_MAX, "rate_per_s", || {
        format!("At this rate the last buyer arrives after {takes_s} s; the maximum is {ARRIVALS_S_MAX} s.")
    });
    errors.unless(plan.think_time_ms == 0, "think_time_ms", || {
        "Open arrivals have no think time. Set it to 0.".to_owned()
    });
}

fn check_faults(plan: &SimulationPlan, errors: &mut Errors) {
    errors.unless(
        plan.faults.total_basis_points() <= Share::ALL.basis_points(),
        "faults",
        || "The shares of all faults must add up to at most 100 %.".to_owned(),
    );
    // A checkout reserves in a transaction of several statements, whatever the strategy.
    if plan.journey != Journey::Express {
        return;
    }
    let without_window = |key: &&StrategyKey| !key.row().has_race_window;
    let Some(key) = plan.strategies.iter().find(without_window) else {
        return;
    };
    for (kind, _) in plan.faults.iter() {
        errors.unless(!kind.needs_race_window(), "faults", || {
            format!(
                "The fault {} cannot be injected with {key}, which has no pause between read and write.",
                kind.as_str()
            )
        });
    }
}

/// A threshold must not hold only because its figure is not measured.
fn check_thresholds(plan: &SimulationPlan, errors: &mut Errors) {
    let unmeasured = plan.is_over_http() && plan.thresholds.retries_max.is_some();
    errors.unless(!unmeasured, "retries_max", || {
        "The threshold retries cannot be checked over HTTP: a server does not report its retries."
            .to_owned()
    });
}

/// What buyers over HTTP cannot do.
fn check_servers(plan: &SimulationPlan, errors: &mut Errors) {
    errors.unless(plan.own_servers <= OWN_SERVERS_MAX, "servers", || {
        format!("A run can start at most {OWN_SERVERS_MAX} servers.")
    });
    errors.unless(
        plan.own_servers == 0 || plan.servers == 0,
        "servers",
        || "The buyers use running servers or servers that the run starts, not both.".to_owned(),
    );
    errors.unless(
        plan.own_servers == 0 || plan.product_id.is_none(),
        "target",
        || "Servers that a run starts sell private lanes only.".to_owned(),
    );
    if !plan.is_over_http() {
        return;
    }
    errors.unless(plan.journey == Journey::Express, "journey", || {
        "Buyers who use servers send express purchases. Choose the express journey, or no servers."
            .to_owned()
    });
    for (kind, _) in plan.faults.iter() {
        errors.unless(!kind.is_server_side(), "faults", || {
            format!(
                "The fault {} is injected inside the shop's process, so the buyers cannot use servers.",
                kind.as_str()
            )
        });
    }
}

/// The nodes count conflicts for all of their sessions, so only one lane at a time may write.
fn check_writers(plan: &SimulationPlan, errors: &mut Errors) {
    if plan.writers.is_none() {
        return;
    }
    errors.unless(!plan.is_over_http(), "writers", || {
        "Writer nodes can be chosen only for buyers in the process of the run: each server has its \
         own node."
            .to_owned()
    });
    errors.unless(
        !plan.lanes_together || plan.lane_count() < 2,
        "writers",
        || {
            "With a choice of writer nodes, the lanes must run one after the other: each node counts \
             its conflicts for all lanes together."
                .to_owned()
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Quantity, StrategyKey,
        plan::{Arrivals, FaultKind, Faults, Quantities, Thresholds, Writers},
    };

    fn invalid_fields(plan: SimulationPlan) -> Vec<String> {
        let mut fields: Vec<_> = violations(&plan).into_iter().map(|e| e.field).collect();
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
            invalid_fields(plan),
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
        assert_eq!(invalid_fields(SimulationPlan::preset()), [""; 0]);
    }

    #[test]
    fn lanes_that_run_at_the_same_time_share_buyers_and_connections()
    -> Result<(), crate::model::ShopError> {
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
        assert_eq!(invalid_fields(two.clone()), [""; 0]);
        let more = SimulationPlan {
            buyers: BUYERS_MAX / 2 + 1,
            pool_size: POOL_SIZE_MAX / 2 + 1,
            product_id: Some(1),
            ..two
        };
        assert_eq!(
            invalid_fields(more.clone()),
            ["buyers", "pool_size", "target"]
        );
        let in_sequence = SimulationPlan {
            lanes_together: false,
            ..more
        };
        assert_eq!(invalid_fields(in_sequence), [""; 0]);
        Ok(())
    }

    #[test]
    fn a_rate_excludes_think_time_and_must_end_within_the_limit() {
        let plan = |rate_per_s, think_time_ms| SimulationPlan {
            buyers: 10_000,
            arrivals: Arrivals::Open { rate_per_s },
            think_time_ms,
            ..SimulationPlan::preset()
        };
        assert_eq!(invalid_fields(plan(3, 0)), [""; 0]);
        assert_eq!(invalid_fields(plan(2, 1)), ["rate_per_s", "think_time_ms"]);
    }

    #[test]
    fn a_fault_that_can_never_strike_is_rejected() {
        let plan = |strategies: &[StrategyKey], kind, journey| SimulationPlan {
            strategies: strategies.to_vec(),
            faults: Faults::of([(kind, Share::percent(1))]),
            journey,
            ..SimulationPlan::preset()
        };
        for strategy in StrategyKey::ALL {
            for kind in FaultKind::ALL {
                let strikes = strategy.row().has_race_window || !kind.needs_race_window();
                let express = plan(&[strategy], kind, Journey::Express);
                let fields: &[&str] = if strikes { &[] } else { &["faults"] };
                assert_eq!(invalid_fields(express), fields, "{strategy}, {kind:?}");
            }
        }
        let both = [StrategyKey::RowLock, StrategyKey::MicroBatch];
        let drop = |journey| plan(&both, FaultKind::DropConnection, journey);
        assert_eq!(invalid_fields(drop(Journey::Express)), ["faults"]);
        assert_eq!(invalid_fields(drop(Journey::Checkout)), [""; 0]);
    }

    #[test]
    fn a_run_starts_at_most_eight_servers_which_share_the_connections() {
        let plan = |own_servers, pool_size| SimulationPlan {
            own_servers,
            pool_size,
            ..SimulationPlan::preset()
        };
        assert_eq!(invalid_fields(plan(8, 8)), [""; 0]);
        assert_eq!(invalid_fields(plan(1, POOL_SIZE_MAX)), [""; 0]);
        assert_eq!(invalid_fields(plan(8, 9)), ["pool_size"]);
        assert_eq!(invalid_fields(plan(9, 1)), ["servers"]);
        assert_eq!(
            invalid_fields(plan(u32::MAX, u32::MAX)),
            ["pool_size", "servers"]
        );
        let lanes_share_the_servers = SimulationPlan {
            strategies: StrategyKey::ALL.to_vec(),
            lanes_together: true,
            ..plan(2, 32)
        };
        assert_eq!(invalid_fields(lanes_share_the_servers), [""; 0]);
        let of_others = SimulationPlan {
            servers: 1,
            ..plan(1, 1)
        };
        assert_eq!(invalid_fields(of_others), ["servers"]);
    }

    #[test]
    fn writer_nodes_are_chosen_for_buyers_in_the_process_and_one_lane_at_a_time() {
        let plan = |lanes_together, own_servers, writers| SimulationPlan {
            lanes_together,
            own_servers,
            writers: Some(writers),
            ..SimulationPlan::preset()
        };
        for writers in Writers::EVERY {
            assert_eq!(invalid_fields(plan(false, 0, writers)), [""; 0]);
            assert_eq!(invalid_fields(plan(false, 2, writers)), ["writers"]);
        }
        assert_eq!(invalid_fields(plan(true, 0, Writers::All)), [""; 0]);
        assert_eq!(invalid_fields(plan(true, 0, Writers::Both)), ["writers"]);
    }

    #[test]
    fn what_buyers_at_servers_cannot_do_is_rejected() {
        for (servers, own_servers) in [(0, 2), (2, 0)] {
            let plan = SimulationPlan {
                servers,
                own_servers,
                ..SimulationPlan::preset()
            };
            let checkout = SimulationPlan {
                journey: Journey::Checkout,
                ..plan.clone()
            };
            assert_eq!(invalid_fields(checkout), ["journey"]);
            for kind in FaultKind::ALL {
                let faulty = SimulationPlan {
                    faults: Faults::of([(kind, Share::percent(1))]),
                    ..plan.clone()
                };
                let fields: &[&str] = if kind.is_server_side() {
                    &["faults"]
                } else {
                    &[]
                };
                assert_eq!(invalid_fields(faulty), fields, "{kind:?}");
            }
        }
        let of_shop = SimulationPlan {
            product_id: Some(1),
            own_servers: 2,
            ..SimulationPlan::preset()
        };
        assert_eq!(invalid_fields(of_shop), ["target"]);
    }

    #[test]
    fn a_threshold_that_is_not_measured_over_http_is_rejected() {
        let plan = |servers, typed| SimulationPlan {
            servers,
            thresholds: Thresholds::parse(typed).unwrap_or_default(),
            ..SimulationPlan::preset()
        };
        let all = "p99-ms=50,failed=0,retries=0,orders-per-second=1";
        assert_eq!(invalid_fields(plan(0, all)), [""; 0]);
        assert_eq!(invalid_fields(plan(2, all)), ["retries_max"]);
        let measured = "p99-ms=50,failed=0,orders-per-second=1";
        assert_eq!(invalid_fields(plan(2, measured)), [""; 0]);
        let at_own_servers = SimulationPlan {
            own_servers: 2,
            ..plan(0, all)
        };
        assert_eq!(invalid_fields(at_own_servers), ["retries_max"]);
    }
}
