//! The provider's own tables, in a schema of their own, and its own few connections. It shares no transaction with the shop.
//!
//! Every write is one statement, which PostgreSQL carries out whole or not at all, and so needs no transaction around it. Each runs in a
//! task of its own: a client who leaves cannot cancel it half way.

mod charges;
mod events;
mod refunds;
mod schema;

use std::{str::FromStr, sync::Arc, time::Duration};

use sea_orm::sqlx::{
    self,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};
use tokio::{sync::OnceCell, time::timeout};

pub use charges::{ChargeRow, NewCharge};
pub use events::Delivery;
pub use refunds::{NewRefund, RefundRow};

const CONNECTIONS_MAX: u32 = 8;
/// Shown in `pg_stat_activity`.
const APPLICATION_NAME: &str = "doorbuster provider";
/// How long one statement may take, by the server's clock.
const STATEMENT_TIMEOUT_MS: u32 = 2_500;
/// From the call to its result, the wait for a connection included; the answer comes before a caller has given up.
const CALL_DEADLINE: Duration = Duration::from_secs(3);
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// A connection that nobody needed for so long is given back to the server.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Why the provider knows nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the provider's database URL is not one of PostgreSQL")]
    Url(#[source] sqlx::Error),
    #[error("the provider's database did not answer: {0}")]
    Away(sqlx::Error),
    #[error("the provider's database did not answer in time")]
    Silent,
    #[error("the provider's database holds what is no {0}")]
    Unreadable(&'static str),
    #[error("a statement of the provider panicked")]
    Panicked,
}

/// The provider's memory.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    /// Set once the tables are there.
    ready: Arc<OnceCell<()>>,
}

impl Store {
    /// Connects when it is first used, so that a provider may start before its database.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn open(database_url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(database_url)
            .map_err(StoreError::Url)?
            .application_name(APPLICATION_NAME)
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT_MS.to_string()),
                // That a table is there already is no news.
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

    /// Gives every connection back.
    pub async fn close(&self) {
        // One on a dead line would be waited for.
        let _ = timeout(CLOSE_MAX, self.pool.close()).await;
    }

    /// Runs `work` to its end, whatever becomes of the caller.
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
            Ok(Ok(result)) => result.map_err(StoreError::Away),
            Ok(Err(_)) => Err(StoreError::Silent),
            Err(_) => Err(StoreError::Panicked),
        }
    }
}

/// For SQL: whole milliseconds.
fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// From SQL: whole milliseconds, of which none are left once the time has passed.
fn from_ms(ms: Option<i64>) -> Duration {
    Duration::from_millis(ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0))
}
