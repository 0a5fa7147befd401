//! A bounded pool of connections, and the database that it leads to.

mod ensure;
mod options;
mod reader;
mod settings;
mod suspicion;

pub use ensure::ensure_database;
pub use reader::Reader;
pub use settings::PoolSettings;

use std::sync::Arc;

use sea_orm::{Database, DatabaseConnection, DbErr, RuntimeErr};
use tokio::sync::Semaphore;

use self::{options::for_transactions, suspicion::Suspicion};
use super::{dialect, statements::Statements, stops::Stop};

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

/// Two pools: one for transactions, one for reads outside of them.
///
/// Transactions pass a turnstile of our own in front of the driver's queue: it is fair, and the time spent in it is known, which the driver
/// does not tell. Connections for reads are read-only by the server's own word, so that no write can slip past a transaction.
#[derive(Clone, Debug)]
pub struct Db {
    transactions: Statements<DatabaseConnection>,
    /// Whether a transaction was dropped half way.
    half_done: Suspicion,
    reader: Reader,
    turnstile: Arc<Semaphore>,
    settings: PoolSettings,
    name: Arc<str>,
}

impl Db {
    /// Opens both pools on `url`. The database must exist.
    ///
    /// # Errors
    /// [`ConnectError`] when the URL is of another kind or nobody answers.
    pub async fn connect(url: &str, settings: PoolSettings) -> Result<Self, ConnectError> {
        Self::connect_as(url, settings, settings.application_name).await
    }

    /// The same under a name of its own, by which its sessions can be told from those of other pools. PostgreSQL keeps 63 bytes of it.
    ///
    /// # Errors
    /// As [`Db::connect`].
    pub async fn connect_as(
        url: &str,
        settings: PoolSettings,
        name: &str,
    ) -> Result<Self, ConnectError> {
        check_url(url)?;
        let (transactions, half_done) = open_for_transactions(url, settings, name).await?;
        Ok(Self {
            transactions: Statements::new(transactions, None),
            half_done,
            reader: Reader::connect(url, settings, name).await?,
            turnstile: Arc::new(Semaphore::new(settings.transactions_max as usize)),
            settings,
            name: name.into(),
        })
    }

    /// Opens another pool for transactions, each of whose statements passes `stop`. Reads go where those of this one go.
    ///
    /// # Errors
    /// As [`Db::connect`].
    pub async fn beside(
        &self,
        url: &str,
        settings: PoolSettings,
        stop: Stop,
    ) -> Result<Self, ConnectError> {
        let name = settings.application_name;
        let (transactions, half_done) = open_for_transactions(url, settings, name).await?;
        Ok(Self {
            transactions: Statements::new(transactions, stop),
            half_done,
            reader: self.reader.clone(),
            turnstile: Arc::new(Semaphore::new(settings.transactions_max as usize)),
            settings,
            name: name.into(),
        })
    }

    /// For reads outside of a transaction.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The pool that transactions begin on, without a deadline: for `txn`, which brings its own.
    pub fn transactions(&self) -> &DatabaseConnection {
        self.transactions.connection()
    }

    /// The same pool, for a statement that is a transaction by itself.
    pub(super) fn statements(&self) -> &Statements<DatabaseConnection> {
        &self.transactions
    }

    /// Who stands in front of its statements.
    pub(super) fn stop(&self) -> &Stop {
        self.transactions.stop()
    }

    /// To be called before a transaction that is not over is dropped: its connection then comes back as it is.
    pub fn suspect_transactions(&self) {
        self.half_done.raise();
    }

    /// Opens every connection for transactions now, so that nobody's first statement waits for one: a password's handshake takes
    /// longer than a purchase, and buyers who are to arrive at once would come one after the other.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] when the server has no more for us.
    pub async fn warm_up(&self) -> Result<(), ConnectError> {
        let pool = self.transactions().get_postgres_connection_pool();
        let all = (0..self.settings.transactions_max).map(|_| pool.acquire());
        // Held until the last is there: each is another one.
        let held = futures::future::try_join_all(all).await;
        held.map(drop).map_err(|error| {
            ConnectError::Unreachable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
        })
    }

    /// What this was opened with.
    pub fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// What its sessions are called in `pg_stat_activity`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets nobody begin a transaction here any more, and has the server end every session of this pool, asked through another: what is open is
    /// rolled back, and what is on its way into a commit may have come through.
    ///
    /// # Errors
    /// What the database says.
    pub async fn cut_off(&self, through: &Self) -> Result<(), DbErr> {
        self.turnstile.close();
        dialect::end_sessions(through.reader(), &self.name).await
    }

    /// Transactions that are past the turnstile now: at most as many as the settings allow.
    pub fn transactions_in_use(&self) -> u32 {
        let free = u32::try_from(self.turnstile.available_permits()).unwrap_or(u32::MAX);
        self.settings.transactions_max.saturating_sub(free)
    }

    /// The gate that a transaction passes before it takes a connection.
    pub(super) fn turnstile(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turnstile)
    }

    /// Closes the connections for transactions; those for reads are another's, beside which this was opened.
    pub async fn close_transactions(self) {
        close(self.transactions.into_connection()).await;
    }

    /// Closes every connection.
    pub async fn close(self) {
        close(self.transactions.into_connection()).await;
        self.reader.close().await;
    }
}

async fn open_for_transactions(
    url: &str,
    settings: PoolSettings,
    name: &str,
) -> Result<(DatabaseConnection, Suspicion), ConnectError> {
    let half_done = Suspicion::default();
    let options = for_transactions(url, settings, name.to_owned(), half_done.clone());
    let pool = Database::connect(options)
        .await
        .map_err(ConnectError::Unreachable)?;
    Ok((pool, half_done))
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
