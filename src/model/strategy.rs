//! The locking strategies: keys, safety and texts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::ShopError;

/// Declares [`StrategyKey`], with one entry per strategy: variant, key, safety, summary,
/// explanation, what to watch for under load, and the decisive part of its SQL.
macro_rules! strategies {
    ($($(#[$about:meta])* $variant:ident = $key:literal, $safety:ident, $summary:literal, $explanation:literal,
        $watch_for:literal, $decisive:literal;)*) => {
        /// A locking strategy. The code is in `shop::inventory::strategies`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum StrategyKey {
            $($(#[$about])* $variant,)*
        }

        impl StrategyKey {
            /// Every strategy, safe ones first.
            pub const ALL: [Self; [$($key),*].len()] = [$(Self::$variant),*];

            /// The key in commands and requests.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $key,)*
                }
            }

            /// True if it never oversells, never undersells and never loses an acknowledged order,
            /// on one server or on several.
            pub const fn is_safe(self) -> bool {
                match self {
                    $(Self::$variant => matches!(Safety::$safety, Safety::Safe),)*
                }
            }

            /// One sentence for lists.
            pub const fn summary(self) -> &'static str {
                match self {
                    $(Self::$variant => $summary,)*
                }
            }

            /// How it works.
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation,)*
                }
            }

            /// What to watch for under load.
            pub const fn watch_for(self) -> &'static str {
                match self {
                    $(Self::$variant => $watch_for,)*
                }
            }

            /// The decisive part of its SQL.
            pub const fn decisive(self) -> &'static str {
                match self {
                    $(Self::$variant => $decisive,)*
                }
            }
        }
    };
}

/// A strategy's safety, as in the table.
enum Safety {
    Safe,
    Unsafe,
}

strategies! {
    /// `SELECT … FOR UPDATE`, check, update.
    RowLock = "row-lock", Safe,
        "locks the stock row with SELECT … FOR UPDATE, checks, then updates it",
        "Each buyer locks the stock row with SELECT … FOR UPDATE, checks it, and updates it. The others wait; \
         no other transaction can change the row between read and write.",
        "One buyer holds the row lock, all others wait in the lock queue. Stock falls evenly; the last in the queue wait longest.",
        "FOR UPDATE";
    /// The same with `NOWAIT`, retried.
    RowLockNowait = "row-lock-nowait", Safe,
        "locks the stock row or fails at once with NOWAIT, and retries after a random backoff",
        "Each buyer tries to lock the stock row. If another holds the lock, the statement fails at once and the buyer \
         retries after a random backoff. No buyer waits in the database; most tries fail.",
        "No lock queue, but many retries; chance decides which buyer is next.",
        "FOR UPDATE NOWAIT";
    /// `UPDATE … WHERE available >= n`; the number of affected rows decides.
    ConditionalUpdate = "conditional-update", Safe,
        "updates the row only if enough is available; the affected rows decide",
        "Each buyer sends one UPDATE that matches only while enough is available. After a wait, the database evaluates \
         the condition again on the new row; if no row matches, the purchase is rejected.",
        "The lock queue is as long as with a row lock, but each buyer holds the lock for one statement less.",
        "stock.available >=";
    /// An unchecked decrement, which a constraint rejects.
    CheckConstraint = "check-constraint", Safe,
        "subtracts unchecked, and lets a CHECK constraint reject a negative stock",
        "Each buyer subtracts without a check. A CHECK constraint on the row rejects a counter below zero, \
         and the whole purchase is rolled back.",
        "Every buyer writes first and checks afterwards: a rejected purchase has done all of its work for nothing.",
        "UPDATE stock SET";
    /// Version compare-and-swap, retried.
    Optimistic = "optimistic", Safe,
        "writes only if the row's version is still the one that was read, and retries otherwise",
        "Each buyer reads the row with its version, and writes only if the version is unchanged. Otherwise the buyer \
         rolls back and retries.",
        "No buyer waits before the write. Retries rise while many read the same version; buyers that lose too often fall back to the row lock.",
        "stock.version =";
    /// `SERIALIZABLE`, retried on 40001.
    Serializable = "serializable", Safe,
        "reads and writes under SERIALIZABLE, and retries when the database detects a conflict",
        "Each buyer reads and writes as if no other transaction were running. The database tracks reads and writes, and aborts \
         transactions that could not have run one after the other; they retry.",
        "Aborts instead of waits: each retry repeats a whole purchase, and some buyers fall back to the row lock.",
        "ISOLATION LEVEL SERIALIZABLE";
    /// `pg_advisory_xact_lock` around a conditional write.
    AdvisoryLock = "advisory-lock", Safe,
        "waits for an advisory lock of the product, then updates conditionally",
        "Each buyer takes an advisory lock with the product’s id, and then updates the row conditionally. Buyers \
         wait for the advisory lock instead of the row.",
        "The same queue as with a row lock, but at the advisory lock: buyers hardly ever wait for the stock row.",
        "pg_advisory_xact_lock";
    /// One row a unit, `FOR UPDATE SKIP LOCKED`.
    SkipLockedUnits = "skip-locked-units", Safe,
        "stores one row per unit, and takes rows that are not locked with SKIP LOCKED",
        "Each unit is a row. Each buyer takes a row that no other transaction has locked, so no buyer waits; \
         only for the last units, buyers wait for locked rows.",
        "Hardly any waits while enough units remain, and a short queue for the last ones.",
        "SKIP LOCKED";
    /// Stock split over several rows.
    Buckets = "buckets", Safe,
        "splits the stock into several rows, so that buyers lock different rows",
        "The stock is split into eight rows, and each buyer takes units from an unlocked one. When no bucket has enough, \
         a buyer locks all of them and takes the remaining units.",
        "Several short lock queues instead of one long queue. Towards the end the buckets run out one by one, and buyers use the others.",
        "SKIP LOCKED";
    /// One statement does it all in one round trip.
    SingleStatement = "single-statement", Safe,
        "takes the stock and writes order, line, movement and key in one statement, one round trip",
        "Each buyer sends one statement that takes the stock and writes order, line, movement and key. The row is never \
         locked while the database waits for the buyer’s next statement.",
        "The lock queue moves fast: the lock is released without another round trip.",
        "UPDATE stock s SET";
    /// One procedure that releases the row lock before the WAL flush.
    EarlyRelease = "early-release", Safe,
        "releases the row lock before the commit is on disk, and responds after a later flush",
        "Each purchase commits without waiting for the disk, which releases the row lock at once; the response waits for \
         a later WAL flush, which many purchases share.",
        "Hardly any lock waits; most of the time is the wait for the shared flush to disk.",
        "CALL purchase_early_release";
    /// One writer takes many waiting orders in one transaction.
    MicroBatch = "micro-batch", Safe,
        "lets one writer process all queued purchases in one transaction, and responds after its commit",
        "Purchases queue in the server’s memory. One writer takes the whole queue, locks the row once, and commits \
         once; then each buyer gets a response.",
        "No lock queue in the database. Successes come in bursts, one per batch.",
        "UPDATE stock s SET";
    /// A lock in the server's memory: safe on one server only.
    ProcessMutex = "process-mutex", Unsafe,
        "locks in the server's memory: works on one server, oversells on two",
        "Each buyer takes a lock in the server’s memory, reads, compares and writes. On one server this works; a second \
         server has its own lock, and both sell the same unit.",
        "It works like a row lock until buyers use a second server.",
        "UPDATE stock SET available = $1";
    /// Read, compare, then subtract unchecked.
    BlindDecrement = "blind-decrement", Unsafe,
        "reads, compares in the application and subtracts unchecked: the stock falls below zero",
        "Each buyer reads the stock, compares, and then subtracts from the current value. Two buyers that read the last unit \
         both subtract it: the counter falls below zero.",
        "A stock counter that falls below zero.",
        "UPDATE stock SET";
    /// Read, compare in the application, write the new value.
    Unguarded = "unguarded", Unsafe,
        "reads, compares in the application and writes the new value back: loses updates",
        "Each buyer reads the stock, compares, and writes back the new value. Two buyers that read the same value \
         write the same value: the counter loses one of the two sales, but both orders exist.",
        "The stock hardly falls while successes exceed it: each lost update sells a unit twice.",
        "UPDATE stock SET available = $1";
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
    /// True if the strategy can also reserve stock, which a checkout needs.
    pub const fn can_hold(self) -> bool {
        matches!(
            self,
            Self::RowLock | Self::ConditionalUpdate | Self::MicroBatch
        )
    }

    /// The stock layout that the strategy needs.
    pub const fn layout(self) -> StockLayout {
        match self {
            Self::Buckets => StockLayout::Buckets,
            Self::SkipLockedUnits => StockLayout::Units,
            _ => StockLayout::Row,
        }
    }

    /// True if the strategy can sell a shop product; otherwise only private lanes of the workbench.
    pub const fn may_sell_in_shop(self) -> bool {
        self.is_safe() && matches!(self.layout(), StockLayout::Row)
    }
}

impl StrategyKey {
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

    /// Its safety and where it can sell, in a few words.
    pub const fn standing(self) -> &'static str {
        if !self.is_safe() {
            "unsafe"
        } else if self.may_sell_in_shop() {
            "safe"
        } else {
            "safe, lanes only"
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
    fn a_strategy_that_sells_shop_products_is_safe() {
        for strategy in StrategyKey::ALL {
            assert!(strategy.is_safe() || !strategy.may_sell_in_shop());
            assert!(strategy.may_sell_in_shop() || !strategy.can_hold());
        }
    }
}
