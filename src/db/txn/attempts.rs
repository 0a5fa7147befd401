//! Runs attempts, one after the other, until one succeeds, an error may not be retried, or the
//! deadline has passed.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use rand::RngExt;
use sea_orm::DbErr;
use tracing::{Instrument, Span};

use super::{Outcome, Policy, TimeSplit, TxnError, progress::Progress};
use crate::{
    db::{Db, engine},
    metrics::transactions::{CONFLICT, Ended, RULE, TransactionFigures},
    resilience::{RetryBudget, breaker::Pass},
    telemetry::spans,
};

/// The upper limit of the first backoff. It doubles with each attempt; the actual backoff is a
/// random part of it.
const BACKOFF_FIRST: Duration = Duration::from_millis(4);
/// The upper limit of every backoff.
const BACKOFF_MAX: Duration = Duration::from_millis(128);
/// An attempt that failed after it used the database for longer is a load, and its retry needs a
/// token of the budget. A quick conflict is no sign of a database that struggles: those of a race
/// are limited by the attempts and the backoff alone.
const SLOW_ATTEMPT: Duration = Duration::from_millis(500);

/// A BEGIN without an answer for longer shows that the database is unavailable. Before it is sent,
/// it waits for a connection, which a late transaction returns only after its rollback.
const BEGIN_MAX: Duration = Duration::from_millis(1_500);

/// The work of one attempt.
pub trait Body<T> {
    fn attempt(
        &self,
        db: &Db,
        policy: Policy,
        split: &mut TimeSplit,
        progress: &Progress,
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
    let pass = match db.guard().admit().await {
        Ok(pass) => pass,
        Err(source) => return refused_by_breaker(policy.name, source),
    };
    let figures = db.metrics().of(policy.name);
    let mut split = TimeSplit::default();
    let mut attempts = 0;
    let progress = Progress::default();
    if let Some(retries) = db.guard().retries() {
        retries.deposit();
    }
    let within_deadline = {
        let mut work = pin!(attempt_until_done(
            db,
            policy,
            figures,
            &body,
            &mut attempts,
            &mut split,
            &progress
        ));
        // A probe has taken its part of the time.
        let time_left = policy.deadline.saturating_sub(started.elapsed());
        let within_deadline = tokio::time::timeout(time_left, &mut work).await;
        if within_deadline.is_err() {
            // Before the work is dropped and its connection returns to the pool.
            db.mark_transactions_suspect();
        }
        within_deadline
    };
    match &within_deadline {
        Ok(result) => report(db, pass, result),
        // BEGIN takes one round trip and waits for no lock; any other statement may.
        Err(_) if progress.beginning_for() > BEGIN_MAX => db.guard().failed(pass),
        Err(_) => {}
    }
    let result = within_deadline.unwrap_or_else(|_| {
        Err(if progress.is_committing() {
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
        trace: spans::trace_of(&Span::current()),
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

/// Returns the outcome of a transaction that was not begun, because the database is unavailable.
fn refused_by_breaker<T>(name: &'static str, source: DbErr) -> Outcome<T> {
    Outcome {
        attempts: 0,
        ..Outcome::failed(TxnError::Unavailable {
            name,
            source: Some(source),
        })
    }
}

/// Reports to the breaker what the end of a transaction says about the database.
fn report<T>(db: &Db, pass: Option<Pass>, result: &Result<T, TxnError>) {
    match result {
        Err(TxnError::Unavailable {
            source: Some(source),
            ..
        }) => db.guard().answered_with(pass, source),
        // The pool is closed, or it is not known what happened.
        Err(TxnError::Unavailable { source: None, .. } | TxnError::OutcomeUnknown { .. }) => {}
        _ => db.guard().answered(pass),
    }
}

async fn attempt_until_done<T, F>(
    db: &Db,
    policy: Policy,
    figures: &TransactionFigures,
    body: &F,
    attempts: &mut u32,
    split: &mut TimeSplit,
    progress: &Progress,
) -> Result<T, TxnError>
where
    F: Body<T>,
{
    loop {
        *attempts += 1;
        progress.attempt_begins();
        let before = split.in_database();
        let span = spans::attempt(*attempts);
        let attempt = body.attempt(db, policy, split, progress);
        let ended = attempt.instrument(span.clone()).await;
        note_end(&span, &ended);
        match ended {
            Ok(value) => return Ok(value),
            Err(AttemptFailure::Final(error)) => return Err(error),
            Err(AttemptFailure::Retryable(source))
                if *attempts >= policy.attempts_max
                    || !may_retry(db, split.in_database().saturating_sub(before)) =>
            {
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

/// Notes in the span of an attempt how it ended. A rule that refused it is no failure.
fn note_end<T>(span: &Span, ended: &Result<T, AttemptFailure>) {
    if span.is_disabled() {
        return;
    }
    let reason = match ended {
        Ok(_) => return spans::ended(span, spans::SUCCESS, false),
        Err(AttemptFailure::Retryable(error)) => retried_because_of(error),
        Err(AttemptFailure::Final(error)) => error.rollback_reason(),
    };
    spans::ended(span, &reason, reason != RULE);
}

/// Returns true if an attempt that used the database for so long may be retried.
fn may_retry(db: &Db, in_database: Duration) -> bool {
    let budget = db.guard().retries();
    in_database < SLOW_ATTEMPT || budget.is_none_or(RetryBudget::withdraw)
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
