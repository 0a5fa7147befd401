//! The ready-made stories.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Role, Seat};
use crate::model::{ShopError, StrategyKey};

/// A situation, and what there is to see in it.
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
    /// The attendee's own.
    Own,
}

const UNGUARDED: [Role; 2] = two(StrategyKey::Unguarded);
const BLIND: [Role; 2] = two(StrategyKey::BlindDecrement);
const ROW_LOCK: [Role; 2] = two(StrategyKey::RowLock);
const CONDITIONAL: [Role; 2] = two(StrategyKey::ConditionalUpdate);
const OPTIMISTIC: [Role; 2] = two(StrategyKey::Optimistic);
const SERIALIZABLE: [Role; 2] = two(StrategyKey::Serializable);

const LATE: [Role; 3] = [
    Role::Payment,
    Role::Buyer(Seat::of(StrategyKey::RowLock)),
    Role::Sweeper,
];

const fn two(strategy: StrategyKey) -> [Role; 2] {
    [Role::Buyer(Seat::of(strategy)); 2]
}

impl Story {
    /// The ready-made ones, in the order in which a workshop tells them.
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

    /// As an address spells it.
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

    /// Who takes part; nobody yet in the attendee's own.
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Self::LostUpdate => &UNGUARDED,
            Self::NegativeStock => &BLIND,
            Self::RowLock => &ROW_LOCK,
            Self::ConditionalUpdate => &CONDITIONAL,
            Self::VersionConflict => &OPTIMISTIC,
            Self::SerializableAbort => &SERIALIZABLE,
            Self::Deadlock => &[Role::CartAsItComes; 2],
            Self::DeadlockCure => &[Role::CartInOrder; 2],
            Self::ExpiredHold => &LATE,
            Self::Own => &[],
        }
    }

    /// Units on each shelf.
    pub const fn stock(self) -> u32 {
        match self {
            Self::VersionConflict | Self::SerializableAbort => 2,
            Self::Deadlock | Self::DeadlockCure => 5,
            _ => 1,
        }
    }

    /// Products that are sold.
    pub const fn products(self) -> usize {
        match self {
            Self::Deadlock | Self::DeadlockCure => 2,
            _ => 1,
        }
    }

    /// Who goes when the story plays by itself, to its end.
    pub const fn script(self) -> &'static str {
        match self {
            // Both read; one writes; the other writes what it had reckoned.
            Self::LostUpdate | Self::NegativeStock => "aaabbbaaaaabbbbb",
            // The second waits at its lock, and is refused under it.
            Self::RowLock => "aaabbbaaaaab",
            // The second waits in its update, which then matches no row; it looks once more under a lock.
            Self::ConditionalUpdate => "aaabbbaaaabb",
            // Both read; the second finds another version (or is aborted), rolls back, and begins anew.
            Self::VersionConflict | Self::SerializableAbort => "aaabbbaaaaabbbbbbbbbb",
            // Each has one row and wants the other's. B closes the circle, is ended, rolls back, and begins anew when A is done.
            Self::Deadlock => "aaabbbabbaaaaabbbbbbbbb",
            // B waits at the first lock, and goes through when A has committed.
            Self::DeadlockCure => "aabbaaaaaabbbbbb",
            // The sweeper takes the hold back, the buyer takes the unit while the payment waits at the row.
            Self::ExpiredHold => "ccccccccbbbaaaaaaaabbbbbaaaaa",
            Self::Own => "",
        }
    }

    /// Whether `sql` is a statement that the story is about.
    pub fn is_about(self, sql: &str) -> bool {
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

    /// The file in which the story's way of taking stock stands.
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
