//! A bounded pool of connections, and the database that it leads to.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use tokio::sync::Semaphore;

use super::dialect;

/// Why no pool could be opened. Each is a sentence for an operator; none holds the URL, which may carry a password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("DATABASE_URL is not a PostgreSQL URL (postgres://user:password@host:5432/name): {0}")]
    Url(String),
    #[error("the database {database} is absent and could not be created: {source}")]
    Create { database: String, source: DbErr },
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[source] DbErr),
}

/// How large a pool is, and how patient the statements on it are.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Shown in `pg_stat_activity`.
    pub application_name: &'static str,
    /// Transactions that may be open at once.
    pub transactions_max: u32,
    /// Connections beyond those, for reads outside of transactions.
    pub readers_max: u32,
    /// How long a read waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a row lock before it fails with 55P03.
    pub lock_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
}

impl PoolSettings {
    /// For pages and purchases: everything is over within the 5 s that a request may take.
    pub const SHOP: Self = Self {
        application_name: "doorbuster shop",
        transactions_max: 16,
        readers_max: 8,
        acquire_timeout: Duration::from_secs(3),
        lock_timeout: Duration::from_millis(2_500),
        statement_timeout: Duration::from_secs(4),
    };

    /// For simulated buyers: they queue as long as the run takes, so that a wait is measured and never turned into an error.
    pub const SIMULATION: Self = Self {
        application_name: "doorbuster simulation",
        transactions_max: 16,
        readers_max: 0,
        acquire_timeout: Duration::from_secs(3_600),
        lock_timeout: Duration::from_secs(600),
        statement_timeout: Duration::from_secs(660),
    };

    /// For commands that run one thing and end.
    pub const COMMAND: Self = Self {
        application_name: "doorbuster command",
        transactions_max: 2,
        readers_max: 2,
        acquire_timeout: Duration::from_secs(10),
        lock_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(120),
    };
}

/// A pool. Transactions pass a turnstile of our own in front of the driver's queue: it is fair, and the time spent in it is
/// known, which the driver does not tell.
#[derive(Clone, Debug)]
pub struct Db {
    connection: DatabaseConnection,
    turnstile: Arc<Semaphore>,
    settings: PoolSettings,
}

/// How long an idle transaction may stand before PostgreSQL ends it, in milliseconds.
const IDLE_IN_TRANSACTION_MS: u32 = 5_000;

/// A connection idle for longer is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(5);

impl Db {
    /// Opens a pool on `url`. The database must exist.
    ///
    /// # Errors
    /// [`ConnectError`] when the URL is of another kind or nobody answers.
    pub async fn connect(url: &str, settings: PoolSettings) -> Result<Self, ConnectError> {
        check_url(url)?;
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(settings.transactions_max + settings.readers_max)
            .min_connections(1)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
            .sqlx_logging(false)
            .map_sqlx_postgres_opts(move |pg| {
                pg.application_name(settings.application_name).options([
                    (
                        "idle_in_transaction_session_timeout",
                        IDLE_IN_TRANSACTION_MS.to_string(),
                    ),
                    (
                        "lock_timeout",
                        settings.lock_timeout.as_millis().to_string(),
                    ),
                    (
                        "statement_timeout",
                        settings.statement_timeout.as_millis().to_string(),
                    ),
                    // A rollback of nothing is routine here (see below), not worth a notice each.
                    ("client_min_messages", "error".to_owned()),
                ])
            })
            // A future dropped inside `begin` can leave a transaction open on a pooled connection (sqlx #4393): the next
            // one to take it would then write into a transaction that nobody commits.
            .map_sqlx_postgres_before_acquire(|connection, _| {
                Box::pin(async move {
                    use sea_orm::sqlx::Executor;
                    connection.execute("ROLLBACK").await?;
                    Ok(true)
                })
            });
        let connection = Database::connect(options)
            .await
            .map_err(ConnectError::Unreachable)?;
        Ok(Self {
            connection,
            turnstile: Arc::new(Semaphore::new(settings.transactions_max as usize)),
            settings,
        })
    }

    /// For reads outside of a transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// What this pool was opened with.
    pub fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// The gate that a transaction passes before it takes a connection.
    pub(super) fn turnstile(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turnstile)
    }

    /// Closes every connection.
    pub async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the pool");
        }
    }
}

/// Creates the database that `url` names if it is absent. Several servers may try at once.
///
/// # Errors
/// [`ConnectError`] when the server cannot be reached or refuses.
pub async fn ensure_database(url: &str) -> Result<(), ConnectError> {
    let parsed = check_url(url)?;
    let database = parsed.path().trim_start_matches('/').to_owned();
    match single_connection(url).await {
        Ok(connection) => {
            close(connection).await;
            return Ok(());
        }
        Err(error) if dialect::is_absent_database(&error) => {}
        Err(error) => return Err(ConnectError::Unreachable(error)),
    }
    let mut maintenance = parsed;
    maintenance.set_path("/postgres");
    let connection = single_connection(maintenance.as_str())
        .await
        .map_err(ConnectError::Unreachable)?;
    let created = connection
        .execute_unprepared(&dialect::create_database(&database))
        .await;
    close(connection).await;
    match created {
        Err(error) if !dialect::is_already_there(&error) => Err(ConnectError::Create {
            database,
            source: error,
        }),
        _ => {
            tracing::info!(database, "created the database");
            Ok(())
        }
    }
}

async fn single_connection(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
    Database::connect(options).await
}

async fn close(connection: DatabaseConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closing a connection");
    }
}

fn check_url(url: &str) -> Result<url::Url, ConnectError> {
    let parsed = url::Url::parse(url).map_err(|error| ConnectError::Url(error.to_string()))?;
    match parsed.scheme() {
        "postgres" | "postgresql" => Ok(parsed),
        other => Err(ConnectError::Url(format!("its scheme is {other}"))),
    }
}
