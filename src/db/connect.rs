//! A bounded pool of connections, and the database that it leads to.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection,
    DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
    sqlx::{self, Connection, Executor},
};
use tokio::{sync::Semaphore, time::timeout};

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

/// How large a pool is, and how patient the statements on it are.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Shown in `pg_stat_activity`.
    pub application_name: &'static str,
    /// Transactions that may be open at once.
    pub transactions_max: u32,
    /// Connections beyond those, for reads outside of transactions; at least one.
    pub readers_max: u32,
    /// How long a read waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a row lock before it fails with 55P03; zero: without end.
    pub lock_timeout: Duration,
    /// How long one statement may take; zero: without end.
    pub statement_timeout: Duration,
    /// How long a transaction may stand idle before PostgreSQL ends its session.
    pub idle_in_transaction: Duration,
    /// From the request for a read to its answer, the wait for a connection included. This clock is ours: the others tick in
    /// the server, and say nothing when that falls silent.
    pub read_deadline: Duration,
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
        idle_in_transaction: IDLE_IN_TRANSACTION,
        read_deadline: Duration::from_millis(4_500),
    };

    /// For simulated buyers: they queue as long as the run takes, so that a wait is measured and never turned into an error.
    pub const SIMULATION: Self = Self {
        application_name: "doorbuster simulation",
        transactions_max: 16,
        readers_max: 1,
        acquire_timeout: Duration::from_secs(3_600),
        lock_timeout: Duration::from_secs(600),
        statement_timeout: Duration::from_secs(660),
        idle_in_transaction: IDLE_IN_TRANSACTION,
        read_deadline: Duration::from_secs(4_260),
    };

    /// For one buyer of the stepper, who stands still in a transaction, or at a lock, as long as the attendee likes: the session's own
    /// clock ends it.
    pub const STEPPER: Self = Self {
        application_name: "doorbuster stepper",
        transactions_max: 1,
        readers_max: 1,
        acquire_timeout: Duration::from_secs(3),
        lock_timeout: Duration::ZERO,
        statement_timeout: Duration::ZERO,
        idle_in_transaction: Duration::from_secs(660),
        read_deadline: Duration::from_millis(4_500),
    };

    /// For commands that run one thing and end.
    pub const COMMAND: Self = Self {
        application_name: "doorbuster command",
        transactions_max: 2,
        readers_max: 2,
        acquire_timeout: Duration::from_secs(10),
        lock_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(120),
        idle_in_transaction: IDLE_IN_TRANSACTION,
        read_deadline: Duration::from_secs(130),
    };
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

/// How long an idle transaction may stand before PostgreSQL ends it, wherever nobody stands still on purpose.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

/// How long a connection may take to roll back on its way into the pool.
const RELEASE_MAX: Duration = Duration::from_secs(1);

/// How long lines are suspected after a read got no answer: until the other reads of that moment are over too.
const SUSPICION_STANDS: Duration = Duration::from_secs(30);

/// A connection idle for longer is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(5);

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
        let half_done = Suspicion::default();
        let options = for_transactions(url, settings, name.to_owned(), half_done.clone());
        let transactions = Database::connect(options)
            .await
            .map_err(ConnectError::Unreachable)?;
        let suspicion = Suspicion::default();
        let options = for_reads(url, settings, name.to_owned(), suspicion.clone());
        let connection = Database::connect(options)
            .await
            .map_err(ConnectError::Unreachable)?;
        Ok(Self {
            transactions: Statements::new(transactions, None),
            half_done,
            reader: Reader {
                connection,
                deadline: settings.read_deadline,
                suspicion,
            },
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
        let half_done = Suspicion::default();
        let name = settings.application_name;
        let options = for_transactions(url, settings, name.to_owned(), half_done.clone());
        let transactions = Database::connect(options)
            .await
            .map_err(ConnectError::Unreachable)?;
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
        close(self.reader.connection).await;
    }
}

fn for_transactions(
    url: &str,
    settings: PoolSettings,
    name: String,
    half_done: Suspicion,
) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(settings.transactions_max)
        .min_connections(1)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |pg| {
            pg.application_name(&name).options([
                (
                    "idle_in_transaction_session_timeout",
                    in_ms(settings.idle_in_transaction),
                ),
                ("lock_timeout", in_ms(settings.lock_timeout)),
                ("statement_timeout", in_ms(settings.statement_timeout)),
                // Warnings are for the server's log.
                ("client_min_messages", "error".to_owned()),
            ])
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let half_done = half_done.clone();
            pool.after_release(move |connection, _| {
                let half_done = half_done.clone();
                Box::pin(async move { roll_back(connection, &half_done).await })
            })
        });
    options
}

/// No transaction ever begins here, so nothing needs to be rolled back.
fn for_reads(
    url: &str,
    settings: PoolSettings,
    name: String,
    suspicion: Suspicion,
) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(settings.readers_max)
        .min_connections(1)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |pg| {
            pg.application_name(&name).options([
                ("default_transaction_read_only", "on".to_owned()),
                ("statement_timeout", in_ms(settings.statement_timeout)),
            ])
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let suspicion = suspicion.clone();
            pool.after_release(move |connection, _| {
                let suspicion = suspicion.clone();
                Box::pin(async move { still_answers(connection, &suspicion).await })
            })
        });
    options
}

fn in_ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// A future dropped inside `begin` leaves a transaction open on its connection (sqlx #4393): the next one to take it would then write
/// into a transaction that nobody commits. Transactions run in tasks of their own, and only a passed deadline drops one half way: while that may have
/// happened, no connection goes back into the pool before it has been rolled back; one that cannot say so in time is on a dead line, and is
/// thrown away, or it would keep its place in the pool until the network notices. Rolling back always would cost every purchase a round trip.
///
/// A bare ROLLBACK would do, but outside of a transaction, which is the rule, the server logs a warning for each.
async fn roll_back(
    connection: &mut sqlx::PgConnection,
    half_done: &Suspicion,
) -> Result<bool, sqlx::Error> {
    if !half_done.stands() {
        return Ok(true);
    }
    match timeout(RELEASE_MAX, connection.execute("BEGIN; ROLLBACK")).await {
        Ok(result) => result.map(|_| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// Whether connections may be in a bad way: for a while after one was given up.
#[derive(Clone, Debug, Default)]
struct Suspicion(Arc<Mutex<Option<Instant>>>);

impl Suspicion {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn stands(&self) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|raised| raised.elapsed() < SUSPICION_STANDS)
    }
}

/// The driver pings a connection on its way into the pool, without a limit: on a dead line that would keep its place in the pool until
/// the network notices. So while lines are suspected, this one asks first, and is bounded; asking always would cost every read another
/// round trip.
async fn still_answers(
    connection: &mut sqlx::PgConnection,
    suspicion: &Suspicion,
) -> Result<bool, sqlx::Error> {
    if !suspicion.stands() {
        return Ok(true);
    }
    match timeout(RELEASE_MAX, connection.ping()).await {
        Ok(result) => result.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// The pool for statements outside of a transaction. Each is over by the pool's deadline, also when the database has fallen silent
/// without hanging up, which no timeout of the network notices in time.
#[derive(Clone, Debug)]
pub struct Reader {
    connection: DatabaseConnection,
    deadline: Duration,
    suspicion: Suspicion,
}

impl Reader {
    /// Runs in a task of its own, so that a reader who leaves does not hide a dead line from us.
    async fn bounded<T, F>(&self, read: impl FnOnce(DatabaseConnection) -> F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let read = read(self.connection.clone());
        let (deadline, suspicion) = (self.deadline, self.suspicion.clone());
        let task = tokio::spawn(async move {
            let mut read = pin!(read);
            match timeout(deadline, &mut read).await {
                Ok(answer) => answer,
                Err(_) => {
                    // Before the read is dropped, and its connection goes back.
                    suspicion.raise();
                    Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
                }
            }
        });
        task.await
            .unwrap_or_else(|error| Err(DbErr::Custom(error.to_string())))
    }
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.bounded(|connection| async move { connection.execute_raw(statement).await })
            .await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sql.to_owned();
        self.bounded(|connection| async move { connection.execute_unprepared(&sql).await })
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.bounded(|connection| async move { connection.query_one_raw(statement).await })
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.bounded(|connection| async move { connection.query_all_raw(statement).await })
            .await
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
