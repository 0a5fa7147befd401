//! A plan as the fields of a form or the query of a URL, which reproduces the plan.

mod parse;

use serde::{Deserialize, Serialize};

use super::{Arrivals, FaultKind, SimulationPlan};

/// The default arrivals per second in the form.
const RATE_PRESET_PER_S: u32 = 500;
/// The form's target value for private lanes.
const LANE: &str = "lane";

/// Declares [`PlanForm`], with one field per line.
macro_rules! plan_form {
    ($($(#[$about:meta])* $field:ident;)*) => {
        /// A plan as text fields. An empty field has the preset's value.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct PlanForm {
            $($(#[$about])* pub $field: String,)*
        }

        impl PlanForm {
            /// Every field with its name, in form order.
            pub fn fields(&self) -> Vec<(&'static str, &str)> {
                vec![$((stringify!($field), self.$field.as_str())),*]
            }

            /// Overwrites each field for which `typed` returns a value.
            pub fn overlay(&mut self, typed: impl Fn(&str) -> Option<String>) {
                $(if let Some(typed) = typed(stringify!($field)) {
                    self.$field = typed;
                })*
            }
        }
    };
}

plan_form! {
    /// `lane`, or the id of a shop product.
    target;
    /// Strategy keys, comma-separated.
    strategies;
    buyers;
    stock;
    quantity;
    rounds;
    race_window_ms;
    seed;
    /// Not empty if the lanes run at the same time.
    together;
    journey;
    /// `open` or `closed`.
    arrivals;
    rate_per_s;
    ramp_ms;
    think_time_ms;
    /// Empty: as many as fit.
    pool_size;
    /// The servers that the run starts. Empty: none.
    servers;
    /// The nodes of a cluster to which the buyers write. Empty: the server of `DATABASE_URL`.
    writers;
    // Shares of attempts, in percent.
    freeze;
    slow_statement;
    drop_connection;
    abandon;
    double_click;
    // Thresholds.
    p99_ms_max;
    failed_max;
    retries_max;
    orders_per_second_min;
    /// The administrator's guess: the oversold units.
    guess;
}

impl From<&SimulationPlan> for PlanForm {
    fn from(plan: &SimulationPlan) -> Self {
        let share = |kind| {
            let found = plan.faults.iter().find(|(drawn, _)| *drawn == kind);
            found.map_or_else(String::new, |(_, share)| share.to_string())
        };
        let limit = |limit: Option<u32>| limit.map_or_else(String::new, |limit| limit.to_string());
        let (arrivals, rate_per_s) = match plan.arrivals {
            Arrivals::Closed => ("closed", RATE_PRESET_PER_S),
            Arrivals::Open { rate_per_s } => ("open", rate_per_s),
        };
        Self {
            target: plan
                .product_id
                .map_or_else(|| LANE.to_owned(), |id| id.to_string()),
            strategies: plan.strategy_names().replace(' ', ""),
            buyers: plan.buyers.to_string(),
            stock: plan.stock.to_string(),
            quantity: plan.quantities.to_string(),
            rounds: plan.rounds.to_string(),
            race_window_ms: plan.race_window_ms.to_string(),
            seed: plan.seed.to_string(),
            together: if plan.lanes_together { "yes" } else { "" }.to_owned(),
            journey: plan.journey.as_str().to_owned(),
            arrivals: arrivals.to_owned(),
            rate_per_s: rate_per_s.to_string(),
            ramp_ms: plan.ramp_ms.to_string(),
            think_time_ms: plan.think_time_ms.to_string(),
            pool_size: {
                let lanes = plan.lane_count();
                let fitted =
                    SimulationPlan::fitted_pool_size(lanes, plan.lanes_together, plan.own_servers);
                limit((plan.pool_size != fitted).then_some(plan.pool_size))
            },
            servers: limit((plan.own_servers > 0).then_some(plan.own_servers)),
            writers: plan
                .writers
                .map_or_else(String::new, |writers| writers.as_str().to_owned()),
            freeze: share(FaultKind::Freeze),
            slow_statement: share(FaultKind::SlowStatement),
            drop_connection: share(FaultKind::DropConnection),
            abandon: share(FaultKind::Abandon),
            double_click: share(FaultKind::DoubleClick),
            p99_ms_max: limit(plan.thresholds.p99_ms_max),
            failed_max: limit(plan.thresholds.failed_max),
            retries_max: limit(plan.thresholds.retries_max),
            orders_per_second_min: limit(plan.thresholds.orders_per_second_min),
            guess: limit(plan.guess),
        }
    }
}

impl PlanForm {
    /// The URL of the form filled in with this plan. Fields with the preset's value are omitted.
    pub fn address(&self) -> String {
        let preset = Self::from(&SimulationPlan::preset());
        let fields = self.fields().into_iter().zip(preset.fields());
        // Keys, numbers and commas need no escaping in a URL.
        let differing: Vec<_> = fields
            .filter(|((_, value), (_, preset))| value != preset)
            .map(|((name, value), _)| format!("{name}={value}"))
            .collect();
        if differing.is_empty() {
            return "/admin/simulations".to_owned();
        }
        format!("/admin/simulations?{}", differing.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Quantity, StrategyKey,
        plan::{Faults, Quantities, Share, Thresholds, Writers},
    };

    fn full_plan() -> SimulationPlan {
        SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Unguarded],
            lanes_together: true,
            buyers: 100,
            stock: 7,
            quantities: Quantities::parse("1..3").unwrap_or(Quantities::Fixed(Quantity::ONE)),
            rounds: 2,
            seed: u64::MAX,
            arrivals: Arrivals::Open { rate_per_s: 50 },
            ramp_ms: 20,
            race_window_ms: 5,
            pool_size: 8,
            faults: Faults::of([
                (FaultKind::Freeze, Share::percent(2)),
                (FaultKind::DoubleClick, Share::percent(50)),
            ]),
            thresholds: Thresholds {
                p99_ms_max: Some(50),
                orders_per_second_min: Some(9),
                ..Thresholds::default()
            },
            guess: Some(12),
            ..SimulationPlan::preset()
        }
    }

    fn form_of(address: &str) -> PlanForm {
        let query = address.split_once('?').map_or("", |(_, query)| query);
        let mut form = PlanForm::from(&SimulationPlan::preset());
        form.overlay(|field| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(name, _)| *name == field)
                .map(|(_, value)| value.to_owned())
        });
        form
    }

    #[test]
    fn a_url_reproduces_its_plan() {
        let on_servers = SimulationPlan {
            own_servers: 4,
            ..SimulationPlan::preset()
        };
        let on_all_nodes = SimulationPlan {
            writers: Some(Writers::Both),
            ..SimulationPlan::preset()
        };
        for plan in [
            SimulationPlan::preset(),
            full_plan(),
            on_servers,
            on_all_nodes,
        ] {
            let address = PlanForm::from(&plan).address();
            assert_eq!(form_of(&address).parse(), Ok(plan), "{address}");
        }
        let preset = PlanForm::from(&SimulationPlan::preset());
        assert_eq!(preset.address(), "/admin/simulations");
    }
}
