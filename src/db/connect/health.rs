//! Suspect connections are checked when they return to their pool, and before they are used again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::sqlx::{self, Connection, Executor};
use tokio::time::timeout;

/// The time limit for the check of one connection.
pub const RELEASE_MAX: Duration = Duration::from_secs(1);

/// How long connections stay suspect after a statement got no answer or a connection was lost:
/// until the other statements of that moment have ended too.
const SUSPECT_FOR: Duration = Duration::from_secs(30);

/// Whether the connections of a pool are suspect: they are for a while after one statement was
/// given up, or one connection was lost.
#[derive(Clone, Debug, Default)]
pub struct ConnectionHealth(Arc<Mutex<Option<Instant>>>);

impl ConnectionHealth {
    /// Marks the connections as suspect for a while.
    pub fn mark_suspect(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// True if a connection must be checked before it is used again.
    pub fn is_suspect(&self) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|raised| raised.elapsed() < SUSPECT_FOR)
    }
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
pub async fn roll_back_if_suspect(
    connection: &mut sqlx::PgConnection,
    health: &ConnectionHealth,
) -> Result<bool, sqlx::Error> {
    if !health.is_suspect() {
        return Ok(true);
    }
    match timeout(RELEASE_MAX, connection.execute("BEGIN; ROLLBACK")).await {
        Ok(result) => result.map(|_| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// Pings a connection if connections are suspect: before it returns to the pool, and before it is
/// used again. The driver also pings it, but without a time limit: a dead connection would keep its
/// place in the pool until the network notices. Pinging every time would cost each statement
/// another round trip.
pub async fn ping_if_suspect(
    connection: &mut sqlx::PgConnection,
    health: &ConnectionHealth,
) -> Result<bool, sqlx::Error> {
    if !health.is_suspect() {
        return Ok(true);
    }
    match timeout(RELEASE_MAX, connection.ping()).await {
        Ok(result) => result.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
