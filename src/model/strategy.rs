//! The locking strategies: their keys, and the registry, which has one row for each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{DatabaseEngine, Engines, Isolation, ShopError};

/// Makes [`StrategyKey`] from the rows of the registry.
macro_rules! strategies {
    ($($(#[$about:meta])* $variant:ident { $($field:ident: $value:expr,)* })*) => {
        use super::{QueueLocation, StockLayout, StrategyRow};
        use crate::model::{Engines, Isolation};

        /// A way of taking stock. The code of each is in `shop::inventory::strategies`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum StrategyKey {
            $($(#[$about])* $variant,)*
        }

        impl StrategyKey {
            /// Every strategy, in the order of the registry.
            pub const ALL: [Self; [$(stringify!($variant)),*].len()] = [$(Self::$variant),*];

            /// The strategy's row of the registry.
            pub const fn row(self) -> &'static StrategyRow {
                match self {
                    $(Self::$variant => &StrategyRow { $($field: $value),* },)*
                }
            }
        }
    };
}

#[cfg(test)]
mod line_differences;
mod line_style;
mod registry;

pub use line_style::LineStyle;
pub use registry::StrategyKey;

/// Why a strategy is not available without Redis.
const NEEDS_REDIS: &str = "without Redis: set REDIS_URL";

/// Everything that other code may know of a strategy.
#[derive(Debug)]
pub struct StrategyRow {
    /// The name in commands, requests, addresses and files.
    pub key: &'static str,
    /// The colour of its line on charts; see [`LineStyle`]. Unsafe strategies are red, and no safe
    /// one is.
    pub colour: &'static str,
    /// The same hue for a dark page.
    pub colour_dark: &'static str,
    /// The dashes of its line on charts; see [`LineStyle`].
    pub dash: &'static str,
    /// True if it never oversells, never undersells and loses no acknowledged order, on one server
    /// or on many.
    pub is_safe: bool,
    /// The stock layout that it needs.
    pub layout: StockLayout,
    /// The isolation level of its transactions.
    pub isolation: Isolation,
    /// True if it can also reserve stock, which a checkout needs.
    pub can_hold: bool,
    /// True if its purchase has a moment between read and write, inside its transaction. Without
    /// one, the pause of a race window is before its statement.
    pub has_race_window: bool,
    /// Where its buyers wait for each other.
    pub queue: QueueLocation,
    /// One clause for lists: "row-lock …".
    pub summary: &'static str,
    /// How it works.
    pub explanation: &'static str,
    /// What to watch for under load.
    pub watch_for: &'static str,
    /// When to choose it.
    pub choose_it_when: &'static str,
    /// The part of its SQL that decides whether a unit is sold, as it is in a statement of its
    /// snapshot; if the application decides, the part that takes the unit. One literal, on one
    /// line.
    pub decisive: &'static str,
    /// The same for MySQL and MariaDB, if it is another part there.
    pub decisive_on_mysql: Option<&'static str>,
    /// What it does in the application besides sending its statements: a script of the statements
    /// alone, as the benchmark gives to pgbench, cannot be compared with it.
    pub application_part: Option<&'static str>,
    /// What the stepper cannot show of it.
    pub stepper_note: Option<&'static str>,
    /// The database engines that it runs on.
    pub engines: Engines,
    /// True if it needs Redis: without `REDIS_URL` it is listed, and not available.
    pub needs_redis: bool,
}

/// Where buyers wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLocation {
    /// At a lock of the database, where the lock view finds them.
    Database,
    /// In the memory of the server process, which the database cannot see.
    ServerMemory,
}

/// How a product's stock is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StockLayout {
    /// One row with all units.
    Row,
    /// Several rows with a part of the units each.
    Buckets,
    /// One row per unit.
    Units,
}

impl StockLayout {
    /// The stored text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Buckets => "buckets",
            Self::Units => "units",
        }
    }
}

impl StrategyKey {
    /// The strategy of the shop, of a plan and of a lane for which no other one is chosen.
    pub const DEFAULT: Self = Self::RowLock;

    /// The key, as commands and requests spell it.
    pub const fn as_str(self) -> &'static str {
        self.row().key
    }

    /// How its line looks on charts.
    pub const fn line(self) -> LineStyle {
        let row = self.row();
        LineStyle {
            colour: row.colour,
            colour_dark: row.colour_dark,
            dash: row.dash,
        }
    }

    /// The style rules of all lines, for a document that follows the reader's colour scheme.
    pub fn themed_line_rules() -> String {
        line_style::themed_rules(&Self::ALL.map(|key| (key.as_str(), key.line())))
    }

    /// The style rules of all lines, for a picture on a light ground.
    pub fn light_line_rules() -> String {
        line_style::light_rules(&Self::ALL.map(|key| (key.as_str(), key.line())))
    }

    /// See [`StrategyRow::is_safe`].
    pub const fn is_safe(self) -> bool {
        self.row().is_safe
    }

    /// `safe` or `unsafe`.
    pub const fn safety(self) -> &'static str {
        if self.is_safe() { "safe" } else { "unsafe" }
    }

    /// Its safety, and where it can sell if not everywhere, for a list to choose from.
    pub const fn safety_and_place(self) -> &'static str {
        match (self.is_safe(), self.may_sell_in_shop()) {
            (true, false) => "safe, lanes only",
            _ => self.safety(),
        }
    }

    /// True if the strategy can sell a shop product; otherwise only private lanes of the workbench.
    pub const fn may_sell_in_shop(self) -> bool {
        self.is_safe() && matches!(self.row().layout, StockLayout::Row)
    }

    /// The part of its SQL that decides whether a unit is sold, on a database engine.
    pub fn decisive_on(self, engine: DatabaseEngine) -> &'static str {
        let row = self.row();
        match engine {
            DatabaseEngine::Postgres => row.decisive,
            DatabaseEngine::MySql => row.decisive_on_mysql.unwrap_or(row.decisive),
        }
    }

    /// Why the strategy is not available on this engine, with Redis or without, as a page or a list
    /// says it; `None` if it is available.
    pub fn reason_against(self, engine: DatabaseEngine, has_redis: bool) -> Option<String> {
        let row = self.row();
        match row.engines.reason_against(engine) {
            Some(reason) => Some(format!("on {}: {reason}", engine.name())),
            None if row.needs_redis && !has_redis => Some(NEEDS_REDIS.to_owned()),
            None => None,
        }
    }

    /// Checks that the strategy runs on a database engine, with Redis or without.
    ///
    /// # Errors
    /// [`ShopError::StrategyNotOnEngine`] or [`ShopError::StrategyNeedsRedis`].
    pub fn check_runs_on(self, engine: DatabaseEngine, has_redis: bool) -> Result<(), ShopError> {
        match self.row().engines.reason_against(engine) {
            None if self.row().needs_redis && !has_redis => Err(self.needs_redis()),
            None => Ok(()),
            Some(reason) => Err(ShopError::StrategyNotOnEngine {
                strategy: self.to_string(),
                engine: engine.name().to_owned(),
                reason: reason.to_owned(),
            }),
        }
    }

    /// Builds the refusal of a strategy that needs Redis where there is none.
    pub fn needs_redis(self) -> ShopError {
        ShopError::StrategyNeedsRedis(self.to_string())
    }

    /// Checks that the strategy can sell a shop product.
    ///
    /// # Errors
    /// [`ShopError::StrategyUnsafe`] or [`ShopError::StrategyLaneOnly`].
    pub fn check_may_sell_in_shop(self) -> Result<(), ShopError> {
        if !self.is_safe() {
            Err(ShopError::StrategyUnsafe(self.to_string()))
        } else if self.may_sell_in_shop() {
            Ok(())
        } else {
            Err(ShopError::StrategyLaneOnly(self.to_string()))
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
    fn every_key_parses_to_its_strategy() {
        for strategy in StrategyKey::ALL {
            assert_eq!(strategy.as_str().parse(), Ok(strategy));
        }
        assert_eq!(
            "row_lock".parse::<StrategyKey>(),
            Err(ShopError::StrategyUnknown)
        );
    }

    #[test]
    fn a_key_is_serialized_as_its_text() {
        for strategy in StrategyKey::ALL {
            let stored = serde_json::to_value(strategy).ok();
            assert_eq!(stored, Some(strategy.as_str().into()));
        }
    }

    #[test]
    fn a_strategy_that_needs_redis_is_available_only_with_it() {
        for strategy in StrategyKey::ALL {
            let engine = DatabaseEngine::Postgres;
            assert_eq!(strategy.check_runs_on(engine, true), Ok(()));
            assert_eq!(strategy.reason_against(engine, true), None);
            let without = strategy.reason_against(engine, false);
            assert_eq!(without.is_some(), strategy.row().needs_redis, "{strategy}");
            let refused = strategy.check_runs_on(engine, false);
            assert_eq!(refused.is_err(), strategy.row().needs_redis, "{strategy}");
        }
    }

    #[test]
    fn a_strategy_that_sells_shop_products_is_safe() {
        for strategy in StrategyKey::ALL {
            assert!(strategy.is_safe() || !strategy.may_sell_in_shop());
            assert!(strategy.may_sell_in_shop() || !strategy.row().can_hold);
        }
    }
}
