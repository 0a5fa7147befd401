//! The order of the steps in which a story plays automatically.
//!
//! The scripts of the engines differ, because on MySQL and MariaDB an update or an insert whose row
//! is needed is followed by a query; and where the engines lock in different ways.

use super::Story;
use crate::model::DatabaseEngine;

impl Story {
    /// The complete sequence of steps when the story plays automatically.
    pub const fn script(self, engine: DatabaseEngine) -> &'static str {
        match engine {
            DatabaseEngine::Postgres => self.postgres_script(),
            DatabaseEngine::MySql => self.innodb_script(),
        }
    }

    const fn postgres_script(self) -> &'static str {
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
            Self::RepeatableRead | Self::GapLocks | Self::Own => "",
        }
    }

    const fn innodb_script(self) -> &'static str {
        match self {
            Self::LostUpdate => "aaabbbaaaaaabbbbbb",
            Self::NegativeStock => "aaabbbaaaaaaabbbbbbb",
            Self::RowLock => "aaabbbaaaaaaab",
            Self::ConditionalUpdate => "aaabbbaaaaaabb",
            Self::VersionConflict => "aaabbbaaaaaaabbbbbbbbbbbb",
            // B and C begin, and read a product, which takes their snapshots. A buys. B locks the
            // newest row and is rejected; C reads its snapshot and overwrites A's sale.
            Self::RepeatableRead => "bbccaaaaaaaaaabbccccccc",
            // Both read, and so lock. A's update waits for B; B's update closes the cycle, and B is
            // aborted. Its retry waits for A, already when it reads.
            Self::SerializableAbort => "aaabbbabbbbbaaaaaabbbbbbb",
            Self::Deadlock => "aaaabbbbabbaaaaaaabbbbbbbbbbbb",
            Self::DeadlockCure => "aabbaaaaaaaaabbbbbbbbb",
            // Both find no hold and lock the same gap. A's insert waits for B, B's insert closes
            // the cycle, and B is aborted and retries after A.
            Self::GapLocks => "aaaaaabbbbbbaaaaaabbbbbbbaaabbbbbbbbbbbbbbb",
            Self::ExpiredHold => "cccccccccbbbaaaaaaaabbbbbbbaaaaaa",
            Self::Own => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_only_actors_of_its_story() {
        for engine in [DatabaseEngine::Postgres, DatabaseEngine::MySql] {
            for story in Story::ready_made(engine) {
                let script = story.script(engine);
                let last = u8::try_from(story.roles().len()).expect("few") + b'a';
                assert!(!script.is_empty(), "{story:?}");
                assert!(
                    script.bytes().all(|letter| (b'a'..last).contains(&letter)),
                    "{story:?}"
                );
            }
        }
    }
}
