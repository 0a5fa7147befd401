//! How a unit of work ended, and where its time went.

use std::time::Duration;

use super::TxnError;
use crate::model::ShopError;

/// Where the time of a transaction went, over all of its attempts.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeSplit {
    /// At the turnstile and in the driver's queue.
    pub pool_wait: Duration,
    /// In the statements that take row locks.
    pub lock_wait: Duration,
    /// In all other statements, and in pauses between them.
    pub execute: Duration,
    /// In COMMIT.
    pub commit: Duration,
}

impl TimeSplit {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.pool_wait + self.lock_wait + self.execute + self.commit
    }

    /// Adds another transaction's time.
    pub fn add(&mut self, other: Self) {
        self.pool_wait += other.pool_wait;
        self.lock_wait += other.lock_wait;
        self.execute += other.execute;
        self.commit += other.commit;
    }
}

/// How a transaction ended, and what it took.
#[derive(Debug)]
pub struct Outcome<T> {
    pub result: Result<T, TxnError>,
    /// Attempts made; 1 when nothing was in the way, 0 when a rule refused before any was made.
    pub attempts: u32,
    /// How often a strategy had used up its attempts, and the row lock took over.
    pub fallbacks: u32,
    pub split: TimeSplit,
}

impl<T> Outcome<T> {
    /// What came to nothing without a transaction.
    pub fn failed(error: TxnError) -> Self {
        Self {
            result: Err(error),
            attempts: 1,
            fallbacks: 0,
            split: TimeSplit::default(),
        }
    }

    /// What a rule of the shop refused before any transaction.
    pub fn refused(error: ShopError) -> Self {
        Self {
            attempts: 0,
            ..Self::failed(TxnError::Refused(error))
        }
    }

    /// The same with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        let (result, taken) = self.into_parts();
        taken.with(result.map(change))
    }

    /// The same after `before`, which came to nothing: with what both took. Asking once more is no retry; what `before` retried is.
    #[must_use]
    pub fn after<U>(mut self, before: &Outcome<U>) -> Self {
        self.attempts += before.attempts.saturating_sub(1);
        self.fallbacks += before.fallbacks;
        self.split.add(before.split);
        self
    }

    /// The result, and apart from it what it took.
    pub fn into_parts(self) -> (Result<T, TxnError>, Outcome<()>) {
        let taken = Outcome {
            result: Ok(()),
            attempts: self.attempts,
            fallbacks: self.fallbacks,
            split: self.split,
        };
        (self.result, taken)
    }

    /// What it took, with another result.
    pub fn with<U>(&self, result: Result<U, TxnError>) -> Outcome<U> {
        Outcome {
            result,
            attempts: self.attempts,
            fallbacks: self.fallbacks,
            split: self.split,
        }
    }
}
