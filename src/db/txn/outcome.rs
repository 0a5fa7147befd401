//! The outcome of a unit of work: its result, attempts and times.

use std::time::Duration;

use super::TxnError;
use crate::model::ShopError;

/// The time of a unit of work by phase, summed over all attempts. The phases do not overlap.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeSplit {
    /// Waiting for a permit and for a connection from the driver's pool.
    pub pool_wait: Duration,
    /// Waiting in this process's memory: for a mutex, a batch, or an answer that buyers share.
    pub queue_wait: Duration,
    /// Waiting for Redis: for its answers, and for a lock there.
    pub redis: Duration,
    /// In statements that take row locks.
    pub lock_wait: Duration,
    /// In all other statements, including BEGIN and ROLLBACK.
    pub execute: Duration,
    /// In the pause between read and write: a race window, or a frozen client.
    pub pause: Duration,
    /// In COMMIT.
    pub commit: Duration,
    /// Waiting for the outcome of a payment.
    pub payment: Duration,
    /// Pausing before a retry.
    pub backoff: Duration,
}

impl TimeSplit {
    /// Returns the phases, in the order of the fields.
    pub const fn parts(&self) -> [Duration; 9] {
        [
            self.pool_wait,
            self.queue_wait,
            self.redis,
            self.lock_wait,
            self.execute,
            self.pause,
            self.commit,
            self.payment,
            self.backoff,
        ]
    }

    /// Returns the sum of all phases.
    pub fn total(&self) -> Duration {
        self.parts().into_iter().sum()
    }

    /// Returns the time in which the database worked for it, or made it wait.
    pub fn in_database(&self) -> Duration {
        self.lock_wait + self.execute + self.commit
    }

    /// Adds another unit of work's time.
    pub fn add(&mut self, other: Self) {
        self.pool_wait += other.pool_wait;
        self.queue_wait += other.queue_wait;
        self.redis += other.redis;
        self.lock_wait += other.lock_wait;
        self.execute += other.execute;
        self.pause += other.pause;
        self.commit += other.commit;
        self.payment += other.payment;
        self.backoff += other.backoff;
    }
}

/// The result of a transaction, with its attempts and times.
#[derive(Debug)]
pub struct Outcome<T> {
    pub result: Result<T, TxnError>,
    /// The attempts made: 1 if the first one ended it, 0 if a rule refused the request before any
    /// attempt.
    pub attempts: u32,
    /// How often the row took over, because a strategy had used up its attempts or Redis was
    /// unavailable.
    pub fallbacks: u32,
    pub split: TimeSplit,
}

impl<T> Outcome<T> {
    /// Creates the outcome of a unit of work that failed without a transaction.
    pub fn failed(error: TxnError) -> Self {
        Self {
            result: Err(error),
            attempts: 1,
            fallbacks: 0,
            split: TimeSplit::default(),
        }
    }

    /// Creates the outcome of a request that a rule of the shop refused before any transaction.
    pub fn refused(error: ShopError) -> Self {
        Self {
            attempts: 0,
            ..Self::failed(TxnError::Refused(error))
        }
    }

    /// Changes the value of a successful result.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        let (result, cost) = self.into_parts();
        cost.with_result(result.map(change))
    }

    /// Adds the cost of an `earlier` outcome that failed. Its first attempt does not count as a
    /// retry; its retries do.
    #[must_use]
    pub fn with_cost_of<U>(mut self, earlier: &Outcome<U>) -> Self {
        self.attempts += earlier.attempts.saturating_sub(1);
        self.fallbacks += earlier.fallbacks;
        self.split.add(earlier.split);
        self
    }

    /// Splits the outcome into its result and its cost.
    pub fn into_parts(self) -> (Result<T, TxnError>, Outcome<()>) {
        let cost = Outcome {
            result: Ok(()),
            attempts: self.attempts,
            fallbacks: self.fallbacks,
            split: self.split,
        };
        (self.result, cost)
    }

    /// Returns an outcome with the same cost and another result.
    pub fn with_result<U>(&self, result: Result<U, TxnError>) -> Outcome<U> {
        Outcome {
            result,
            attempts: self.attempts,
            fallbacks: self.fallbacks,
            split: self.split,
        }
    }
}
