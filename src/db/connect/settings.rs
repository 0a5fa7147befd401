//! How large a pool is, and how patient the statements on it are.

use std::time::Duration;

/// How long an idle transaction may stand before PostgreSQL ends it, wherever nobody stands still on purpose.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

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
