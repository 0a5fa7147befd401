//! Who sits at the table of a story that the attendee makes up.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::{ShopError, StrategyKey};

/// Buyers of one story.
pub const SEATS_MAX: usize = 4;
/// Units on the shelf of a story.
pub const STOCK_MAX: u32 = 100;
/// Units that one buyer asks for.
pub const UNITS_MAX: u32 = 10;

/// The isolation level of a buyer's transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsolationChoice {
    /// What the strategy itself asks for.
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

    /// As an address spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsStrategy => "as-strategy",
            Self::ReadCommitted => "read-committed",
            Self::RepeatableRead => "repeatable-read",
            Self::Serializable => "serializable",
        }
    }

    /// As a form and a lane say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::AsStrategy => "as the strategy asks",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }

    /// The level that a buyer by `strategy` really gets.
    pub fn of(self, strategy: StrategyKey) -> &'static str {
        match (self, strategy) {
            (Self::AsStrategy, StrategyKey::Serializable) => Self::Serializable.words(),
            (Self::AsStrategy, _) => Self::ReadCommitted.words(),
            (chosen, _) => chosen.words(),
        }
    }
}

/// A buyer: how it buys, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub strategy: StrategyKey,
    pub units: u32,
    pub isolation: IsolationChoice,
}

impl Seat {
    /// A buyer of one unit, at the level that the strategy asks for.
    pub const fn of(strategy: StrategyKey) -> Self {
        Self {
            strategy,
            units: 1,
            isolation: IsolationChoice::AsStrategy,
        }
    }

    /// What the stepper cannot show of the strategy, or what the choice of a level does not change.
    pub const fn note(self) -> Option<&'static str> {
        match self.strategy {
            StrategyKey::ProcessMutex => Some(
                "Its lock is in a server’s memory. Each buyer here has a server of its own, so it keeps nobody out: as with two servers behind one shop.",
            ),
            StrategyKey::SingleStatement | StrategyKey::EarlyRelease => Some(
                "It is one statement, and a transaction by itself: there is no gap to step into, and the chosen level is not used for it.",
            ),
            StrategyKey::MicroBatch => Some(
                "Its writer takes whoever waits in one process. Here each buyer has a server of its own, and is a batch of one.",
            ),
            _ => None,
        }
    }
}

/// `row-lock`, `row-lock:2`, `row-lock:2:serializable`
impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (strategy, level) = (self.strategy.as_str(), self.isolation.as_str());
        match (self.units, self.isolation) {
            (1, IsolationChoice::AsStrategy) => f.write_str(strategy),
            (units, IsolationChoice::AsStrategy) => write!(f, "{strategy}:{units}"),
            (units, _) => write!(f, "{strategy}:{units}:{level}"),
        }
    }
}

impl FromStr for Seat {
    type Err = ShopError;

    fn from_str(text: &str) -> Result<Self, ShopError> {
        let mut parts = text.trim().split(':');
        let strategy = parts.next().unwrap_or_default().parse()?;
        let units = match parts.next() {
            None | Some("") => 1,
            Some(units) => units.parse().unwrap_or(0),
        };
        if !(1..=UNITS_MAX).contains(&units) {
            return Err(ShopError::Invalid(format!(
                "a buyer asks for 1 to {UNITS_MAX} units."
            )));
        }
        let level = parts.next().unwrap_or(IsolationChoice::AsStrategy.as_str());
        let isolation = IsolationChoice::ALL
            .into_iter()
            .find(|choice| choice.as_str() == level)
            .ok_or_else(|| ShopError::Invalid("there is no such isolation level.".to_owned()))?;
        Ok(Self {
            strategy,
            units,
            isolation,
        })
    }
}
