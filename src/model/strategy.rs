//! The names of the locking strategies.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::ShopError;

/// A way of taking stock. The code of each stands in `shop::inventory::strategies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKey {
    /// `SELECT … FOR UPDATE`, check, update.
    RowLock,
    /// `UPDATE … WHERE available >= n`; the number of affected rows decides.
    ConditionalUpdate,
    /// Read, compare in the application, write the new value: loses updates.
    Unguarded,
}

impl StrategyKey {
    /// Every strategy, safe ones first.
    pub const ALL: [Self; 3] = [Self::RowLock, Self::ConditionalUpdate, Self::Unguarded];

    /// The key, as commands and requests spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RowLock => "row-lock",
            Self::ConditionalUpdate => "conditional-update",
            Self::Unguarded => "unguarded",
        }
    }

    /// True when it never oversells, never undersells, and loses no acknowledged order.
    pub const fn is_safe(self) -> bool {
        match self {
            Self::RowLock | Self::ConditionalUpdate => true,
            Self::Unguarded => false,
        }
    }

    /// True when it can also set stock aside, as a checkout needs.
    pub const fn can_hold(self) -> bool {
        match self {
            Self::RowLock | Self::ConditionalUpdate => true,
            Self::Unguarded => false,
        }
    }

    /// One sentence for lists.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::RowLock => {
                "locks the stock row with SELECT … FOR UPDATE, checks, then updates it"
            }
            Self::ConditionalUpdate => {
                "updates the row only where enough is available; the affected rows decide"
            }
            Self::Unguarded => {
                "reads, compares in the application and writes the new value back: loses updates"
            }
        }
    }
}

impl fmt::Display for StrategyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StrategyKey {
    type Err = ShopError;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == key)
            .ok_or(ShopError::StrategyUnknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_reads_back() {
        for strategy in StrategyKey::ALL {
            assert_eq!(strategy.as_str().parse(), Ok(strategy));
        }
        assert_eq!(
            "row_lock".parse::<StrategyKey>(),
            Err(ShopError::StrategyUnknown)
        );
    }
}
