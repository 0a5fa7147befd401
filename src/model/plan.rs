//! What one simulation is to do. A plan is data: the same plan and seed choose the same arrivals and quantities; they do
//! not fix the database's interleaving.

use serde::{Deserialize, Serialize};

use super::{FieldError, Quantity, ShopError, StrategyKey};

/// The most concurrent buyers of one run.
pub const BUYERS_MAX: u32 = 10_000;
/// The largest stock of a private lane.
pub const STOCK_MAX: u32 = 1_000_000;
/// The longest pause in the race window, in milliseconds: an open transaction may stand still no longer than this.
pub const RACE_WINDOW_MS_MAX: u32 = 2_000;
/// The most attempts of one buyer.
pub const ROUNDS_MAX: u32 = 1_000;
/// The most attempts of one run over all buyers.
pub const ATTEMPTS_MAX: u64 = 1_000_000;

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

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulationPlan {
    pub strategy: StrategyKey,
    /// Concurrent buyers.
    pub buyers: u32,
    /// Units on the private lane at the start; ignored when `product_id` names a shop product.
    pub stock: u32,
    /// Units that each attempt asks for.
    pub quantity: Quantity,
    /// Attempts of each buyer, one after the other.
    pub rounds: u32,
    /// Fixes the order of arrival.
    pub seed: u64,
    /// Pause between read and write, in milliseconds.
    pub race_window_ms: u32,
    pub journey: Journey,
    /// A shop product to sell in front of its shoppers; none: a private lane.
    pub product_id: Option<i64>,
}

impl SimulationPlan {
    /// The plan that the form shows at first: 33 buyers for 20 units.
    pub fn preset() -> Self {
        Self {
            strategy: StrategyKey::RowLock,
            buyers: 33,
            stock: 20,
            quantity: Quantity::ONE,
            rounds: 1,
            seed: 42,
            race_window_ms: 0,
            journey: Journey::Express,
            product_id: None,
        }
    }

    /// Attempts over all buyers.
    pub fn attempts(&self) -> u64 {
        u64::from(self.buyers) * u64::from(self.rounds)
    }

    /// Checks all limits at once.
    ///
    /// # Errors
    /// [`ShopError::FieldsInvalid`] with a sentence for each field that is out of range;
    /// [`ShopError::StrategyUnsafeHere`] for an unsafe strategy on a shop product.
    pub fn validate(self) -> Result<Self, ShopError> {
        let mut errors = Vec::new();
        let mut refuse = |field: &str, message: String| {
            errors.push(FieldError {
                field: field.to_owned(),
                message,
            });
        };
        if !(1..=BUYERS_MAX).contains(&self.buyers) {
            refuse("buyers", format!("Buyers must be from 1 to {BUYERS_MAX}."));
        }
        if self.stock > STOCK_MAX {
            refuse("stock", format!("Stock must be from 0 to {STOCK_MAX}."));
        }
        if !(1..=ROUNDS_MAX).contains(&self.rounds) {
            refuse("rounds", format!("Rounds must be from 1 to {ROUNDS_MAX}."));
        }
        if self.attempts() > ATTEMPTS_MAX {
            refuse(
                "rounds",
                format!("Buyers times rounds must not exceed {ATTEMPTS_MAX}."),
            );
        }
        if self.race_window_ms > RACE_WINDOW_MS_MAX {
            refuse(
                "race_window_ms",
                format!("The race window must be from 0 to {RACE_WINDOW_MS_MAX} ms."),
            );
        }
        if self.journey == Journey::Checkout && !self.strategy.can_hold() {
            refuse(
                "journey",
                format!(
                    "The strategy {} cannot set stock aside, as a checkout needs.",
                    self.strategy
                ),
            );
        }
        if !errors.is_empty() {
            return Err(ShopError::FieldsInvalid(errors));
        }
        if self.product_id.is_some() && !self.strategy.is_safe() {
            return Err(ShopError::StrategyUnsafeHere(self.strategy.to_string()));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_out_of_range_names_each_field() {
        let plan = SimulationPlan {
            buyers: 0,
            stock: STOCK_MAX + 1,
            rounds: 0,
            race_window_ms: RACE_WINDOW_MS_MAX + 1,
            ..SimulationPlan::preset()
        };
        let error = plan.validate().err();
        for field in ["buyers", "stock", "rounds", "race_window_ms"] {
            assert!(
                error.as_ref().and_then(|e| e.about_field(field)).is_some(),
                "{field}"
            );
        }
    }

    #[test]
    fn unsafe_strategies_stay_off_the_shop() {
        let plan = SimulationPlan {
            strategy: StrategyKey::Unguarded,
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
