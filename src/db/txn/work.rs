//! An open transaction, as its body sees it.

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
    db::{statements::Statements, stops::Stop},
    model::{ShopError, waterfall::Part},
};

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

/// What is to be run after the commit.
pub(super) type AfterCommit = Box<dyn FnOnce() + Send>;

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
    pub(super) fn on(transaction: DatabaseTransaction, stop: Stop) -> Self {
        Self {
            statements: Statements::new(transaction, stop),
            lock_wait_us: AtomicU64::new(0),
            after_commit: Mutex::new(Vec::new()),
        }
    }

    /// How long its statements have waited for row locks so far.
    pub(super) fn lock_wait(&self) -> Duration {
        Duration::from_micros(self.lock_wait_us.load(Ordering::Relaxed))
    }

    /// The transaction, to be ended, and what is to be run once it has committed.
    pub(super) fn into_parts(self) -> (DatabaseTransaction, Vec<AfterCommit>) {
        let actions = self.after_commit.into_inner().unwrap_or_default();
        (self.statements.into_connection(), actions)
    }

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
