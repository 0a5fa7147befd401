//! The budget of retries: a database that struggles is not finished off by them.
//!
//! A token bucket, as in gRPC's retry throttling (proposal A6) and Finagle's `RetryBudget`. It
//! counts attempts, so it needs no clock: each transaction adds a part of a token, each retry takes
//! one. Without a token there is no retry, whatever the transaction's own limit of attempts is.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::metrics::Counter;

/// A token, in the unit of the bucket.
const TOKEN: u32 = 1_000;
/// What each transaction adds: retries are at most 20 % of the transactions, beyond the reserve.
const PER_TRANSACTION: u32 = TOKEN / 5;
/// The most tokens: a short disturbance costs no retry.
const RESERVE: u32 = 100 * TOKEN;

/// The retries that the transactions of one pool may make.
#[derive(Debug)]
pub struct RetryBudget {
    tokens: AtomicU32,
    refusals: Counter,
}

impl Default for RetryBudget {
    /// The bucket is full.
    fn default() -> Self {
        Self {
            tokens: AtomicU32::new(RESERVE),
            refusals: Counter::default(),
        }
    }
}

impl RetryBudget {
    /// Adds the part of a token that a transaction is worth.
    pub fn deposit(&self) {
        // Usually the bucket is full, and a load is all.
        let add = |tokens: u32| (tokens < RESERVE).then(|| (tokens + PER_TRANSACTION).min(RESERVE));
        // Full is no error.
        let _ = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes a token for a retry, and returns false if there is none.
    pub fn withdraw(&self) -> bool {
        let take = |tokens: u32| tokens.checked_sub(TOKEN);
        let taken = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if taken.is_err() {
            self.refusals.increment();
        }
        taken.is_ok()
    }

    /// Returns the whole tokens in the bucket.
    pub fn tokens(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed) / TOKEN
    }

    /// Returns how many retries it refused.
    pub fn refusals(&self) -> u64 {
        self.refusals.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> RetryBudget {
        let budget = RetryBudget::default();
        while budget.tokens() > 0 {
            assert!(budget.withdraw());
        }
        budget
    }

    #[test]
    fn the_reserve_is_spent_first() {
        let budget = RetryBudget::default();
        let granted = (0..250).filter(|_| budget.withdraw()).count();
        assert_eq!(granted, 100);
        assert_eq!(budget.refusals(), 150);
    }

    #[test]
    fn beyond_it_a_fifth_of_the_transactions_may_retry() {
        let budget = empty();
        let mut granted = 0;
        for _ in 0..1_000 {
            budget.deposit();
            // Each of them fails, and would retry nine times.
            granted += (0..9).filter(|_| budget.withdraw()).count();
        }
        assert_eq!(granted, 200);
        assert_eq!(budget.refusals(), 8_800);
    }

    #[test]
    fn it_never_has_more_than_the_reserve() {
        let budget = empty();
        for _ in 0..100_000 {
            budget.deposit();
        }
        assert_eq!(budget.tokens(), 100);
        assert_eq!(budget.refusals(), 0);
    }

    #[test]
    fn no_token_is_granted_twice() {
        let budget = RetryBudget::default();
        let granted: usize = std::thread::scope(|scope| {
            let spend = || (0..100).filter(|_| budget.withdraw()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(spend)).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.map(|count| count.expect("it ends")).sum()
        });
        assert_eq!(granted, 100);
    }
}
