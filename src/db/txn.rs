//! The one place where a transaction begins.
//!
//! Each has a name, a bounded number of attempts with jittered backoff, and a deadline; and each runs in a task of its own, so that a
//! client who leaves cannot cancel a commit half way. Only what the database says did nothing is tried again: serialization
//! failure, deadlock, lock timeout. A commit whose answer was lost is never sent again blindly: the caller's idempotency key tells.

mod attempts;
mod error;
mod outcome;
mod policy;
pub mod trace;
mod work;

pub use error::{Chain, TxnError, read_error};
pub use outcome::{Outcome, TimeSplit};
pub use policy::{Isolation, Policy, REQUEST_DEADLINE};
pub use work::{Abort, Work};

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use futures::future::BoxFuture;
use sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel, TransactionTrait,
};
use tokio::sync::OwnedSemaphorePermit;

use self::attempts::{Body, Failure, run_in_task};
use super::{
    Db, dialect,
    statements::Statements,
    stops::{self, Stop},
};
use crate::{config::crash_point, model::waterfall::Part};

/// Runs `body` in a transaction until it commits, is refused, or may not be tried again.
pub async fn run<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    T: Send + 'static,
    F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<T, Abort>> + Send + Sync + 'static,
{
    spawn(db, policy, InTransaction(body)).await
}

/// The same for callers who need the result alone.
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

/// Runs `body`, which is a single statement, and a transaction by itself: no BEGIN, no COMMIT, one round trip. For a statement that does
/// the whole unit of work, or that commits on its own.
///
/// A connection that is lost meanwhile leaves the outcome unknown.
pub async fn run_statement<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    T: Send + 'static,
    F: for<'c> Fn(&'c Statements<DatabaseConnection>) -> BoxFuture<'c, Result<T, DbErr>>
        + Send
        + Sync
        + 'static,
{
    spawn(db, policy, ByItself(body)).await
}

async fn spawn<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    T: Send + 'static,
    F: Body<T> + Send + Sync + 'static,
{
    let db = db.clone();
    let task = trace::spawn(async move { run_in_task(&db, policy, body).await });
    task.await
        .unwrap_or_else(|_| Outcome::failed(TxnError::Panicked { name: policy.name }))
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
        committing: &AtomicBool,
    ) -> Result<T, Failure> {
        let _turn = turn(db, policy.name, split).await?;
        attempt_transaction(db, policy, &self.0, split, committing).await
    }
}

struct ByItself<F>(F);

impl<T, F> Body<T> for ByItself<F>
where
    T: Send,
    F: for<'c> Fn(&'c Statements<DatabaseConnection>) -> BoxFuture<'c, Result<T, DbErr>>
        + Send
        + Sync,
{
    async fn attempt(
        &self,
        db: &Db,
        policy: Policy,
        split: &mut TimeSplit,
        committing: &AtomicBool,
    ) -> Result<T, Failure> {
        let name = policy.name;
        let _turn = turn(db, name, split).await?;
        let started = Instant::now();
        committing.store(true, Ordering::Relaxed);
        crash_point::pass("before commit of", name);
        let result = (self.0)(db.statements()).await;
        crash_point::pass("after commit of", name);
        split.execute += started.elapsed();
        trace::mark(Part::Execute, started);
        result.map_err(|error| match Failure::of(name, error) {
            Failure::Final(TxnError::Unavailable { source: Some(error), .. })
                if !matches!(error, DbErr::ConnectionAcquire(_)) =>
            {
                tracing::error!(%error, transaction = name, "lost the connection in a statement that commits");
                Failure::Final(TxnError::OutcomeUnknown { name })
            }
            other => other,
        })
    }
}

/// Waits at the turnstile.
async fn turn(
    db: &Db,
    name: &'static str,
    split: &mut TimeSplit,
) -> Result<OwnedSemaphorePermit, Failure> {
    let queued = Instant::now();
    let turn = db
        .turnstile()
        .acquire_owned()
        .await
        .map_err(|_| Failure::Final(TxnError::Unavailable { name, source: None }))?;
    split.pool_wait += queued.elapsed();
    trace::mark(Part::PoolWait, queued);
    Ok(turn)
}

async fn attempt_transaction<T, F>(
    db: &Db,
    policy: Policy,
    body: &F,
    split: &mut TimeSplit,
    committing: &AtomicBool,
) -> Result<T, Failure>
where
    F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<T, Abort>>,
{
    let name = policy.name;
    let started = Instant::now();
    let transaction = begin(db, policy)
        .await
        .map_err(|error| Failure::of(name, error))?;
    let work = Work::on(transaction, db.stop().clone());
    let result = body(&work).await;
    trace::mark(Part::Execute, started);
    let lock_wait = work.lock_wait();
    split.lock_wait += lock_wait;
    split.execute += started.elapsed().saturating_sub(lock_wait);

    match result {
        Ok(value) => {
            let committed = Instant::now();
            committing.store(true, Ordering::Relaxed);
            crash_point::pass("before commit of", name);
            let outcome = commit(db.stop(), name, work).await;
            crash_point::pass("after commit of", name);
            split.commit += committed.elapsed();
            trace::mark(Part::Commit, committed);
            outcome.map(|()| value)
        }
        Err(abort) => {
            // Whatever the rollback says, the connection is rolled back again before it is next used.
            if let Err(error) = rollback(db.stop(), work).await {
                tracing::debug!(%error, transaction = name, "rolling back");
            }
            Err(match abort {
                Abort::Refused(error) => Failure::Final(TxnError::Refused(error)),
                Abort::Db(error) => Failure::of(name, error),
                Abort::Conflict => Failure::Retryable(DbErr::RecordNotUpdated),
            })
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where transactions begin"
)]
async fn begin(db: &Db, policy: Policy) -> Result<DatabaseTransaction, DbErr> {
    let (level, mode) = match isolation(db.stop(), policy) {
        Isolation::ReadCommitted => {
            return stops::pass(db.stop(), "BEGIN", db.transactions().begin()).await;
        }
        Isolation::RepeatableRead => (IsolationLevel::RepeatableRead, AccessMode::ReadWrite),
        Isolation::Serializable => (IsolationLevel::Serializable, AccessMode::ReadWrite),
        Isolation::Snapshot => (IsolationLevel::RepeatableRead, AccessMode::ReadOnly),
    };
    // Two messages on the wire, and one step: nobody can come in between.
    let said = match level {
        IsolationLevel::Serializable => {
            "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE"
        }
        _ => "BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ WRITE",
    };
    let begun = db.transactions().begin_with_config(Some(level), Some(mode));
    stops::pass(db.stop(), said, begun).await
}

/// What `policy` asks for, or what is to stand in its place. A report stays one.
fn isolation(stop: &Stop, policy: Policy) -> Isolation {
    match (policy.isolation, stop) {
        (Isolation::Snapshot, _) | (_, None) => policy.isolation,
        (asked, Some(stops)) => stops.isolation().unwrap_or(asked),
    }
}

async fn rollback(stop: &Stop, work: Work) -> Result<(), DbErr> {
    let (transaction, _never_run) = work.into_parts();
    stops::pass(stop, "ROLLBACK", transaction.rollback()).await
}

async fn commit(stop: &Stop, name: &'static str, work: Work) -> Result<(), Failure> {
    let (transaction, after_commit) = work.into_parts();
    match stops::pass(stop, "COMMIT", transaction.commit()).await {
        Ok(()) => {
            for action in after_commit {
                action();
            }
            Ok(())
        }
        // The server's own word that it did not commit.
        Err(error) if dialect::sqlstate(&error).is_some() && !dialect::is_unavailable(&error) => {
            Err(Failure::of(name, error))
        }
        // Stopped for good before it was sent: dropped, it is rolled back.
        Err(error @ DbErr::Custom(_)) => Err(Failure::of(name, error)),
        Err(error) => {
            tracing::error!(%error, transaction = name, "lost the connection in COMMIT");
            Err(Failure::Final(TxnError::OutcomeUnknown { name }))
        }
    }
}
