//! The ready-made stories.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{IsolationChoice, Role, StoryBuyer, locks_stock, reads_stock, writes_stock};
use crate::model::{DatabaseEngine, ShopError, StrategyKey};

/// A concurrency situation that the stepper demonstrates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Story {
    LostUpdate,
    NegativeStock,
    RowLock,
    ConditionalUpdate,
    VersionConflict,
    /// InnoDB only: queries read a snapshot, and locking reads and writes the newest row.
    RepeatableRead,
    SerializableAbort,
    Deadlock,
    DeadlockCure,
    /// InnoDB only: at REPEATABLE READ, reservations that share no row lock each other's gaps.
    GapLocks,
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

const REPEATABLE_READ: [Role; 3] = [
    Role::Buyer(StoryBuyer::of(StrategyKey::RowLock)),
    Role::Buyer(StoryBuyer {
        strategy: StrategyKey::RowLock,
        units: 3,
        isolation: IsolationChoice::RepeatableRead,
    }),
    Role::Buyer(StoryBuyer {
        strategy: StrategyKey::Unguarded,
        units: 3,
        isolation: IsolationChoice::RepeatableRead,
    }),
];

const EXPIRED_HOLD: [Role; 3] = [
    Role::Payment,
    Role::Buyer(StoryBuyer::of(StrategyKey::RowLock)),
    Role::Sweeper,
];

const fn two(strategy: StrategyKey) -> [Role; 2] {
    [Role::Buyer(StoryBuyer::of(strategy)); 2]
}

impl Story {
    /// The ready-made stories of PostgreSQL, in workshop order.
    const ON_POSTGRES: [Self; 9] = [
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

    /// The same for InnoDB: these, and those that only InnoDB has.
    const ON_INNODB: [Self; 11] = [
        Self::LostUpdate,
        Self::NegativeStock,
        Self::RowLock,
        Self::ConditionalUpdate,
        Self::VersionConflict,
        Self::RepeatableRead,
        Self::SerializableAbort,
        Self::Deadlock,
        Self::DeadlockCure,
        Self::GapLocks,
        Self::ExpiredHold,
    ];

    /// The ready-made stories of an engine, in workshop order.
    pub const fn ready_made(engine: DatabaseEngine) -> &'static [Self] {
        match engine {
            DatabaseEngine::Postgres => &Self::ON_POSTGRES,
            DatabaseEngine::MySql => &Self::ON_INNODB,
        }
    }

    /// Checks that the story can be played on an engine.
    ///
    /// # Errors
    /// [`ShopError::StoryNotOnEngine`].
    pub fn check_runs_on(self, engine: DatabaseEngine) -> Result<(), ShopError> {
        if self == Self::Own || Self::ready_made(engine).contains(&self) {
            return Ok(());
        }
        Err(ShopError::StoryNotOnEngine {
            engine: engine.name().to_owned(),
        })
    }

    /// The name in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LostUpdate => "lost-update",
            Self::NegativeStock => "negative-stock",
            Self::RowLock => "row-lock",
            Self::ConditionalUpdate => "conditional-update",
            Self::VersionConflict => "version-conflict",
            Self::RepeatableRead => "repeatable-read",
            Self::SerializableAbort => "serializable-abort",
            Self::Deadlock => "deadlock",
            Self::DeadlockCure => "deadlock-cure",
            Self::GapLocks => "gap-locks",
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
            Self::RepeatableRead => &REPEATABLE_READ,
            Self::SerializableAbort => &SERIALIZABLE,
            Self::Deadlock => &[Role::CartInAddedOrder; 2],
            Self::DeadlockCure => &[Role::CartInIdOrder; 2],
            Self::GapLocks => &[Role::Shopper; 2],
            Self::ExpiredHold => &EXPIRED_HOLD,
            Self::Own => &[],
        }
    }

    /// Initial units of each product.
    pub const fn stock(self) -> u32 {
        match self {
            Self::VersionConflict | Self::SerializableAbort => 2,
            Self::RepeatableRead => 3,
            Self::Deadlock | Self::DeadlockCure => 5,
            _ => 1,
        }
    }

    /// The number of products.
    pub const fn products(self) -> usize {
        match self {
            Self::Deadlock | Self::DeadlockCure | Self::GapLocks => 2,
            _ => 1,
        }
    }

    /// True if `sql` is a statement to highlight in the story.
    pub fn highlights(self, sql: &str) -> bool {
        match self {
            Self::LostUpdate
            | Self::NegativeStock
            | Self::ConditionalUpdate
            | Self::VersionConflict
            | Self::SerializableAbort => writes_stock(sql),
            Self::RowLock | Self::Deadlock | Self::DeadlockCure | Self::ExpiredHold => {
                locks_stock(sql)
            }
            Self::RepeatableRead => reads_stock(sql) || writes_stock(sql),
            Self::GapLocks => {
                sql.starts_with("INSERT INTO `hold`")
                    || (sql.contains("FROM `hold`") && sql.ends_with("FOR UPDATE"))
            }
            Self::Own => writes_stock(sql) || locks_stock(sql),
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
            // The strategy whose update is lost.
            Self::RepeatableRead => Some("src/shop/inventory/strategies/unguarded.rs"),
            Self::SerializableAbort => Some("src/shop/inventory/strategies/serializable.rs"),
            Self::Deadlock => Some("src/simulation/stepper/cart.rs"),
            Self::DeadlockCure => Some("src/db/locks.rs"),
            Self::GapLocks => Some("src/shop/holds/reconcile.rs"),
            Self::ExpiredHold => Some("src/shop/settlement.rs"),
            Self::Own => None,
        }
    }
}

impl FromStr for Story {
    type Err = ShopError;

    fn from_str(text: &str) -> Result<Self, ShopError> {
        let mut all = Self::ON_INNODB.into_iter().chain([Self::Own]);
        all.find(|story| story.as_str() == text)
            .ok_or(ShopError::UnknownStory)
    }
}
