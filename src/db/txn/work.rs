//! An open transaction, as the body of the transaction uses it.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{DatabaseTransaction, DbErr};

use super::trace;
use crate::{
    db::{statement_hook::OptionalHook, statements::Statements},
    model::{ShopError, waterfall::Part},
};

/// Why the body of a transaction stops. In every case the transaction is rolled back.
#[derive(Debug)]
pub enum Abort {
    /// A rule of the shop refused it.
    Refused(ShopError),
    /// The database reported an error.
    Db(DbErr),
    /// Another transaction has changed the rows that were read, and nothing was written based on
    /// them: the transaction is retried.
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

/// An action to run after the commit.
pub(super) type AfterCommit = Box<dyn FnOnce() + Send>;

/// An open transaction, as the body of the transaction uses it.
pub struct Work {
    statements: Statements<DatabaseTransaction>,
    lock_wait_us: AtomicU64,
    pause_us: AtomicU64,
    redis_us: AtomicU64,
    after_commit: Mutex<Vec<AfterCommit>>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

impl Work {
    pub(super) fn on(transaction: DatabaseTransaction, hook: OptionalHook) -> Self {
        Self {
            statements: Statements::new(transaction, hook),
            lock_wait_us: AtomicU64::new(0),
            pause_us: AtomicU64::new(0),
            redis_us: AtomicU64::new(0),
            after_commit: Mutex::new(Vec::new()),
        }
    }

    /// Returns how long its statements have waited for row locks so far.
    pub(super) fn lock_wait(&self) -> Duration {
        Duration::from_micros(self.lock_wait_us.load(Ordering::Relaxed))
    }

    /// Returns how long it has paused between read and write so far.
    pub(super) fn pause(&self) -> Duration {
        Duration::from_micros(self.pause_us.load(Ordering::Relaxed))
    }

    /// Returns how long it has waited for Redis so far.
    pub(super) fn redis(&self) -> Duration {
        Duration::from_micros(self.redis_us.load(Ordering::Relaxed))
    }

    /// Returns the transaction, to end it, and the actions to run after its commit.
    pub(super) fn into_parts(self) -> (DatabaseTransaction, Vec<AfterCommit>) {
        let actions = self.after_commit.into_inner().unwrap_or_default();
        (self.statements.into_connection(), actions)
    }

    /// Returns the connection that runs the statements.
    pub fn connection(&self) -> &Statements<DatabaseTransaction> {
        &self.statements
    }

    /// Runs a statement that takes a row lock, and counts its time as lock wait.
    pub async fn time_lock_wait<T>(&self, statement: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = statement.await;
        trace::mark(Part::LockWait, start);
        add_elapsed(&self.lock_wait_us, start);
        result
    }

    /// Awaits a pause between read and write, and counts its time as that.
    pub async fn time_pause<T>(&self, pause: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = pause.await;
        add_elapsed(&self.pause_us, start);
        result
    }

    /// Awaits an answer of Redis, and counts its time as that.
    pub async fn time_redis<T>(&self, answer: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = answer.await;
        add_elapsed(&self.redis_us, start);
        result
    }

    /// Registers an `action` to run once the commit is durable. Without a commit it does not run,
    /// so nothing is announced that did not happen.
    pub fn after_commit(&self, action: impl FnOnce() + Send + 'static) {
        if let Ok(mut actions) = self.after_commit.lock() {
            actions.push(Box::new(action));
        }
    }
}

fn add_elapsed(sum_us: &AtomicU64, start: Instant) {
    let elapsed = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    sum_us.fetch_add(elapsed, Ordering::Relaxed);
}
