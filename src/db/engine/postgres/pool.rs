//! The driver's options for each of the two pools.

use std::time::Duration;

use sea_orm::ConnectOptions;

use crate::db::connect::{
    health::{ConnectionHealth, ping_if_suspect, roll_back_if_suspect},
    settings::PoolSettings,
};

/// A connection that was idle for longer is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(5);

/// Options of the pool for transactions.
pub fn for_transactions(
    url: &str,
    settings: PoolSettings,
    name: String,
    health: ConnectionHealth,
) -> ConnectOptions {
    let mut options = of_pool(url, settings, settings.transactions_max, &health);
    options
        .map_sqlx_postgres_opts(move |pg| {
            pg.application_name(&name).options([
                (
                    "idle_in_transaction_session_timeout",
                    in_ms(settings.idle_in_transaction),
                ),
                ("lock_timeout", in_ms(settings.lock_timeout)),
                ("statement_timeout", in_ms(settings.statement_timeout)),
                without_jit(),
                // A report must not take more than one processor from the buyers.
                ("max_parallel_workers_per_gather", "0".to_owned()),
                // Warnings go to the server's log.
                ("client_min_messages", "error".to_owned()),
            ])
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let health = health.clone();
            pool.after_release(move |connection, _| {
                let health = health.clone();
                Box::pin(async move { roll_back_if_suspect(connection, &health).await })
            })
        });
    options
}

/// Options of the pool for reads. No transaction begins here, so nothing needs to be rolled back.
pub fn for_reads(
    url: &str,
    settings: PoolSettings,
    name: String,
    health: ConnectionHealth,
) -> ConnectOptions {
    let mut options = of_pool(url, settings, settings.readers_max, &health);
    options
        .map_sqlx_postgres_opts(move |pg| {
            pg.application_name(&name).options([
                ("default_transaction_read_only", "on".to_owned()),
                without_jit(),
                ("statement_timeout", in_ms(settings.statement_timeout)),
            ])
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let health = health.clone();
            pool.after_release(move |connection, _| {
                let health = health.clone();
                Box::pin(async move { ping_if_suspect(connection, &health).await })
            })
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
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections_max)
        .min_connections(1)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .map_sqlx_postgres_before_acquire(move |connection, _| {
            let health = health.clone();
            Box::pin(async move { ping_if_suspect(connection, &health).await })
        })
        .sqlx_logging(false);
    options
}

/// PostgreSQL compiles a statement to machine code if it estimates a high cost, as for every rule
/// of the audit on a table that was not analyzed yet. The compilation takes more time than it
/// saves: it was a fifth of all processor time of the tests.
fn without_jit() -> (&'static str, String) {
    ("jit", "off".to_owned())
}

fn in_ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}
