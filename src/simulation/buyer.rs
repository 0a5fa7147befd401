//! What a simulated buyer buys through: the shop's own code in this process, or a running server over HTTP.

mod in_process;
mod over_http;
mod refusal;

pub use in_process::InProcess;
pub use over_http::{HttpClient, OverHttp};

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    db::txn::{Outcome, TimeSplit},
    model::{
        Quantity, ShopError,
        plan::FaultKind,
        sample::{Failure, Refusal},
    },
};

/// Tries with the same key after an answer that says neither yes nor no.
const UNKNOWN_RETRIES_MAX: u32 = 5;
/// Pause before such a try.
const UNKNOWN_RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest that one attempt may wait, for a connection, a lock or its turn: as long as a run.
pub const ATTEMPT_DEADLINE: Duration = Duration::from_secs(3_600);

/// What one attempt is for.
#[derive(Clone, Debug)]
pub struct Order {
    pub product_id: i64,
    pub quantity: Quantity,
    /// Unique to the attempt: what makes a retry safe.
    pub key: String,
    pub lane_id: i64,
    /// What goes wrong with it.
    pub fault: Option<FaultKind>,
    /// When a buyer leaves who cannot see how far the shop is.
    pub patience: Duration,
}

/// How an attempt ended, as far as its buyer knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// There is an order, of this id.
    Bought(String),
    /// The shop said no by its own rules.
    Rejected(Refusal),
    /// Something broke; the sentence is for the run's log.
    Failed(Failure, String),
    /// A double click was answered twice, and not alike.
    Contradicted(String),
    /// The buyer did not wait for the answer.
    Left,
}

/// One attempt, and what it took.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub result: AttemptResult,
    pub taken: Taken,
}

/// What an attempt took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Tries beyond the first.
    pub retries: u32,
    /// How often a strategy had used up its tries, and the row lock took over.
    pub fallbacks: u32,
    pub split: TimeSplit,
    /// Whether the database was asked at all.
    pub asked: bool,
}

/// Where buyers buy.
#[async_trait]
pub trait Storefront: Send + Sync {
    /// Tries to buy once, to the end: an unknown outcome is resolved with the same key.
    async fn buy(&self, order: Order) -> Attempt;

    /// How many wait for a product in this process's memory; none where nobody does by design, or it is not known.
    fn in_line(&self, product_id: i64) -> Option<u64>;

    /// The connections that its buyers share, now.
    fn pool(&self) -> Pool;
}

/// Connections, and how many of them are in use at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub in_use: u32,
    pub size: u32,
}

impl AttemptResult {
    /// What the shop's answer means; `asked` tells whether the database was asked for it.
    fn of(result: Result<String, ShopError>, asked: bool) -> Self {
        match result {
            Ok(order_id) => Self::Bought(order_id),
            Err(error) if error.is_rejection() => Self::Rejected(refusal::reason(&error, asked)),
            Err(error) => Self::Failed(refusal::failure(&error), error.to_string()),
        }
    }

    /// What two answers to one key amount to. That one of two was lost is a failure; that they disagree is worse.
    fn of_both(one: Self, other: Self) -> Self {
        match (one, other) {
            (one, other) if one == other => one,
            (failed @ Self::Failed(..), _) | (_, failed @ Self::Failed(..)) => failed,
            // Two refusals are one, told from two places.
            (no @ Self::Rejected(_), Self::Rejected(_)) => no,
            (one, other) => Self::Contradicted(format!(
                "one double click was answered with {one:?} and {other:?}"
            )),
        }
    }
}

impl Attempt {
    /// A double click, whose time is that of its first click.
    fn of_both(one: Self, other: Self) -> Self {
        Self {
            result: AttemptResult::of_both(one.result, other.result),
            taken: Taken {
                retries: one.taken.retries + other.taken.retries,
                fallbacks: one.taken.fallbacks + other.taken.fallbacks,
                split: one.taken.split,
                asked: one.taken.asked || other.taken.asked,
            },
        }
    }

    /// One whose buyer left before there was an answer.
    pub fn left() -> Self {
        Self {
            result: AttemptResult::Left,
            taken: Taken::default(),
        }
    }
}

impl Taken {
    /// Takes over what a transaction took.
    fn note<T>(&mut self, outcome: Outcome<T>) -> Result<T, ShopError> {
        self.asked |= outcome.attempts > 0;
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
    fn both_clicks_must_name_the_same_order() {
        use AttemptResult::{Bought, Contradicted, Failed, Rejected};
        let bought = |id: &str| Bought(id.to_owned());
        let rejected = || Rejected(Refusal::SoldOut);
        let both = AttemptResult::of_both;
        assert_eq!(both(bought("a"), bought("a")), bought("a"));
        assert_eq!(both(rejected(), rejected()), rejected());
        assert_eq!(both(rejected(), Rejected(Refusal::FromMemory)), rejected());
        for (one, other) in [(bought("a"), bought("b")), (bought("a"), rejected())] {
            let result = both(one.clone(), other.clone());
            assert!(matches!(result, Contradicted(_)), "{result:?}");
            let result = both(other, one);
            assert!(matches!(result, Contradicted(_)), "{result:?}");
        }
        let lost = Failed(Failure::TimedOut, "lost".to_owned());
        assert_eq!(both(bought("a"), lost.clone()), lost);
        assert_eq!(both(lost.clone(), rejected()), lost);
    }
}
