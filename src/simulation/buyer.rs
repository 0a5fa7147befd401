//! How a simulated buyer buys: through the shop's own code in this process, or from a running
//! server over HTTP.

mod in_process;
mod on_nodes;
mod over_http;
mod refusal;

pub use in_process::InProcess;
pub use on_nodes::OnNodes;
pub use over_http::{Failover, HttpClient, OverHttp};

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    db::txn::{Outcome, TimeSplit},
    model::{
        Quantity, ShopError,
        plan::FaultKind,
        sample::{FailureKind, RejectionReason},
    },
};

/// Retries with the same key while the outcome of an attempt is unknown.
const UNKNOWN_RETRIES_MAX: u32 = 5;
/// Pause before such a retry.
const UNKNOWN_RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest that one attempt may wait for a connection, a lock or its place in a queue: as long
/// as a run.
pub const ATTEMPT_DEADLINE: Duration = Duration::from_secs(3_600);

/// The request of one purchase attempt.
#[derive(Clone, Debug)]
pub struct AttemptRequest {
    /// The number of the buyer, which selects a server over HTTP.
    pub buyer: u32,
    pub product_id: i64,
    pub quantity: Quantity,
    /// The idempotency key of the attempt, which makes a retry safe.
    pub key: String,
    pub lane_id: i64,
    /// The fault that is injected into the attempt.
    pub fault: Option<FaultKind>,
    /// How long a buyer over HTTP waits before abandoning the attempt.
    pub patience: Duration,
}

/// How an attempt ended, from the buyer's point of view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// The shop created an order with this id.
    Bought(String),
    /// The shop rejected the attempt by one of its rules.
    Rejected(RejectionReason),
    /// The attempt ended in an error; the sentence is for the run's log.
    Failed(FailureKind, String),
    /// The two requests of a double click got different answers.
    Contradicted(String),
    /// The buyer did not wait for the answer.
    Abandoned,
}

/// The result of one attempt, and its cost.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub result: AttemptResult,
    pub cost: AttemptCost,
}

/// The retries and the time that an attempt needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttemptCost {
    /// Tries after the first.
    pub retries: u32,
    /// How often the row took over from the strategy.
    pub fallbacks: u32,
    pub split: TimeSplit,
    /// Whether the attempt reached the database.
    pub database_queried: bool,
}

/// The shop that simulated buyers buy from.
#[async_trait]
pub trait Storefront: Send + Sync {
    /// Makes one attempt, and retries with the same key while its outcome is unknown.
    async fn buy(&self, request: AttemptRequest) -> Attempt;

    /// Returns the number of buyers who wait for a product in this process's memory; `None` if the
    /// strategy has no such queue, or its length is not known.
    fn queue_length(&self, product_id: i64) -> Option<u64>;

    /// Returns the state of the connections that the buyers share.
    fn pool(&self) -> Pool;
}

/// The size of a connection pool, and how many of its connections are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub in_use: u32,
    pub size: u32,
}

impl AttemptResult {
    /// Classifies the shop's answer.
    fn of(result: Result<String, ShopError>, database_queried: bool) -> Self {
        match result {
            Ok(order_id) => Self::Bought(order_id),
            Err(error) if error.is_rejection() => {
                Self::Rejected(refusal::refusal_of(&error, database_queried))
            }
            Err(error) => Self::Failed(refusal::failure_of(&error), error.to_string()),
        }
    }

    /// Merges the two answers to one key. If one of them failed, the result is that failure; if
    /// they disagree, it is a contradiction.
    fn merge(one: Self, other: Self) -> Self {
        match (one, other) {
            (one, other) if one == other => one,
            (failed @ Self::Failed(..), _) | (_, failed @ Self::Failed(..)) => failed,
            // The reasons may differ: one answer may come from the database, the other from memory.
            (rejected @ Self::Rejected(_), Self::Rejected(_)) => rejected,
            (one, other) => Self::Contradicted(format!(
                "one double click was answered with {one:?} and {other:?}"
            )),
        }
    }
}

impl Attempt {
    /// Merges the two attempts of a double click. The time is that of the click that took longer,
    /// because the buyer waits for both answers.
    fn merge(one: Self, other: Self) -> Self {
        let [one_split, other_split] = [one.cost.split, other.cost.split];
        Self {
            result: AttemptResult::merge(one.result, other.result),
            cost: AttemptCost {
                retries: one.cost.retries + other.cost.retries,
                fallbacks: one.cost.fallbacks + other.cost.fallbacks,
                split: if one_split.total() < other_split.total() {
                    other_split
                } else {
                    one_split
                },
                database_queried: one.cost.database_queried || other.cost.database_queried,
            },
        }
    }

    /// An attempt that its buyer abandoned before there was an answer.
    pub fn abandoned() -> Self {
        Self {
            result: AttemptResult::Abandoned,
            cost: AttemptCost::default(),
        }
    }
}

impl AttemptCost {
    /// Adds the cost of a transaction, and returns its result.
    fn add_outcome<T>(&mut self, outcome: Outcome<T>) -> Result<T, ShopError> {
        self.database_queried |= outcome.attempts > 0;
        self.retries += outcome.attempts.saturating_sub(1);
        self.fallbacks += outcome.fallbacks;
        self.split.add(outcome.split);
        outcome.result.map_err(ShopError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_answers_to_a_double_click_are_a_contradiction() {
        use AttemptResult::{Bought, Contradicted, Failed, Rejected};
        let bought = |id: &str| Bought(id.to_owned());
        let rejected = || Rejected(RejectionReason::SoldOut);
        let both = AttemptResult::merge;
        assert_eq!(both(bought("a"), bought("a")), bought("a"));
        assert_eq!(both(rejected(), rejected()), rejected());
        assert_eq!(
            both(rejected(), Rejected(RejectionReason::FromMemory)),
            rejected()
        );
        for (one, other) in [(bought("a"), bought("b")), (bought("a"), rejected())] {
            let result = both(one.clone(), other.clone());
            assert!(matches!(result, Contradicted(_)), "{result:?}");
            let result = both(other, one);
            assert!(matches!(result, Contradicted(_)), "{result:?}");
        }
        let lost = Failed(FailureKind::TimedOut, "lost".to_owned());
        assert_eq!(both(bought("a"), lost.clone()), lost);
        assert_eq!(both(lost.clone(), rejected()), lost);
    }
}
