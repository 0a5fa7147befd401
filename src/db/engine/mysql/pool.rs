//! The driver's options for each of the two pools, and what every session sets first.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sea_orm::{
    ConnectOptions,
    sqlx::{self, AssertSqlSafe, Executor, MySqlConnection, pool::PoolOptions},
};

use super::{cluster, named_lock, sessions};
use crate::db::connect::{
    health::{ConnectionHealth, ping_if_suspect, within_limit},
    settings::PoolSettings,
};

/// The limit for a lock if there is none: the server has no value for that.
const UNLIMITED_S: u64 = 100_000_000;

/// Options of the pool for transactions.
pub fn for_transactions(
    url: &str,
    settings: PoolSettings,
    name: &str,
    health: ConnectionHealth,
) -> ConnectOptions {
    let mut options = of_pool(url, settings, settings.transactions_max, &health);
    let (begin, name) = (session_settings(settings, ""), Arc::from(name));
    options.map_sqlx_mysql_pool_opts(move |pool| {
        let health = health.clone();
        with_settings(pool, &begin, &name)
            .after_release(move |connection, _| clean_up(connection, health.clone()))
    });
    options
}

/// Options of the pool for reads, whose sessions cannot write.
pub fn for_reads(
    url: &str,
    settings: PoolSettings,
    name: &str,
    health: ConnectionHealth,
) -> ConnectOptions {
    let mut options = of_pool(url, settings, settings.readers_max, &health);
    let (begin, name) = (session_settings(settings, ", READ ONLY"), Arc::from(name));
    options.map_sqlx_mysql_pool_opts(move |pool| {
        let health = health.clone();
        with_settings(pool, &begin, &name)
            .after_release(move |connection, _| ping_if_suspect(connection, health.clone()))
    });
    options
}

fn of_pool(
    url: &str,
    settings: PoolSettings,
    connections_max: u32,
    health: &ConnectionHealth,
) -> ConnectOptions {
    let health = health.clone();
    let mut options = settings.pool_options(url, connections_max);
    options.map_sqlx_mysql_before_acquire(move |connection, _| {
        ping_if_suspect(connection, health.clone())
    });
    options
}

/// The statement that every session of a pool begins with.
///
/// A transaction here is REPEATABLE READ unless it says otherwise, and its gap locks make
/// deliveries deadlock with sales. So the session says READ COMMITTED, and a transaction that needs
/// another level says so itself. Only MariaDB executes `/*M! … */`; only MySQL executes
/// `/*!80000 … */`, whose limit for a statement holds only for reads.
fn session_settings(settings: PoolSettings, access: &str) -> String {
    let lock_s = match settings.lock_timeout {
        Duration::ZERO => UNLIMITED_S,
        limit => limit
            .as_millis()
            .div_ceil(1_000)
            .try_into()
            .unwrap_or(UNLIMITED_S),
    };
    let (statement_s, statement_ms) = (
        settings.statement_timeout.as_secs_f64(),
        settings.statement_timeout.as_millis(),
    );
    let idle_s = settings.idle_in_transaction.as_secs();
    format!(
        "SET SESSION sql_mode = '{SQL_MODE}', SESSION innodb_lock_wait_timeout = {lock_s} \
         /*M!, SESSION max_statement_time = {statement_s}, SESSION idle_transaction_timeout = {idle_s} */ \
         /*!80000 , SESSION max_execution_time = {statement_ms}, SESSION information_schema_stats_expiry = 0 */; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED{access}"
    )
}

/// A value that does not fit is an error, and never cut off; `||` joins texts.
pub const SQL_MODE: &str = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
                            NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT";

fn with_settings(
    pool: PoolOptions<sqlx::MySql>,
    begin: &str,
    name: &Arc<str>,
) -> PoolOptions<sqlx::MySql> {
    let (begin, name) = (begin.to_owned(), Arc::clone(name));
    pool.after_connect(move |connection, _| {
        let (begin, name) = (begin.clone(), Arc::clone(&name));
        Box::pin(async move {
            connection.execute(AssertSqlSafe(begin)).await?;
            cluster::recognize(connection).await?;
            sessions::register_own(connection, name).await
        })
    })
}

/// Rolls a connection back before it returns to the pool, if connections are suspect, as
/// PostgreSQL's pool does; and releases its named locks, which outlive their transaction.
fn clean_up(
    connection: &mut MySqlConnection,
    health: ConnectionHealth,
) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async move {
        if health.is_suspect() {
            within_limit(connection.execute("ROLLBACK")).await?;
        }
        if named_lock::is_used() {
            within_limit(connection.execute("DO RELEASE_ALL_LOCKS()")).await?;
        }
        Ok(true)
    })
}
