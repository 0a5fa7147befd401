//! What one simulation is to do. A plan is data: the same plan and seed choose the same arrivals, quantities and faults; they do
//! not fix the database's interleaving.

mod arrivals;
mod faults;
mod form;
mod lanes;
mod limits;
mod preset;
mod quantities;
mod thresholds;

pub use arrivals::{Arrivals, RATE_PER_S_MAX};
pub use faults::{FaultKind, Faults, Share};
pub use form::PlanForm;
pub use lanes::OneOrMany;
pub use limits::{
    ARRIVALS_S_MAX, ATTEMPTS_MAX, BUYERS_MAX, LANES_MAX, POOL_SIZE_MAX, RACE_WINDOW_MS_MAX,
    RAMP_MS_MAX, ROUNDS_MAX, STOCK_MAX, THINK_TIME_MS_MAX,
};
pub use preset::{PRESETS, Preset};
pub use quantities::Quantities;
pub use thresholds::{ThresholdResult, Thresholds};

use serde::{Deserialize, Serialize};

use super::{Quantity, ShopError, StrategyKey};

/// Connections of a run that was planned without a word about them.
const POOL_SIZE_PRESET: u32 = 16;

/// What a simulated buyer does.
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
    /// The journey, as commands and forms spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Express => "express",
            Self::Checkout => "checkout",
        }
    }

    /// The journey of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Express, Self::Checkout]
            .into_iter()
            .find(|journey| journey.as_str() == name)
    }
}

/// See the module's documentation. A plan that was stored before it could say all this is still a plan: what it does not say is as it
/// was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationPlan {
    /// One lane each, at least one. The same crowd comes to every lane.
    #[serde(alias = "strategy", deserialize_with = "lanes::one_or_many")]
    pub strategies: Vec<StrategyKey>,
    /// Whether the lanes run at the same time; else one after the other.
    #[serde(default)]
    pub lanes_together: bool,
    /// Concurrent buyers of each lane.
    pub buyers: u32,
    /// Units on each private lane at the start; ignored when `product_id` names a shop product.
    pub stock: u32,
    /// Units that each attempt asks for.
    #[serde(alias = "quantity")]
    pub quantities: Quantities,
    /// Attempts of each buyer, one after the other.
    pub rounds: u32,
    /// Fixes who comes when, and what they want.
    pub seed: u64,
    #[serde(default)]
    pub arrivals: Arrivals,
    /// How long it takes until all buyers are there, or until they come at the full rate, in milliseconds.
    #[serde(default)]
    pub ramp_ms: u32,
    /// Mean pause of a buyer between an answer and the next attempt, in milliseconds; the real one is drawn from an exponential
    /// distribution.
    #[serde(default)]
    pub think_time_ms: u32,
    /// Pause between read and write, in milliseconds.
    pub race_window_ms: u32,
    pub journey: Journey,
    /// Transactions that the buyers of a lane may have open at once.
    #[serde(default = "pool_size_preset")]
    pub pool_size: u32,
    #[serde(default)]
    pub faults: Faults,
    #[serde(default)]
    pub thresholds: Thresholds,
    /// A shop product to sell in front of its shoppers; none: private lanes.
    pub product_id: Option<i64>,
    /// Units that somebody expected to be oversold, before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<u32>,
}

const fn pool_size_preset() -> u32 {
    POOL_SIZE_PRESET
}

impl SimulationPlan {
    /// The plan that the form shows at first: 33 buyers for 20 units.
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
        }
    }

    /// Attempts over all buyers of one lane.
    pub fn attempts(&self) -> u64 {
        u64::from(self.buyers) * u64::from(self.rounds)
    }

    /// Attempts over all lanes.
    pub fn attempts_in_all(&self) -> u64 {
        self.attempts() * self.strategies.len() as u64
    }

    /// The strategies, as in `row-lock, unguarded`.
    pub fn strategies_in_words(&self) -> String {
        let keys: Vec<_> = self.strategies.iter().map(|key| key.as_str()).collect();
        keys.join(", ")
    }

    /// Checks all limits at once.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`] with a sentence for each field that is out of range;
    /// [`ShopError::StrategyUnsafeHere`] for an unsafe strategy on a shop product.
    pub fn validate(self) -> Result<Self, ShopError> {
        let errors = limits::broken_by(&self);
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
    fn unsafe_strategies_stay_off_the_shop() {
        let plan = SimulationPlan {
            strategies: vec![StrategyKey::RowLock, StrategyKey::Unguarded],
            product_id: Some(1),
            ..SimulationPlan::preset()
        };
        assert_eq!(
            plan.validate(),
            Err(ShopError::StrategyUnsafeHere("unguarded".to_owned()))
        );
    }

    #[test]
    fn a_stock_of_zero_is_a_plan() {
        let plan = SimulationPlan {
            stock: 0,
            ..SimulationPlan::preset()
        };
        assert!(plan.validate().is_ok());
    }
}
