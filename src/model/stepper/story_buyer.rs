//! The buyers of a custom story.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::{Isolation, ShopError, StrategyKey};

/// The maximum buyers of one story.
pub const STORY_BUYERS_MAX: usize = 4;
/// The maximum stock of a story.
pub const STOCK_MAX: u32 = 100;
/// The maximum units of one buyer.
pub const UNITS_MAX: u32 = 10;

/// The isolation level of a buyer's transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsolationChoice {
    /// The strategy's own isolation level.
    #[default]
    AsStrategy,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl IsolationChoice {
    /// Every choice.
    pub const ALL: [Self; 4] = [
        Self::AsStrategy,
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::Serializable,
    ];

    /// The name in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsStrategy => "as-strategy",
            Self::ReadCommitted => "read-committed",
            Self::RepeatableRead => "repeatable-read",
            Self::Serializable => "serializable",
        }
    }

    /// The label on pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::AsStrategy => "strategy default",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }

    /// The isolation level of a buyer with `strategy`.
    pub const fn of(self, strategy: StrategyKey) -> &'static str {
        match (self, strategy.row().isolation) {
            (Self::AsStrategy, Isolation::ReadCommitted) => Self::ReadCommitted.label(),
            (Self::AsStrategy, Isolation::Serializable) => Self::Serializable.label(),
            (Self::AsStrategy, Isolation::RepeatableRead | Isolation::Snapshot) => {
                Self::RepeatableRead.label()
            }
            (chosen, _) => chosen.label(),
        }
    }
}

/// A buyer of a story: strategy, units and isolation level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryBuyer {
    pub strategy: StrategyKey,
    pub units: u32,
    pub isolation: IsolationChoice,
}

impl StoryBuyer {
    /// A buyer of one unit, at the strategy's isolation level.
    pub const fn of(strategy: StrategyKey) -> Self {
        Self {
            strategy,
            units: 1,
            isolation: IsolationChoice::AsStrategy,
        }
    }

    /// What the stepper cannot show of the strategy, or why the isolation level has no effect.
    pub const fn note(self) -> Option<&'static str> {
        self.strategy.row().stepper_note
    }
}

/// Formats as `row-lock`, `row-lock:2` or `row-lock:2:serializable`.
impl fmt::Display for StoryBuyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (strategy, level) = (self.strategy.as_str(), self.isolation.as_str());
        match (self.units, self.isolation) {
            (1, IsolationChoice::AsStrategy) => f.write_str(strategy),
            (units, IsolationChoice::AsStrategy) => write!(f, "{strategy}:{units}"),
            (units, _) => write!(f, "{strategy}:{units}:{level}"),
        }
    }
}

impl FromStr for StoryBuyer {
    type Err = ShopError;

    fn from_str(text: &str) -> Result<Self, ShopError> {
        let mut parts = text.trim().split(':');
        let strategy: StrategyKey = parts.next().unwrap_or_default().parse()?;
        if strategy.row().needs_redis {
            return Err(ShopError::Invalid(format!(
                "{strategy} waits for Redis between its statements, where the stepper cannot stop it."
            )));
        }
        let units = match parts.next() {
            None | Some("") => 1,
            Some(units) => units.parse().unwrap_or(0),
        };
        if !(1..=UNITS_MAX).contains(&units) {
            return Err(ShopError::Invalid(format!(
                "the units of a buyer must be from 1 to {UNITS_MAX}."
            )));
        }
        let level = parts.next().unwrap_or(IsolationChoice::AsStrategy.as_str());
        let isolation = IsolationChoice::ALL
            .into_iter()
            .find(|choice| choice.as_str() == level)
            .ok_or_else(|| ShopError::Invalid("unknown isolation level.".to_owned()))?;
        Ok(Self {
            strategy,
            units,
            isolation,
        })
    }
}
