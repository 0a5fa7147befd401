//! The names of the locking strategies.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::ShopError;

/// Makes [`StrategyKey`], with one entry a strategy: variant, key, whether it is safe, one sentence for lists, how it works,
/// what there is to see when many buy by it, and the words of its statements that decide.
macro_rules! strategies {
    ($($(#[$about:meta])* $variant:ident = $key:literal, $safety:ident, $summary:literal, $explanation:literal,
        $watch_for:literal, $decisive:literal;)*) => {
        /// A way of taking stock. The code of each stands in `shop::inventory::strategies`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum StrategyKey {
            $($(#[$about])* $variant,)*
        }

        impl StrategyKey {
            /// Every strategy, safe ones first.
            pub const ALL: [Self; [$($key),*].len()] = [$(Self::$variant),*];

            /// The key, as commands and requests spell it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $key,)*
                }
            }

            /// True when it never oversells, never undersells, and loses no acknowledged order, on one server or on many.
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

            /// How it works, for somebody who watches it.
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation,)*
                }
            }

            /// What there is to see when many buy by it.
            pub const fn watch_for(self) -> &'static str {
                match self {
                    $(Self::$variant => $watch_for,)*
                }
            }

            /// The words that decide, in the statement where they stand.
            pub const fn decisive(self) -> &'static str {
                match self {
                    $(Self::$variant => $decisive,)*
                }
            }
        }
    };
}

/// What a line of the table says.
enum Safety {
    Safe,
    Unsafe,
}

strategies! {
    /// `SELECT … FOR UPDATE`, check, update.
    RowLock = "row-lock", Safe,
        "locks the stock row with SELECT … FOR UPDATE, checks, then updates it",
        "Each buyer locks the stock row with SELECT … FOR UPDATE, checks it, and updates it. The others wait in line; \
         nobody can change what was read before it is written.",
        "One buyer holds the row, all others stand in line. The stock falls evenly, and the last in line wait longest.",
        "FOR UPDATE";
    /// The same with `NOWAIT`, retried.
    RowLockNowait = "row-lock-nowait", Safe,
        "locks the stock row or fails at once with NOWAIT, and tries again after a random pause",
        "Each buyer tries to lock the stock row, and leaves at once if somebody else has it, to come back after a random \
         pause. Nobody waits in the database; most attempts are misses.",
        "No line at the lock, but many retries: buyers come back again and again, and luck decides who is next.",
        "FOR UPDATE NOWAIT";
    /// `UPDATE … WHERE available >= n`; the number of affected rows decides.
    ConditionalUpdate = "conditional-update", Safe,
        "updates the row only where enough is available; the affected rows decide",
        "Each buyer sends one UPDATE that only matches while enough is available. Whoever waited has the condition \
         evaluated again on the new row; no matching row means a refusal.",
        "The line is as long as with a row lock, but each stands in it for one statement less.",
        "stock.available >=";
    /// An unchecked decrement, which a constraint rejects.
    CheckConstraint = "check-constraint", Safe,
        "subtracts unchecked, and lets the database's CHECK constraint reject what is not there",
        "Each buyer subtracts without looking. A CHECK constraint on the row refuses to let the counter go below zero, \
         and takes the whole purchase back.",
        "Everybody writes first and is corrected afterwards: whoever comes too late has done the whole work in vain.",
        "UPDATE stock SET";
    /// Version compare-and-swap, retried.
    Optimistic = "optimistic", Safe,
        "writes only if the row's version is still the one that was read, and tries again if not",
        "Each buyer reads the row with its version, and writes only if the version is still the same. Whoever was \
         overtaken has worked in vain, and begins anew.",
        "Nobody waits before writing. Retries shoot up while many read the same version, and those who lose too often fall back to the row lock.",
        "stock.version =";
    /// `SERIALIZABLE`, retried on 40001.
    Serializable = "serializable", Safe,
        "reads and writes under SERIALIZABLE, and tries again when the database finds a conflict",
        "Each buyer reads and writes as if alone. The database watches who read what, and aborts those whose purchases \
         could not have happened one after the other; they begin anew.",
        "Aborts instead of waiting: retries, each a whole purchase that was thrown away, and some fall back to the row lock.",
        "ISOLATION LEVEL SERIALIZABLE";
    /// `pg_advisory_xact_lock` around a conditional write.
    AdvisoryLock = "advisory-lock", Safe,
        "queues for an advisory lock named after the product, then updates conditionally",
        "Each buyer queues for a lock that is only a name, the product’s, and then updates the row on condition. The \
         queue stands beside the row instead of at it.",
        "The same line as with a row lock, beside the row: the stock row itself is hardly ever waited for.",
        "pg_advisory_xact_lock";
    /// One row a unit, `FOR UPDATE SKIP LOCKED`.
    SkipLockedUnits = "skip-locked-units", Safe,
        "keeps one row for each unit, and takes those that nobody else is taking with SKIP LOCKED",
        "Each unit is a row of its own. Each buyer takes one that nobody else is taking, so nobody waits; only at the \
         very end does one wait for those that are still in other hands.",
        "Hardly any waiting while there are units enough, and a short pile-up at the very last ones.",
        "SKIP LOCKED";
    /// Stock split over several rows.
    Buckets = "buckets", Safe,
        "splits the stock over several rows, so that buyers queue at different ones",
        "The stock is split over eight rows, and each buyer goes to one where nobody stands. When the buckets run dry, \
         a buyer locks them all, and takes what is left wherever it is.",
        "Several short lines instead of a long one. Towards the end the buckets run dry one by one, and buyers move on.",
        "SKIP LOCKED";
    /// One statement does it all in one round trip.
    SingleStatement = "single-statement", Safe,
        "takes the stock and writes order, line, movement and key in one statement, one round trip",
        "Each buyer sends one statement that takes the stock and writes order, line, movement and key. The row is never \
         locked while the database waits for the buyer’s next word.",
        "The line moves fast: the row is let go without another word from the buyer.",
        "UPDATE stock s SET";
    /// One procedure that lets the row go before its flush.
    EarlyRelease = "early-release", Safe,
        "lets the row go before the commit is on disk, and answers once a later flush has put it there",
        "Each buyer’s purchase commits without waiting for the disk, which lets the row go at once; the answer waits for \
         a later flush, which many share.",
        "Hardly any waiting for the lock; most of the time is the wait for the disk, which many share.",
        "CALL purchase_early_release";
    /// One writer takes many waiting orders in one transaction.
    MicroBatch = "micro-batch", Safe,
        "lets one writer take all waiting orders in one transaction, and answers each after its commit",
        "Buyers queue in the server’s memory. One writer takes all who wait, locks the row once for them, and commits \
         once; then each gets an answer.",
        "No line in the database at all. Successes come in bursts, one for each batch.",
        "UPDATE stock s SET";
    /// A lock in the server's memory: safe on one server only.
    ProcessMutex = "process-mutex", Unsafe,
        "locks in the server's own memory: holds on one server, oversells on two",
        "Each buyer takes a lock in the server’s own memory, reads, compares and writes. On one server this holds; a second \
         server has another lock, and both sell the same unit.",
        "It looks like a row lock, and holds, until buyers come through a second server.",
        "UPDATE stock SET available = $1";
    /// Read, compare, then subtract unchecked.
    BlindDecrement = "blind-decrement", Unsafe,
        "reads, compares in the application and subtracts unchecked: goes below zero",
        "Each buyer reads the stock, compares, and then subtracts whatever is there by now. Two who saw the last unit \
         both subtract it: the counter goes below zero.",
        "Stock that falls through zero, and a counter that goes on below it.",
        "UPDATE stock SET";
    /// Read, compare in the application, write the new value.
    Unguarded = "unguarded", Unsafe,
        "reads, compares in the application and writes the new value back: loses updates",
        "Each buyer reads the stock, compares, and writes back what it read less its own. Two who read the same number \
         write the same number: one of the two sales is lost from the counter, and stays in the orders.",
        "Stock that hardly falls while successes climb past it: each lost update is a unit sold twice.",
        "UPDATE stock SET available = $1";
}

/// How the stock of a product is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StockLayout {
    /// One row with all of it.
    Row,
    /// Several rows with a part of it each.
    Buckets,
    /// One row for each unit.
    Units,
}

impl StockLayout {
    /// The layout, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Buckets => "buckets",
            Self::Units => "units",
        }
    }
}

impl StrategyKey {
    /// True when it can also set stock aside, as a checkout needs.
    pub const fn can_hold(self) -> bool {
        matches!(
            self,
            Self::RowLock | Self::ConditionalUpdate | Self::MicroBatch
        )
    }

    /// How it wants the stock laid out.
    pub const fn layout(self) -> StockLayout {
        match self {
            Self::Buckets => StockLayout::Buckets,
            Self::SkipLockedUnits => StockLayout::Units,
            _ => StockLayout::Row,
        }
    }

    /// True when it may sell a product of the shop, in front of its shoppers; if not, private lanes of the workbench alone.
    pub const fn may_sell_in_shop(self) -> bool {
        self.is_safe() && matches!(self.layout(), StockLayout::Row)
    }
}

impl StrategyKey {
    /// # Errors
    /// Why it may not sell a product of the shop.
    pub fn check_may_sell_in_shop(self) -> Result<(), ShopError> {
        if !self.is_safe() {
            Err(ShopError::StrategyUnsafeHere(self.to_string()))
        } else if self.may_sell_in_shop() {
            Ok(())
        } else {
            Err(ShopError::StrategyOfOtherLane(self.to_string()))
        }
    }

    /// Its safety and where it may sell, in a few words.
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
    fn every_key_reads_back() {
        for strategy in StrategyKey::ALL {
            assert_eq!(strategy.as_str().parse(), Ok(strategy));
        }
        assert_eq!(
            "row_lock".parse::<StrategyKey>(),
            Err(ShopError::StrategyUnknown)
        );
    }

    #[test]
    fn a_key_is_stored_as_it_is_spelled() {
        for strategy in StrategyKey::ALL {
            let stored = serde_json::to_value(strategy).ok();
            assert_eq!(stored, Some(strategy.as_str().into()));
        }
    }

    #[test]
    fn what_may_sell_in_the_shop_is_safe() {
        for strategy in StrategyKey::ALL {
            assert!(strategy.is_safe() || !strategy.may_sell_in_shop());
            assert!(strategy.may_sell_in_shop() || !strategy.can_hold());
        }
    }
}
