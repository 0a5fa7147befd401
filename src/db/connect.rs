//! The connection pools of a database.

mod ensure;
pub(super) mod error;
pub(super) mod guard;
pub(super) mod health;
mod reader;
pub(super) mod settings;

pub use ensure::{ensure_database, find_database};
pub use error::ConnectError;
pub use reader::Reader;
pub use settings::PoolSettings;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{Database, DatabaseConnection, DbErr, RuntimeErr};
use tokio::{sync::Semaphore, time::timeout};

use self::{guard::DatabaseGuard, health::ConnectionHealth};
use super::{
    dialect,
    engine::{Engine, mysql, postgres},
    statement_hook::OptionalHook,
    statements::Statements,
};
use crate::metrics::TransactionMetrics;

/// How long the connections of a pool may take to close. While the database does not answer, a
/// connection in use does not end for minutes, and neither does the pool's own upkeep.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Two pools: one for transactions, one for reads outside of transactions.
///
/// A transaction first takes a permit from our own semaphore, then a connection from the driver's
/// pool. The semaphore is fair, and its waiting time is known, which the driver does not report.
/// Connections for reads are read-only on the server's side, so no write can bypass a transaction.
#[derive(Clone, Debug)]
pub struct Db {
    transactions: Statements<DatabaseConnection>,
    /// Set to suspect when a statement was given up or a connection was lost.
    health: ConnectionHealth,
    guard: DatabaseGuard,
    reader: Reader,
    transaction_permits: Arc<Semaphore>,
    settings: PoolSettings,
    name: Arc<str>,
    /// Transactions that wait for a permit.
    waiting: Arc<AtomicU64>,
    metrics: Arc<TransactionMetrics>,
}

impl Db {
    /// Opens both pools on `url`. The database must exist.
    ///
    /// # Errors
    /// [`ConnectError::Url`] if `url` is not the URL of a database; [`ConnectError::Unreachable`]
    /// if the server does not answer.
    pub async fn connect(url: &str, settings: PoolSettings) -> Result<Self, ConnectError> {
        Self::connect_as(url, settings, settings.application_name).await
    }

    /// The same under its own application name, which distinguishes its sessions from those of
    /// other pools. PostgreSQL keeps 63 bytes of the name.
    ///
    /// # Errors
    /// As [`Db::connect`].
    pub async fn connect_as(
        url: &str,
        settings: PoolSettings,
        name: &str,
    ) -> Result<Self, ConnectError> {
        let health = ConnectionHealth::default();
        let guard = DatabaseGuard::new(url, settings);
        let transactions = open_for_transactions(url, settings, name, &health).await?;
        Ok(Self {
            transactions: Statements::new(transactions, None),
            reader: Reader::connect(url, settings, name, &health, &guard).await?,
            health,
            guard,
            transaction_permits: Arc::new(Semaphore::new(settings.transactions_max as usize)),
            settings,
            name: name.into(),
            waiting: Arc::default(),
            metrics: Arc::default(),
        })
    }

    /// Opens another pool for transactions, whose statements pass through `hook`. Its reads use the
    /// pool of this `Db`.
    ///
    /// # Errors
    /// As [`Db::connect`].
    pub async fn open_hooked_pool(
        &self,
        url: &str,
        settings: PoolSettings,
        hook: OptionalHook,
    ) -> Result<Self, ConnectError> {
        let name = settings.application_name;
        let health = ConnectionHealth::default();
        let transactions = open_for_transactions(url, settings, name, &health).await?;
        Ok(Self {
            transactions: Statements::new(transactions, hook),
            health,
            guard: DatabaseGuard::new(url, settings),
            reader: self.reader.clone(),
            transaction_permits: Arc::new(Semaphore::new(settings.transactions_max as usize)),
            settings,
            name: name.into(),
            waiting: Arc::default(),
            metrics: Arc::default(),
        })
    }

    /// Counts the transactions of this pool together with those of `other`.
    #[must_use]
    pub fn measured_with(self, other: &Self) -> Self {
        Self {
            metrics: Arc::clone(&other.metrics),
            ..self
        }
    }

    /// Returns what its transactions cost.
    pub fn metrics(&self) -> &TransactionMetrics {
        &self.metrics
    }

    /// Returns what protects the database from the calls of both pools.
    pub fn guard(&self) -> &DatabaseGuard {
        &self.guard
    }

    /// Returns the engine of the database.
    pub fn engine(&self) -> Engine {
        Engine::of(self.transactions())
    }

    /// Returns the pool for reads outside of a transaction.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Returns the pool for transactions, without a deadline: `txn` sets its own.
    pub fn transactions(&self) -> &DatabaseConnection {
        self.transactions.connection()
    }

    /// Returns the hook of its statements.
    pub(super) fn hook(&self) -> &OptionalHook {
        self.transactions.hook()
    }

    /// Marks the connections as suspect. Call this before a transaction is dropped before its end:
    /// its connection returns to the pool with the transaction open.
    pub fn mark_transactions_suspect(&self) {
        self.health.mark_suspect();
    }

    /// Marks all connections as suspect, because one of them was lost: the others may be lost too,
    /// as after a restart of the database. Until each has been checked, a request would fail for
    /// every one of them.
    pub(super) fn mark_all_suspect(&self) {
        self.health.mark_suspect();
        self.reader.mark_suspect();
    }

    /// Opens every connection for transactions now, so that no first statement waits for one: a
    /// password handshake takes longer than a purchase, and buyers who should arrive at once would
    /// arrive one after the other.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] if the server has no connections left.
    pub async fn warm_up(&self) -> Result<(), ConnectError> {
        let (pool, connections) = (self.transactions(), 0..self.settings.transactions_max);
        // Held until the last one is open, so that each is a different connection.
        let opened = match Engine::of(pool) {
            Engine::Postgres => {
                let pool = pool.get_postgres_connection_pool();
                let held = futures::future::try_join_all(connections.map(|_| pool.acquire()));
                held.await.map(drop)
            }
            Engine::MySql => {
                let pool = pool.get_mysql_connection_pool();
                let held = futures::future::try_join_all(connections.map(|_| pool.acquire()));
                held.await.map(drop)
            }
        };
        opened.map_err(|error| {
            ConnectError::Unreachable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
        })
    }

    /// Returns the settings with which the pools were opened.
    pub fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// Returns the name of its sessions in `pg_stat_activity`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Prevents new transactions, and asks the server, through another pool, to terminate every
    /// session of this pool. Open transactions are rolled back; a transaction in COMMIT may have
    /// been committed.
    pub async fn terminate_sessions(&self, through: &Self) -> Result<(), DbErr> {
        self.transaction_permits.close();
        dialect::end_sessions(through.reader(), &self.name).await
    }

    /// Returns how many transactions have a permit now, at most as many as the settings allow.
    pub fn transactions_in_use(&self) -> u32 {
        let free = u32::try_from(self.transaction_permits.available_permits()).unwrap_or(u32::MAX);
        self.settings.transactions_max.saturating_sub(free)
    }

    /// Returns how many transactions wait for a permit now.
    pub fn transactions_waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts a transaction that waits for a permit, for as long as the result lives.
    pub(super) fn count_waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Returns the semaphore from which a transaction takes a permit before it takes a connection.
    pub(super) fn transaction_permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.transaction_permits)
    }

    /// Closes the connections for transactions. The connections for reads belong to the `Db` that
    /// opened this pool.
    pub async fn close_transactions(self) {
        close(self.transactions.into_connection()).await;
    }

    /// Closes every connection, or gives up after [`CLOSE_MAX`].
    pub async fn close(self) {
        tokio::join!(
            close(self.transactions.into_connection()),
            self.reader.close()
        );
    }
}

/// A transaction that waits for a permit.
pub(super) struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn open_for_transactions(
    url: &str,
    settings: PoolSettings,
    name: &str,
    health: &ConnectionHealth,
) -> Result<DatabaseConnection, ConnectError> {
    let health = health.clone();
    let options = match Engine::of_url(url)?.0 {
        Engine::Postgres => {
            postgres::pool::for_transactions(url, settings, name.to_owned(), health)
        }
        Engine::MySql => mysql::pool::for_transactions(url, settings, name, health),
    };
    Database::connect(options)
        .await
        .map_err(ConnectError::Unreachable)
}

async fn close(connection: DatabaseConnection) {
    match timeout(CLOSE_MAX, connection.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "could not close a connection"),
        Err(_) => tracing::debug!("a connection was not closed in time"),
    }
}
