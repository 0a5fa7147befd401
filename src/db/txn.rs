//! Transactions: this is the only module that begins them.
//!
//! Each transaction has a name, a bounded number of attempts with jittered backoff, and a deadline.
//! It runs in its own task, so that a client that disconnects cannot cancel a commit half way. Only
//! an error after which nothing was written is retried: serialization failure, deadlock, lock
//! timeout. A commit whose result was lost is never sent again: the caller's idempotency key finds
//! its outcome. While the database is unavailable, no transaction begins; while it struggles, the
//! retries of slow attempts have a budget (see docs/decisions/0051-refuse-early.md).

mod attempts;
mod error;
mod outcome;
mod policy;
mod progress;
mod statement_pool;
pub mod trace;
mod work;

pub use error::{ErrorChain, TxnError, read_error};
pub use outcome::{Outcome, TimeSplit};
pub use policy::{Policy, REQUEST_DEADLINE};
pub use statement_pool::StatementPool;
pub use work::{Abort, Work};

use std::time::Instant;

use futures::future::BoxFuture;
use sea_orm::{AccessMode, DatabaseTransaction, DbErr, IsolationLevel, TransactionTrait};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span};

use self::{
    attempts::{AttemptFailure, Body, run_in_task},
    progress::Progress,
};
use super::{
    Db,
    engine::{self, Engine},
    statement_hook::{self, OptionalHook},
    statements::Statements,
};
use crate::{
    config::crash_point,
    metrics::transactions::{PANIC, RULE},
    model::{Isolation, waterfall::Part},
    telemetry::spans,
};

/// Runs `body` in a transaction, and retries until it commits, is refused, or may not be retried.
pub async fn run<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    T: Send + 'static,
    F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<T, Abort>> + Send + Sync + 'static,
{
    spawn(db, policy, InTransaction(body)).await
}

/// The same as [`run`], for callers that need only the result.
///
/// # Errors
/// See [`TxnError`].
pub async fn run_for_result<T, F>(db: &Db, policy: Policy, body: F) -> Result<T, TxnError>
where
    T: Send + 'static,
    F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<T, Abort>> + Send + Sync + 'static,
{
    run(db, policy, body).await.result
}

/// Runs `body`, a single statement that is its own transaction: no BEGIN, no COMMIT, one round
/// trip. For a statement that does the whole unit of work or that commits by itself.
///
/// If the connection is lost during the statement, the outcome is unknown. If the statement fails,
/// everything that it has not committed is undone, on every engine.
pub async fn run_statement<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    T: Send + 'static,
    F: for<'c> Fn(&'c Statements<StatementPool>) -> BoxFuture<'c, Result<T, DbErr>>
        + Send
        + Sync
        + 'static,
{
    spawn(db, policy, AutoCommit(body)).await
}

async fn spawn<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    T: Send + 'static,
    F: Body<T> + Send + Sync + 'static,
{
    let of_task = db.clone();
    let span = spans::transaction(policy.name);
    let of_span = span.clone();
    let work = async move {
        let outcome = run_in_task(&of_task, policy, body).await;
        note_end(&of_span, &outcome);
        outcome
    };
    let task = trace::spawn(work.instrument(span));
    task.await.unwrap_or_else(|_| {
        db.metrics().of(policy.name).rolled_back(PANIC);
        Outcome::failed(TxnError::Panicked { name: policy.name })
    })
}

/// Notes in the span of a transaction how it ended. A rule that refused it is no failure.
fn note_end<T>(span: &Span, outcome: &Outcome<T>) {
    if span.is_disabled() {
        return;
    }
    let split = &outcome.split;
    spans::waited(span, outcome.attempts, split.pool_wait, split.lock_wait);
    match &outcome.result {
        Ok(_) => spans::ended(span, spans::SUCCESS, false),
        Err(error) => {
            let reason = error.rollback_reason();
            spans::ended(span, &reason, reason != RULE);
        }
    }
}

struct InTransaction<F>(F);

impl<T, F> Body<T> for InTransaction<F>
where
    T: Send,
    F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<T, Abort>> + Send + Sync,
{
    async fn attempt(
        &self,
        db: &Db,
        policy: Policy,
        split: &mut TimeSplit,
        progress: &Progress,
    ) -> Result<T, AttemptFailure> {
        let _permit = acquire_permit(db, policy.name, split).await?;
        attempt_transaction(db, policy, &self.0, split, progress).await
    }
}

struct AutoCommit<F>(F);

impl<T, F> Body<T> for AutoCommit<F>
where
    T: Send,
    F: for<'c> Fn(&'c Statements<StatementPool>) -> BoxFuture<'c, Result<T, DbErr>> + Send + Sync,
{
    async fn attempt(
        &self,
        db: &Db,
        policy: Policy,
        split: &mut TimeSplit,
        progress: &Progress,
    ) -> Result<T, AttemptFailure> {
        let name = policy.name;
        let _permit = acquire_permit(db, name, split).await?;
        let started = Instant::now();
        progress.commits();
        crash_point::pass("before commit of", name);
        let pool = StatementPool::new(db.transactions().clone());
        let result = (self.0)(&Statements::new(pool, db.hook().clone())).await;
        crash_point::pass("after commit of", name);
        split.execute += started.elapsed();
        trace::mark(Part::Execute, started);
        result.map_err(|error| match AttemptFailure::of(name, error) {
            AttemptFailure::Final(TxnError::Unavailable { source: Some(error), .. })
                if !matches!(error, DbErr::ConnectionAcquire(_)) =>
            {
                tracing::error!(%error, transaction = name, "the connection was lost during a statement that commits");
                AttemptFailure::Final(TxnError::OutcomeUnknown { name })
            }
            other => other,
        })
    }
}

/// Waits for a permit to open a transaction.
async fn acquire_permit(
    db: &Db,
    name: &'static str,
    split: &mut TimeSplit,
) -> Result<OwnedSemaphorePermit, AttemptFailure> {
    let waiting_since = Instant::now();
    let waiting = db.count_waiting();
    let permit = db
        .transaction_permits()
        .acquire_owned()
        .await
        .map_err(|_| AttemptFailure::Final(TxnError::Unavailable { name, source: None }))?;
    drop(waiting);
    split.pool_wait += waiting_since.elapsed();
    trace::mark(Part::PoolWait, waiting_since);
    Ok(permit)
}

async fn attempt_transaction<T, F>(
    db: &Db,
    policy: Policy,
    body: &F,
    split: &mut TimeSplit,
    progress: &Progress,
) -> Result<T, AttemptFailure>
where
    F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<T, Abort>>,
{
    let name = policy.name;
    let started = Instant::now();
    progress.set_beginning(true);
    let begun = begin(db, policy).await;
    progress.set_beginning(false);
    let transaction = begun.map_err(|error| {
        split.execute += started.elapsed();
        AttemptFailure::of(name, error)
    })?;
    let work = Work::on(transaction, db.hook().clone());
    let result = body(&work).await;
    trace::mark(Part::Execute, started);
    let (lock_wait, pause, redis) = (work.lock_wait(), work.pause(), work.redis());
    split.lock_wait += lock_wait;
    split.pause += pause;
    split.redis += redis;
    let elsewhere = lock_wait + pause + redis;
    split.execute += started.elapsed().saturating_sub(elsewhere);

    match result {
        Ok(value) => {
            let committed = Instant::now();
            progress.commits();
            crash_point::pass("before commit of", name);
            let outcome = commit(db.hook(), name, work).await;
            crash_point::pass("after commit of", name);
            split.commit += committed.elapsed();
            trace::mark(Part::Commit, committed);
            outcome.map(|()| value)
        }
        Err(abort) => {
            let ended = Instant::now();
            // If the rollback fails, the connection is rolled back again before its next use.
            if let Err(error) = rollback(db.hook(), work).await {
                tracing::debug!(%error, transaction = name, "the rollback failed");
            }
            split.execute += ended.elapsed();
            Err(match abort {
                Abort::Refused(error) => AttemptFailure::Final(TxnError::Refused(error)),
                Abort::Db(error) => AttemptFailure::of(name, error),
                Abort::Conflict => AttemptFailure::Retryable(DbErr::RecordNotUpdated),
            })
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where transactions begin"
)]
async fn begin(db: &Db, policy: Policy) -> Result<DatabaseTransaction, DbErr> {
    let (level, mode) = match isolation(db.hook(), policy) {
        Isolation::ReadCommitted => {
            return statement_hook::run_hooked(db.hook(), "BEGIN", db.transactions().begin()).await;
        }
        Isolation::RepeatableRead => (IsolationLevel::RepeatableRead, AccessMode::ReadWrite),
        Isolation::Serializable => (IsolationLevel::Serializable, AccessMode::ReadWrite),
        Isolation::Snapshot => (IsolationLevel::RepeatableRead, AccessMode::ReadOnly),
    };
    // Two messages on the wire, but one step for the hook: no other session can run in between.
    let text = match (db.engine(), level) {
        (Engine::Postgres, IsolationLevel::Serializable) => {
            "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE"
        }
        (Engine::Postgres, _) => {
            "BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ WRITE"
        }
        (Engine::MySql, IsolationLevel::Serializable) => {
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE; BEGIN"
        }
        (Engine::MySql, _) => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE; BEGIN",
    };
    let begin = db.transactions().begin_with_config(Some(level), Some(mode));
    statement_hook::run_hooked(db.hook(), text, begin).await
}

/// Returns the level that `policy` requests, or the hook's override. A read-only snapshot keeps its
/// level.
fn isolation(hook: &OptionalHook, policy: Policy) -> Isolation {
    match (policy.isolation, hook) {
        (Isolation::Snapshot, _) | (_, None) => policy.isolation,
        (asked, Some(hook)) => hook.isolation_override().unwrap_or(asked),
    }
}

async fn rollback(hook: &OptionalHook, work: Work) -> Result<(), DbErr> {
    let (transaction, _never_run) = work.into_parts();
    statement_hook::run_hooked(hook, "ROLLBACK", transaction.rollback()).await
}

async fn commit(hook: &OptionalHook, name: &'static str, work: Work) -> Result<(), AttemptFailure> {
    let (transaction, after_commit) = work.into_parts();
    match statement_hook::run_hooked(hook, "COMMIT", transaction.commit()).await {
        Ok(()) => {
            for action in after_commit {
                action();
            }
            Ok(())
        }
        // The server itself reported that it did not commit.
        Err(error) if engine::error_code(&error).is_some() && !engine::is_unavailable(&error) => {
            Err(AttemptFailure::of(name, error))
        }
        // The hook halted the session before COMMIT was sent; dropping the transaction rolls it
        // back.
        Err(error @ DbErr::Custom(_)) => Err(AttemptFailure::of(name, error)),
        Err(error) => {
            tracing::error!(%error, transaction = name, "the connection was lost during COMMIT");
            Err(AttemptFailure::Final(TxnError::OutcomeUnknown { name }))
        }
    }
}
