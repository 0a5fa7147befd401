//! Suspect connections are checked when they return to their pool, and before they are used again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use sea_orm::sqlx::{self, Connection};
use tokio::time::timeout;

/// The time limit for the check of one connection.
const CHECK_MAX: Duration = Duration::from_secs(1);

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

/// Pings a connection if connections are suspect: before it returns to the pool, and before it is
/// used again. The driver also pings it, but without a time limit: a dead connection would keep its
/// place in the pool until the network notices. Pinging every time would cost each statement
/// another round trip.
pub fn ping_if_suspect<C: Connection>(
    connection: &mut C,
    health: ConnectionHealth,
) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    Box::pin(async move {
        if health.is_suspect() {
            within_limit(connection.ping()).await?;
        }
        Ok(true)
    })
}

/// Limits the time of the check of one connection: one that does not answer in time is dead, and
/// the pool closes it.
pub async fn within_limit<T>(
    check: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    answer_within(CHECK_MAX, check).await
}

/// Limits the time of a call to the database. The connection of one that was given up cannot be
/// used again.
pub async fn answer_within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, call)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
