//! The one place where a transaction begins.
//!
//! Each has a name, a bounded number of attempts with jittered backoff, and a deadline; and each runs in a task of its own, so that a
//! client who leaves cannot cancel a commit half way. Only what the database says did nothing is tried again: serialization
//! failure, deadlock, lock timeout. A commit whose answer was lost is never sent again blindly: the caller's idempotency key tells.

mod error;
mod outcome;
pub mod trace;

pub use error::{Chain, TxnError, read_error};
pub use outcome::{Outcome, TimeSplit};

use std::{
    fmt,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use rand::RngExt;
use sea_orm::{
    AccessMode, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel, TransactionTrait,
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Db, dialect,
    statements::Statements,
    stops::{self, Stop},
};
use crate::{
    config::crash_point,
    model::{ShopError, waterfall::Part},
};

/// The rules for one kind of transaction.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// For logs and measurements.
    pub name: &'static str,
    /// The first attempt included.
    pub attempts_max: u32,
    /// From the request to the answer, over all attempts and the wait for a connection.
    pub deadline: Duration,
    /// What it sees of others.
    pub isolation: Isolation,
}

/// What a transaction sees of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed when it began.
    ReadCommitted,
    /// All statements see the moment of the first; a row that was changed since cannot be written.
    RepeatableRead,
    /// As if it ran alone: the database aborts what would not look so.
    Serializable,
    /// All statements see the same moment, and none may write.
    Snapshot,
}

impl Policy {
    /// A write on behalf of a request.
    pub const fn request(name: &'static str) -> Self {
        Self {
            name,
            attempts_max: 10,
            deadline: REQUEST_DEADLINE,
            isolation: Isolation::ReadCommitted,
        }
    }

    /// A report: all of its statements see the same moment, and none may write.
    pub const fn snapshot(name: &'static str, deadline: Duration) -> Self {
        Self {
            name,
            attempts_max: 1,
            deadline,
            isolation: Isolation::Snapshot,
        }
    }
}

/// The answer comes before the 5 s after which a request is given up.
pub const REQUEST_DEADLINE: Duration = Duration::from_millis(4_500);
/// The first pause before another attempt; it doubles with each, and the real pause is a random part of it.
const BACKOFF_FIRST: Duration = Duration::from_millis(4);
/// The longest pause before another attempt.
const BACKOFF_MAX: Duration = Duration::from_millis(128);

/// Why the body of a transaction stops. Either way it is rolled back.
#[derive(Debug)]
pub enum Abort {
    /// By a rule of the shop.
    Refused(ShopError),
    /// By the database.
    Db(DbErr),
    /// What was read is no longer so, and nothing was written for it: to be tried again.
    Conflict,
}

impl From<ShopError> for Abort {
    fn from(error: ShopError) -> Self {
        Self::Refused(error)
    }
}

impl From<DbErr> for Abort {
    fn from(error: DbErr) -> Self {
        Self::Db(error)
    }
}

type AfterCommit = Box<dyn FnOnce() + Send>;

/// An open transaction, as its body sees it.
pub struct Work {
    statements: Statements<DatabaseTransaction>,
    lock_wait_us: AtomicU64,
    after_commit: Mutex<Vec<AfterCommit>>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

impl Work {
    /// What statements run on.
    pub fn connection(&self) -> &Statements<DatabaseTransaction> {
        &self.statements
    }

    /// Runs a statement that takes a row lock, and counts its time as waiting for that lock.
    pub async fn waiting_for_lock<T>(&self, statement: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = statement.await;
        trace::mark(Part::LockWait, start);
        let waited = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.lock_wait_us.fetch_add(waited, Ordering::Relaxed);
        result
    }

    /// Has `action` run once the commit is durable, and not at all if there is none: nothing is announced before it is true.
    pub fn after_commit(&self, action: impl FnOnce() + Send + 'static) {
        if let Ok(mut actions) = self.after_commit.lock() {
            actions.push(Box::new(action));
        }
    }
}

/// Runs `body` in a transaction until it commits, is refused, or may not be tried again.
pub async fn run<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    T: Send + 'static,
    F: for<'w> Fn(&'w Work) -> BoxFuture<'w, Result<T, Abort>> + Send + Sync + 'static,
{
    spawn(db, policy, InTransaction(body)).await
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

async fn run_in_task<T, F>(db: &Db, policy: Policy, body: F) -> Outcome<T>
where
    F: Body<T>,
{
    let mut split = TimeSplit::default();
    let mut attempts = 0;
    let committing = AtomicBool::new(false);
    let result = {
        let mut work = pin!(attempt_until_done(
            db,
            policy,
            &body,
            &mut attempts,
            &mut split,
            &committing
        ));
        let within_deadline = tokio::time::timeout(policy.deadline, &mut work).await;
        if within_deadline.is_err() {
            // Before the work is dropped, and its connection goes back as it is.
            db.suspect_transactions();
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
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Retryable(source)) if *attempts >= policy.attempts_max => {
                return Err(TxnError::Exhausted {
                    name: policy.name,
                    attempts: *attempts,
                    source,
                });
            }
            Err(Failure::Retryable(_)) => tokio::time::sleep(backoff(*attempts)).await,
        }
    }
}

enum Failure {
    Retryable(DbErr),
    Final(TxnError),
}

impl Failure {
    fn of(name: &'static str, error: DbErr) -> Self {
        if dialect::is_retryable(&error) {
            Self::Retryable(error)
        } else if dialect::is_unavailable(&error) {
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

/// What one attempt does.
trait Body<T> {
    fn attempt(
        &self,
        db: &Db,
        policy: Policy,
        split: &mut TimeSplit,
        committing: &AtomicBool,
    ) -> impl Future<Output = Result<T, Failure>> + Send;
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
    let work = Work {
        statements: Statements::new(transaction, db.stop().clone()),
        lock_wait_us: AtomicU64::new(0),
        after_commit: Mutex::new(Vec::new()),
    };
    let result = body(&work).await;
    trace::mark(Part::Execute, started);
    let lock_wait = Duration::from_micros(work.lock_wait_us.load(Ordering::Relaxed));
    split.lock_wait += lock_wait;
    split.execute += started.elapsed().saturating_sub(lock_wait);

    match result {
        Ok(value) => {
            let committed = Instant::now();
            committing.store(true, Ordering::Relaxed);
            crash_point::pass("before commit of", name);
            let outcome = commit(name, work).await;
            crash_point::pass("after commit of", name);
            split.commit += committed.elapsed();
            trace::mark(Part::Commit, committed);
            outcome.map(|()| value)
        }
        Err(abort) => {
            // Whatever the rollback says, the connection is rolled back again before it is next used.
            if let Err(error) = rollback(work).await {
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

async fn rollback(work: Work) -> Result<(), DbErr> {
    let stop = work.statements.stop().clone();
    let transaction = work.statements.into_connection();
    stops::pass(&stop, "ROLLBACK", transaction.rollback()).await
}

async fn commit(name: &'static str, work: Work) -> Result<(), Failure> {
    let stop = work.statements.stop().clone();
    let committed = work.statements.into_connection().commit();
    match stops::pass(&stop, "COMMIT", committed).await {
        Ok(()) => {
            for action in work.after_commit.into_inner().unwrap_or_default() {
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

/// Exponential backoff with full jitter, as in AWS's "Exponential Backoff And Jitter" (2015).
fn backoff(attempt: u32) -> Duration {
    let ceiling = BACKOFF_FIRST
        .saturating_mul(1 << attempt.saturating_sub(1).min(16))
        .min(BACKOFF_MAX);
    rand::rng().random_range(Duration::ZERO..=ceiling)
}
