//! Runs attempts, one after the other, until one succeeds, an error may not be retried, or the
//! deadline has passed.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rand::RngExt;
use sea_orm::DbErr;

use super::{Outcome, Policy, TimeSplit, TxnError};
use crate::{
    db::{Db, engine},
    metrics::transactions::{CONFLICT, Ended, TransactionFigures},
};

/// The upper limit of the first backoff. It doubles with each attempt; the actual backoff is a
/// random part of it.
const BACKOFF_FIRST: Duration = Duration::from_millis(4);
/// The upper limit of every backoff.
const BACKOFF_MAX: Duration = Duration::from_millis(128);

/// The work of one attempt.
pub trait Body<T> {
    fn attempt(
        &self,
        db: &Db,
        policy: Policy,
        split: &mut TimeSplit,
        committing: &AtomicBool,
    ) -> impl Future<Output = Result<T, AttemptFailure>> + Send;
}

/// Why an attempt failed, and whether it may be retried.
pub enum AttemptFailure {
    Retryable(DbErr),
    Final(TxnError),
}

impl AttemptFailure {
    /// Classifies a database error of the transaction `name`.
    pub fn of(name: &'static str, error: DbErr) -> Self {
        if engine::is_retryable(&error) {
            Self::Retryable(error)
        } else if engine::is_unavailable(&error) {
            Self::Final(TxnError::Unavailable {
                name,
                source: Some(error),
            })
        } else {
            Self::Final(TxnError::Database {
                name,
                source: error,
            })
        }
    }
}

/// Makes as many attempts as `policy` allows. Call this in a task that is never cancelled.
pub async fn run_in_task<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    F: Body<T>,
{
    let started = Instant::now();
    let figures = db.metrics().of(policy.name);
    let mut split = TimeSplit::default();
    let mut attempts = 0;
    let committing = AtomicBool::new(false);
    let result = {
        let mut work = pin!(attempt_until_done(
            db,
            policy,
            figures,
            &body,
            &mut attempts,
            &mut split,
            &committing
        ));
        let within_deadline = tokio::time::timeout(policy.deadline, &mut work).await;
        if within_deadline.is_err() {
            // Before the work is dropped and its connection returns to the pool.
            db.mark_transactions_suspect();
        }
        within_deadline
    };
    let result = result.unwrap_or_else(|_| {
        Err(if committing.load(Ordering::Relaxed) {
            TxnError::OutcomeUnknown { name: policy.name }
        } else {
            TxnError::DeadlinePassed {
                name: policy.name,
                contended: attempts > 1,
            }
        })
    });
    if lost_connection(&result) {
        db.mark_all_suspect();
    }
    if let Err(error) = &result {
        figures.rolled_back(&error.rollback_reason());
    }
    figures.ended(Ended {
        attempts: attempts.max(1),
        took: started.elapsed(),
        lock_wait: split.lock_wait,
        pool_wait: split.pool_wait,
    });
    if attempts > 1 {
        tracing::debug!(transaction = policy.name, attempts, "took several attempts");
    }
    Outcome {
        result,
        attempts: attempts.max(1),
        fallbacks: 0,
        split,
    }
}

async fn attempt_until_done<T, F>(
    db: &Db,
    policy: Policy,
    figures: &TransactionFigures,
    body: &F,
    attempts: &mut u32,
    split: &mut TimeSplit,
    committing: &AtomicBool,
) -> Result<T, TxnError>
where
    F: Body<T>,
{
    loop {
        *attempts += 1;
        committing.store(false, Ordering::Relaxed);
        match body.attempt(db, policy, split, committing).await {
            Ok(value) => return Ok(value),
            Err(AttemptFailure::Final(error)) => return Err(error),
            Err(AttemptFailure::Retryable(source)) if *attempts >= policy.attempts_max => {
                return Err(TxnError::Exhausted {
                    name: policy.name,
                    attempts: *attempts,
                    source,
                });
            }
            Err(AttemptFailure::Retryable(error)) => {
                figures.rolled_back(&retried_because_of(&error));
                let paused = Instant::now();
                tokio::time::sleep(backoff(*attempts)).await;
                split.backoff += paused.elapsed();
            }
        }
    }
}

/// Returns the reason of an attempt that is repeated, as a label.
pub fn retried_because_of(error: &DbErr) -> String {
    match error {
        DbErr::RecordNotUpdated => CONFLICT.to_owned(),
        error => engine::sqlstate(error),
    }
}

/// Returns true if the transaction failed because its connection was lost.
fn lost_connection<T>(result: &Result<T, TxnError>) -> bool {
    let Err(TxnError::Unavailable { source, .. }) = result else {
        return false;
    };
    source.as_ref().is_some_and(engine::is_connection_lost)
}

/// Exponential backoff with full jitter, as in AWS's "Exponential Backoff And Jitter" (2015).
fn backoff(attempt: u32) -> Duration {
    let ceiling = BACKOFF_FIRST
        .saturating_mul(1 << attempt.saturating_sub(1).min(16))
        .min(BACKOFF_MAX);
    rand::rng().random_range(Duration::ZERO..=ceiling)
}
