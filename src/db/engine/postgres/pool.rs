//! The driver's options for each of the two pools, and the check of a connection that returns.

use std::time::Duration;

use futures::future::BoxFuture;
use sea_orm::{
    ConnectOptions,
    sqlx::{self, Executor, PgConnection},
};

use crate::db::connect::{
    health::{ConnectionHealth, ping_if_suspect, within_limit},
    settings::PoolSettings,
};

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
                roll_back_if_suspect(connection, health.clone())
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
            pool.after_release(move |connection, _| ping_if_suspect(connection, health.clone()))
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
    options.map_sqlx_postgres_before_acquire(move |connection, _| {
        ping_if_suspect(connection, health.clone())
    });
    options
}

/// Rolls a connection back before it returns to the pool, if connections are suspect.
///
/// A future that is dropped inside `begin` leaves a transaction open on its connection (sqlx
/// #4393): the next user of the connection would write into a transaction that is never committed.
/// Transactions run in their own tasks, and only a passed deadline drops one before its end. While
/// that may have happened, no connection returns to the pool before it has been rolled back. A
/// connection that does not answer in time is dead and is closed; otherwise it would keep its place
/// in the pool until the network notices. Rolling back every time would cost each purchase a round
/// trip.
///
/// A plain ROLLBACK would suffice, but outside of a transaction, which is the usual case, the
/// server logs a warning for each.
fn roll_back_if_suspect(
    connection: &mut PgConnection,
    health: ConnectionHealth,
) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async move {
        if health.is_suspect() {
            within_limit(connection.execute("BEGIN; ROLLBACK")).await?;
        }
        Ok(true)
    })
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
