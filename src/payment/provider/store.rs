//! The provider's tables, in a schema of their own, and its small connection pool. It shares no
//! transaction with the shop.
//!
//! Every write is one statement, which PostgreSQL executes atomically, so it needs no explicit
//! transaction. Each statement runs in a task of its own: a client that disconnects cannot cancel
//! it half way.

mod charges;
mod events;
mod refunds;
mod schema;
mod settling;

use std::{str::FromStr, sync::Arc, time::Duration};

use sea_orm::sqlx::{
    self,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};
use time::OffsetDateTime;
use tokio::{sync::OnceCell, time::timeout};

pub use charges::{ChargeRow, NewCharge};
pub use events::Delivery;
pub use refunds::{NewRefund, RefundRow};
pub use settling::MoneyMovement;

const CONNECTIONS_MAX: u32 = 8;
/// Shown in `pg_stat_activity`.
const APPLICATION_NAME: &str = "doorbuster provider";
/// How long one statement may take, by the database server's clock.
const STATEMENT_TIMEOUT_MS: u32 = 2_500;
/// From the call to its result, including the wait for a connection. It is shorter than the timeout
/// of the provider's callers, so that they still receive the error.
const CALL_DEADLINE: Duration = Duration::from_secs(3);
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// A connection that is idle for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Why a database call of the provider failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the provider's database URL is not a PostgreSQL URL")]
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
    pool: PgPool,
    /// Set once the tables have been created.
    ready: Arc<OnceCell<()>>,
}

impl Store {
    /// Opens the store. It connects at its first use, so that a provider may start before its
    /// database.
    ///
    /// # Errors
    /// [`StoreError::Url`] if the URL is not a PostgreSQL URL.
    pub fn open(database_url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(database_url)
            .map_err(StoreError::Url)?
            .application_name(APPLICATION_NAME)
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT_MS.to_string()),
                // No notices that a table exists already.
                ("client_min_messages", "error".to_owned()),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CALL_DEADLINE)
            .idle_timeout(IDLE_MAX)
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            ready: Arc::default(),
        })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        // Without the timeout, a broken network connection would block the close.
        let _ = timeout(CLOSE_MAX, self.pool.close()).await;
    }

    /// Runs `work` to its end, even if the caller is cancelled.
    async fn run<T, F>(&self, work: impl FnOnce(PgPool) -> F) -> Result<T, StoreError>
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

/// Converts a duration to whole milliseconds for SQL.
fn to_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the time from `now` until `at`; zero once it has passed.
fn time_until(at: Option<OffsetDateTime>, now: OffsetDateTime) -> Duration {
    at.and_then(|at| Duration::try_from(at - now).ok())
        .unwrap_or_default()
}
