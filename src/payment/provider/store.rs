//! The provider's tables, apart from those of the shop, and its small connection pool. It shares no
//! transaction with the shop.
//!
//! Every write is one statement, which PostgreSQL executes atomically, so it needs no explicit
//! transaction. On MySQL it is a call of a procedure that is a transaction. Each statement runs in
//! a task of its own: a client that disconnects cannot cancel it half way.

mod charges;
mod events;
mod pool;
mod refunds;
mod schema;
mod settling;

use std::{sync::Arc, time::Duration};

use sea_orm::sqlx;
use time::OffsetDateTime;
use tokio::{sync::OnceCell, time::timeout};

use self::pool::{CALL_DEADLINE, Pool};
pub use charges::{ChargeRow, NewCharge};
pub use events::Delivery;
pub use refunds::{NewRefund, RefundRow};
pub use settling::MoneyMovement;

const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Why a database call of the provider failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the provider's database URL is not the URL of a database")]
    Url(#[source] sqlx::Error),
    #[error("the provider's database did not answer: {0}")]
    Unavailable(sqlx::Error),
    #[error("the provider's database did not answer in time")]
    Timeout,
    #[error("the provider's database contains an unreadable {0}")]
    Unreadable(&'static str),
    #[error("a statement of the provider panicked")]
    Panicked,
}

/// The provider's database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    /// Set once the tables have been created.
    ready: Arc<OnceCell<()>>,
}

impl Store {
    /// Opens the store. It connects at its first use, so that a provider may start before its
    /// database.
    ///
    /// # Errors
    /// [`StoreError::Url`] if the URL is not that of a database.
    pub fn open(database_url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            pool: Pool::open(database_url).map_err(StoreError::Url)?,
            ready: Arc::default(),
        })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        // Without the timeout, a broken network connection would block the close.
        let _ = timeout(CLOSE_MAX, self.pool.close()).await;
    }

    /// Runs `work` to its end, even if the caller is cancelled.
    async fn run<T, F>(&self, work: impl FnOnce(Pool) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        let (pool, ready) = (self.pool.clone(), Arc::clone(&self.ready));
        let work = work(pool.clone());
        let task = tokio::spawn(timeout(CALL_DEADLINE, async move {
            ready.get_or_try_init(|| schema::create(&pool)).await?;
            work.await
        }));
        match task.await {
            Ok(Ok(result)) => result.map_err(StoreError::Unavailable),
            Ok(Err(_)) => Err(StoreError::Timeout),
            Err(_) => Err(StoreError::Panicked),
        }
    }
}

/// Returns the time from `now` until `at`; zero once it has passed.
fn time_until(at: Option<OffsetDateTime>, now: OffsetDateTime) -> Duration {
    at.and_then(|at| Duration::try_from(at - now).ok())
        .unwrap_or_default()
}
