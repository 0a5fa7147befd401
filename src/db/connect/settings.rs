//! Pool sizes and timeouts.

use std::time::Duration;

use sea_orm::ConnectOptions;

/// How long a transaction may be idle before PostgreSQL ends its session, for pools that do not
/// pause on purpose.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(5);

/// The sizes of the pools, and the timeouts of their statements.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// The name in `pg_stat_activity`.
    pub application_name: &'static str,
    /// The most transactions that may be open at once.
    pub transactions_max: u32,
    /// Additional connections for reads outside of transactions; at least one.
    pub readers_max: u32,
    /// How long a read waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a row lock before it fails with 55P03; zero means no limit.
    pub lock_timeout: Duration,
    /// How long one statement may take; zero means no limit.
    pub statement_timeout: Duration,
    /// How long a transaction may be idle before PostgreSQL ends its session.
    pub idle_in_transaction: Duration,
    /// The time from the request for a read to its answer, including the wait for a connection.
    /// This limit is enforced here: the others are enforced by the server and do not help when it
    /// stops answering.
    pub read_deadline: Duration,
    /// True if a breaker refuses calls while the database is unavailable, and retries have a
    /// budget.
    pub is_guarded: bool,
}

impl PoolSettings {
    /// For pages and purchases: every request ends within its limit of 5 s.
    pub const SHOP: Self = Self {
        application_name: "doorbuster shop",
        transactions_max: 16,
        readers_max: 8,
        acquire_timeout: Duration::from_secs(3),
        lock_timeout: Duration::from_millis(2_500),
        statement_timeout: Duration::from_secs(4),
        idle_in_transaction: IDLE_IN_TRANSACTION,
        read_deadline: Duration::from_millis(4_500),
        is_guarded: true,
    };

    /// For the audits: few connections, apart from those of the shop, and no limit for a statement
    /// that reads much of history. A round of the continuous audit, a snapshot of the full one, and
    /// the transaction that holds its lock may be open at once.
    pub const AUDIT: Self = Self {
        application_name: "doorbuster audit",
        transactions_max: 3,
        readers_max: 1,
        acquire_timeout: Duration::from_secs(10),
        lock_timeout: Duration::from_secs(5),
        statement_timeout: Duration::ZERO,
        idle_in_transaction: IDLE_IN_TRANSACTION,
        read_deadline: Duration::from_secs(10),
        is_guarded: false,
    };

    /// For simulated buyers: they may wait as long as the run takes, so that a wait is measured and
    /// does not become an error.
    pub const SIMULATION: Self = Self {
        application_name: "doorbuster simulation",
        transactions_max: 16,
        readers_max: 1,
        acquire_timeout: Duration::from_secs(3_600),
        lock_timeout: Duration::from_secs(600),
        statement_timeout: Duration::from_secs(660),
        idle_in_transaction: IDLE_IN_TRANSACTION,
        read_deadline: Duration::from_secs(4_260),
        is_guarded: false,
    };

    /// For one buyer of the stepper, who stays in a transaction or waits for a lock as long as the
    /// attendee likes: the session's own time limit ends it.
    pub const STEPPER: Self = Self {
        application_name: "doorbuster stepper",
        transactions_max: 1,
        readers_max: 1,
        acquire_timeout: Duration::from_secs(3),
        lock_timeout: Duration::ZERO,
        statement_timeout: Duration::ZERO,
        // A little longer than a session may be kept open.
        idle_in_transaction: Duration::from_secs(3_900),
        read_deadline: Duration::from_millis(4_500),
        is_guarded: false,
    };

    /// For commands that run one task and exit.
    pub const COMMAND: Self = Self {
        application_name: "doorbuster command",
        transactions_max: 2,
        readers_max: 2,
        acquire_timeout: Duration::from_secs(10),
        lock_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(120),
        idle_in_transaction: IDLE_IN_TRANSACTION,
        read_deadline: Duration::from_secs(130),
        is_guarded: false,
    };

    /// Returns the driver's options of a pool with so many connections, as far as they are the same
    /// for every engine.
    pub(in crate::db) fn pool_options(self, url: &str, connections_max: u32) -> ConnectOptions {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(connections_max)
            .min_connections(1)
            .acquire_timeout(self.acquire_timeout)
            .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
            .sqlx_logging(false);
        options
    }
}
