//! The plan of one simulation run. The same plan and seed produce the same arrivals, quantities and
//! faults; they do not fix how the database interleaves the transactions.

mod arrivals;
mod faults;
mod form;
mod lanes;
mod limits;
mod preset;
mod quantities;
mod thresholds;
mod writers;

pub use arrivals::{Arrivals, RATE_PER_S_MAX};
pub use faults::{FaultKind, Faults, Share};
pub use form::PlanForm;
pub use lanes::OneOrMany;
pub use limits::{
    ARRIVALS_S_MAX, ATTEMPTS_MAX, BUYERS_MAX, LANES_MAX, OWN_SERVERS_MAX, POOL_SIZE_MAX,
    RACE_WINDOW_MS_MAX, RAMP_MS_MAX, ROUNDS_MAX, STOCK_MAX, THINK_TIME_MS_MAX,
};
pub use preset::{PRESETS, Preset};
pub use quantities::Quantities;
pub use thresholds::{ThresholdResult, Thresholds};
pub use writers::Writers;

use serde::{Deserialize, Serialize};

use super::{Quantity, ShopError, StrategyKey};

/// A title lists at most this many strategies.
const NAMED_STRATEGIES_MAX: usize = 4;
/// The default number of connections.
const POOL_SIZE_PRESET: u32 = 16;

/// The steps of a simulated buyer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Journey {
    /// One call: take stock and write the order.
    #[default]
    Express,
    /// Put the product into a cart, then place the order.
    Checkout,
}

impl Journey {
    /// The name in commands and forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Express => "express",
            Self::Checkout => "checkout",
        }
    }

    /// Parses a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Express, Self::Checkout]
            .into_iter()
            .find(|journey| journey.as_str() == name)
    }
}

/// A simulation plan. An older stored plan lacks the fields that have a default; the defaults match
/// the behaviour of that time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationPlan {
    /// One lane per strategy, at least one. Every lane has the same buyers.
    #[serde(alias = "strategy", deserialize_with = "lanes::one_or_many")]
    pub strategies: Vec<StrategyKey>,
    /// Whether the lanes run at the same time or one after the other.
    #[serde(default)]
    pub lanes_together: bool,
    /// Concurrent buyers of each lane.
    pub buyers: u32,
    /// Initial units of each private lane; ignored if `product_id` names a shop product.
    pub stock: u32,
    /// Units per attempt.
    #[serde(alias = "quantity")]
    pub quantities: Quantities,
    /// Attempts per buyer, one after the other.
    pub rounds: u32,
    /// Fixes the arrivals, quantities and faults.
    pub seed: u64,
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Time to full load, in milliseconds: until all buyers have started, or until they arrive at
    /// the full rate.
    #[serde(default)]
    pub ramp_ms: u32,
    /// Mean think time between a response and the buyer's next attempt, in milliseconds;
    /// exponentially distributed.
    #[serde(default)]
    pub think_time_ms: u32,
    /// Pause between read and write, in milliseconds.
    pub race_window_ms: u32,
    pub journey: Journey,
    /// Maximum concurrent transactions of a lane's buyers or, if the run starts servers, of each
    /// server.
    #[serde(default = "pool_size_preset")]
    pub pool_size: u32,
    #[serde(default)]
    pub faults: Faults,
    #[serde(default)]
    pub thresholds: Thresholds,
    /// The shop product whose real stock is sold; `None` for private lanes.
    pub product_id: Option<i64>,
    /// The administrator's guess before the run: the oversold units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<u32>,
    /// The number of running servers at which the buyers buy over HTTP; 0 if there are none. Over
    /// HTTP and in the process of the run are different measurements, and not repeats of each
    /// other.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub servers: u32,
    /// The number of servers that the run starts for its buyers, who then buy over HTTP; 0 if it
    /// starts none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub own_servers: u32,
    /// The nodes of a cluster to which the buyers write; `None` for the server of `DATABASE_URL`,
    /// whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers: Option<Writers>,
}

const fn is_zero(servers: &u32) -> bool {
    *servers == 0
}

/// Returns the pools for buyers that are open at the same time, at least one: one for each server
/// that the run starts, and otherwise one for each lane that runs.
fn pools(lanes: usize, together: bool, own_servers: u32) -> u32 {
    match own_servers {
        0 if together => u32::try_from(lanes).unwrap_or(u32::MAX).max(1),
        0 => 1,
        servers => servers,
    }
}

const fn pool_size_preset() -> u32 {
    POOL_SIZE_PRESET
}

impl SimulationPlan {
    /// The default plan of the form: 33 buyers and 20 units.
    pub fn preset() -> Self {
        Self {
            strategies: vec![StrategyKey::RowLock],
            lanes_together: false,
            buyers: 33,
            stock: 20,
            quantities: Quantities::Fixed(Quantity::ONE),
            rounds: 1,
            seed: 42,
            arrivals: Arrivals::Closed,
            ramp_ms: 0,
            think_time_ms: 0,
            race_window_ms: 0,
            journey: Journey::Express,
            pool_size: POOL_SIZE_PRESET,
            faults: Faults::default(),
            thresholds: Thresholds::default(),
            product_id: None,
            guess: None,
            servers: 0,
            own_servers: 0,
            writers: None,
        }
    }

    /// The connections of each pool if the plan does not set them: the preset's number, or as many
    /// as all pools that are open at the same time can have.
    pub fn fitted_pool_size(lanes: usize, together: bool, own_servers: u32) -> u32 {
        let most = POOL_SIZE_MAX / pools(lanes, together, own_servers);
        POOL_SIZE_PRESET.min(most).max(1)
    }

    /// Whether the buyers buy over HTTP, from the run's own servers or from others.
    pub const fn is_over_http(&self) -> bool {
        self.servers > 0 || self.own_servers > 0
    }

    /// The pools for buyers that are open at the same time.
    fn pools(&self) -> u32 {
        pools(self.lane_count(), self.lanes_together, self.own_servers)
    }

    /// Attempts of all buyers of one lane.
    pub fn attempts(&self) -> u64 {
        u64::from(self.buyers) * u64::from(self.rounds)
    }

    /// The planned time from the first buyer's arrival at a lane to the last one's, in
    /// milliseconds. With open arrivals it is an average.
    pub fn arrivals_ms(&self) -> u64 {
        match self.arrivals.rate_per_s() {
            None => self.ramp_ms.into(),
            Some(rate_per_s) => {
                let at_full_rate = u64::from(self.buyers) * 1_000 / u64::from(rate_per_s.max(1));
                at_full_rate + u64::from(self.ramp_ms / 2)
            }
        }
    }

    /// Attempts of all lanes.
    pub fn total_attempts(&self) -> u64 {
        self.attempts() * self.lane_count() as u64
    }

    /// The lanes in their order: the strategy of each, and the nodes to which its buyers write.
    pub fn lanes(&self) -> Vec<(StrategyKey, Option<Writers>)> {
        let writers: Vec<_> = match self.writers {
            None => vec![None],
            Some(writers) => writers.lanes().iter().copied().map(Some).collect(),
        };
        let strategies = self.strategies.iter();
        strategies
            .flat_map(|strategy| writers.iter().map(|writers| (*strategy, *writers)))
            .collect()
    }

    /// The number of lanes.
    pub fn lane_count(&self) -> usize {
        let of_strategy = self.writers.map_or(1, |writers| writers.lanes().len());
        self.strategies.len() * of_strategy
    }

    /// The number of buyers in words, for example `33 buyers`.
    fn counted_buyers(&self) -> String {
        match self.buyers {
            1 => "1 buyer".to_owned(),
            buyers => format!("{buyers} buyers"),
        }
    }

    /// The servers at which the buyers buy, for example `on 4 servers`; `None` if they buy in the
    /// process of the run.
    pub fn on_servers(&self) -> Option<String> {
        match self.servers.max(self.own_servers) {
            0 => None,
            1 => Some("on 1 server".to_owned()),
            servers => Some(format!("on {servers} servers")),
        }
    }

    /// The buyers and where they buy, for example `33 buyers on 4 servers`.
    pub fn buyers_in_words(&self) -> String {
        let buyers = self.counted_buyers();
        match self.on_servers() {
            Some(servers) => format!("{buyers} {servers}"),
            None => buyers,
        }
    }

    /// The strategies' keys, for example `row-lock, unguarded`.
    pub fn strategy_names(&self) -> String {
        let keys: Vec<_> = self.strategies.iter().map(|key| key.as_str()).collect();
        keys.join(", ")
    }

    /// What a run of this plan is called as long as it has no name, for example
    /// `33 buyers, 20 units · row-lock, unguarded`. A preset keeps its name.
    pub fn title(&self) -> String {
        let buyers = self.counted_buyers();
        let load = match (preset::name_of(self), self.product_id, self.stock) {
            (Some(name), ..) => name.to_owned(),
            (None, Some(_), _) => format!("{buyers}, a shop product"),
            (None, None, 1) => format!("{buyers}, 1 unit"),
            (None, None, stock) => format!("{buyers}, {stock} units"),
        };
        let strategies = match self.strategies.len() {
            0..=NAMED_STRATEGIES_MAX => self.strategy_names(),
            many => format!("{many} strategies"),
        };
        format!("{load} · {strategies}")
    }

    /// Checks all limits and reports every violation.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`] with a sentence for each field that is out of range;
    /// [`ShopError::StrategyUnsafe`] for an unsafe strategy on a shop product.
    pub fn validate(self) -> Result<Self, ShopError> {
        let errors = limits::violations(&self);
        if !errors.is_empty() {
            return Err(ShopError::FieldsInvalid(errors));
        }
        if self.product_id.is_some() {
            for strategy in &self.strategies {
                strategy.check_may_sell_in_shop()?;
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsafe_strategy_cannot_sell_a_shop_product() {
        let plan = SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Unguarded],
            product_id: Some(1),
            ..SimulationPlan::preset()
        };
        assert_eq!(
            plan.validate(),
            Err(ShopError::StrategyUnsafe("unguarded".to_owned()))
        );
    }

    #[test]
    fn a_title_says_what_runs() {
        let preset = SimulationPlan::preset();
        assert_eq!(preset.title(), "33 buyers, 20 units · row-lock");
        let named = PRESETS[0].plan();
        assert_eq!(named.title(), "33 buyers, 20 phones · unguarded, row-lock");
        let guessed = SimulationPlan {
            strategies: vec![StrategyKey::Optimistic],
            seed: 7,
            guess: Some(3),
            ..named.clone()
        };
        assert_eq!(guessed.title(), "33 buyers, 20 phones · optimistic");
        let smaller = SimulationPlan {
            buyers: 1,
            stock: 1,
            strategies: StrategyKey::ALL.to_vec(),
            ..named
        };
        let all = StrategyKey::ALL.len();
        assert_eq!(
            smaller.title(),
            format!("1 buyer, 1 unit · {all} strategies")
        );
        let of_shop = SimulationPlan {
            product_id: Some(1),
            ..preset
        };
        assert_eq!(of_shop.title(), "33 buyers, a shop product · row-lock");
    }

    #[test]
    fn buyers_over_http_are_named_with_their_servers() {
        let words = |buyers, servers, own_servers| {
            let plan = SimulationPlan {
                buyers,
                servers,
                own_servers,
                ..SimulationPlan::preset()
            };
            plan.buyers_in_words()
        };
        assert_eq!(words(33, 0, 0), "33 buyers");
        assert_eq!(words(33, 0, 4), "33 buyers on 4 servers");
        assert_eq!(words(1, 2, 0), "1 buyer on 2 servers");
        assert_eq!(words(1, 0, 1), "1 buyer on 1 server");
    }

    #[test]
    fn writers_are_compared_in_two_lanes_of_each_strategy() {
        let plan = |writers| SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Optimistic],
            writers,
            ..SimulationPlan::preset()
        };
        let (one, all) = (Some(Writers::One), Some(Writers::All));
        let compared = plan(Some(Writers::Both));
        assert_eq!(
            compared.lanes(),
            [
                (StrategyKey::RowLock, one),
                (StrategyKey::RowLock, all),
                (StrategyKey::Optimistic, one),
                (StrategyKey::Optimistic, all),
            ]
        );
        assert_eq!(compared.total_attempts(), 4 * compared.attempts());
        for writers in [None, one, all, Some(Writers::Both)] {
            let plan = plan(writers);
            assert_eq!(plan.lanes().len(), plan.lane_count(), "{writers:?}");
        }
        let stored = serde_json::to_value(plan(None)).expect("JSON");
        assert_eq!(stored.get("writers"), None, "the contract of exports");
    }

    #[test]
    fn a_stock_of_zero_is_valid() {
        let plan = SimulationPlan {
            stock: 0,
            ..SimulationPlan::preset()
        };
        assert!(plan.validate().is_ok());
    }
}
