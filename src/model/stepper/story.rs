//! The ready-made stories.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Role, StoryBuyer};
use crate::model::{ShopError, StrategyKey};

/// A concurrency situation that the stepper demonstrates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Story {
    LostUpdate,
    NegativeStock,
    RowLock,
    ConditionalUpdate,
    VersionConflict,
    SerializableAbort,
    Deadlock,
    DeadlockCure,
    ExpiredHold,
    /// The attendee's custom story.
    Own,
}

const UNGUARDED: [Role; 2] = two(StrategyKey::Unguarded);
const BLIND: [Role; 2] = two(StrategyKey::BlindDecrement);
const ROW_LOCK: [Role; 2] = two(StrategyKey::RowLock);
const CONDITIONAL: [Role; 2] = two(StrategyKey::ConditionalUpdate);
const OPTIMISTIC: [Role; 2] = two(StrategyKey::Optimistic);
const SERIALIZABLE: [Role; 2] = two(StrategyKey::Serializable);

const EXPIRED_HOLD: [Role; 3] = [
    Role::Payment,
    Role::Buyer(StoryBuyer::of(StrategyKey::RowLock)),
    Role::Sweeper,
];

const fn two(strategy: StrategyKey) -> [Role; 2] {
    [Role::Buyer(StoryBuyer::of(strategy)); 2]
}

impl Story {
    /// The ready-made stories, in workshop order.
    pub const READY_MADE: [Self; 9] = [
        Self::LostUpdate,
        Self::NegativeStock,
        Self::RowLock,
        Self::ConditionalUpdate,
        Self::VersionConflict,
        Self::SerializableAbort,
        Self::Deadlock,
        Self::DeadlockCure,
        Self::ExpiredHold,
    ];

    /// The name in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LostUpdate => "lost-update",
            Self::NegativeStock => "negative-stock",
            Self::RowLock => "row-lock",
            Self::ConditionalUpdate => "conditional-update",
            Self::VersionConflict => "version-conflict",
            Self::SerializableAbort => "serializable-abort",
            Self::Deadlock => "deadlock",
            Self::DeadlockCure => "deadlock-cure",
            Self::ExpiredHold => "expired-hold",
            Self::Own => "own",
        }
    }

    /// The roles of the actors; empty for a custom story.
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Self::LostUpdate => &UNGUARDED,
            Self::NegativeStock => &BLIND,
            Self::RowLock => &ROW_LOCK,
            Self::ConditionalUpdate => &CONDITIONAL,
            Self::VersionConflict => &OPTIMISTIC,
            Self::SerializableAbort => &SERIALIZABLE,
            Self::Deadlock => &[Role::CartInAddedOrder; 2],
            Self::DeadlockCure => &[Role::CartInIdOrder; 2],
            Self::ExpiredHold => &EXPIRED_HOLD,
            Self::Own => &[],
        }
    }

    /// Initial units of each product.
    pub const fn stock(self) -> u32 {
        match self {
            Self::VersionConflict | Self::SerializableAbort => 2,
            Self::Deadlock | Self::DeadlockCure => 5,
            _ => 1,
        }
    }

    /// The number of products.
    pub const fn products(self) -> usize {
        match self {
            Self::Deadlock | Self::DeadlockCure => 2,
            _ => 1,
        }
    }

    /// The complete sequence of steps when the story plays automatically.
    pub const fn script(self) -> &'static str {
        match self {
            // Both read; one writes; the other overwrites it with a stale value.
            Self::LostUpdate | Self::NegativeStock => "aaabbbaaaaabbbbb",
            // The second waits for the row lock, and is rejected once it holds the lock.
            Self::RowLock => "aaabbbaaaaab",
            // The second's update waits and then affects no row; it checks again under a lock.
            Self::ConditionalUpdate => "aaabbbaaaabb",
            // Both read; the second finds another version (or is aborted), rolls back, and retries.
            Self::VersionConflict | Self::SerializableAbort => "aaabbbaaaaabbbbbbbbbb",
            // Each holds one row and waits for the other's. B closes the cycle, is aborted, rolls
            // back, and retries after A.
            Self::Deadlock => "aaabbbabbaaaaabbbbbbbbb",
            // B waits for the first lock, and continues once A has committed.
            Self::DeadlockCure => "aabbaaaaaabbbbbb",
            // The sweeper releases the hold; the buyer buys the unit while the payment waits for
            // the row.
            Self::ExpiredHold => "ccccccccbbbaaaaaaaabbbbbaaaaa",
            Self::Own => "",
        }
    }

    /// True if `sql` is a statement to highlight in the story.
    pub fn highlights(self, sql: &str) -> bool {
        let writes_stock = sql.starts_with("UPDATE \"stock\"");
        let locks_stock = sql.contains("FROM \"stock\"") && sql.ends_with("FOR UPDATE");
        match self {
            Self::LostUpdate
            | Self::NegativeStock
            | Self::ConditionalUpdate
            | Self::VersionConflict
            | Self::SerializableAbort => writes_stock,
            Self::RowLock | Self::Deadlock | Self::DeadlockCure | Self::ExpiredHold => locks_stock,
            Self::Own => writes_stock || locks_stock,
        }
    }

    /// The source file of the story's strategy.
    pub const fn source(self) -> Option<&'static str> {
        match self {
            Self::LostUpdate => Some("src/shop/inventory/strategies/unguarded.rs"),
            Self::NegativeStock => Some("src/shop/inventory/strategies/blind_decrement.rs"),
            Self::RowLock => Some("src/shop/inventory/strategies/row_lock.rs"),
            Self::ConditionalUpdate => Some("src/shop/inventory/strategies/conditional_update.rs"),
            Self::VersionConflict => Some("src/shop/inventory/strategies/optimistic.rs"),
            Self::SerializableAbort => Some("src/shop/inventory/strategies/serializable.rs"),
            Self::Deadlock => Some("src/simulation/stepper/cart.rs"),
            Self::DeadlockCure => Some("src/db/locks.rs"),
            Self::ExpiredHold => Some("src/shop/settlement.rs"),
            Self::Own => None,
        }
    }
}

impl FromStr for Story {
    type Err = ShopError;

    fn from_str(text: &str) -> Result<Self, ShopError> {
        let mut all = Self::READY_MADE.into_iter().chain([Self::Own]);
        all.find(|story| story.as_str() == text)
            .ok_or(ShopError::UnknownStory)
    }
}
