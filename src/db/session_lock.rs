//! An advisory lock that one database session holds for as long as its process needs it. If the
//! process ends, so does the session, and the lock is free.

use std::{str::FromStr, time::Duration};

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, Connection, PgConnection, postgres::PgConnectOptions},
};
use tokio::time::timeout;

use super::{connect::ConnectError, engine::Engine};

/// How long the connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A lock with the session that holds it. It is on a connection of its own: a pool may close an
/// idle connection, and the lock with it.
#[derive(Debug)]
pub struct SessionLock {
    connection: PgConnection,
    key: i64,
}

impl SessionLock {
    /// Takes the lock `key` of the database at `url` under the application name `name`; `None` if
    /// another session holds it.
    ///
    /// # Errors
    /// [`ConnectError::Url`] and [`ConnectError::Unreachable`].
    pub async fn try_acquire(
        url: &str,
        name: &str,
        key: i64,
    ) -> Result<Option<Self>, ConnectError> {
        let mut lock = Self::connect(url, name, key).await?;
        if lock.is_acquired_at_once().await? {
            return Ok(Some(lock));
        }
        lock.close().await;
        Ok(None)
    }

    /// The same, and waits until the lock is free. Calls `on_wait` if another session holds it. All
    /// waiting sessions get it in the order of their arrival.
    ///
    /// # Errors
    /// [`ConnectError::Url`] and [`ConnectError::Unreachable`].
    pub async fn acquire(
        url: &str,
        name: &str,
        key: i64,
        on_wait: impl FnOnce(),
    ) -> Result<Self, ConnectError> {
        let mut lock = Self::connect(url, name, key).await?;
        if !lock.is_acquired_at_once().await? {
            on_wait();
            sqlx::query("SELECT pg_advisory_lock($1)")
                .bind(key)
                .execute(&mut lock.connection)
                .await
                .map_err(unreachable)?;
        }
        Ok(lock)
    }

    /// Releases the lock: when this returns, another session can take it.
    pub async fn release(mut self) {
        let released = sqlx::query("SELECT pg_advisory_unlock($1)")
            .bind(self.key)
            .execute(&mut self.connection)
            .await;
        if let Err(error) = released {
            // The session is gone, and the lock with it.
            tracing::debug!(%error, "could not release an advisory lock");
        }
        self.close().await;
    }

    async fn connect(url: &str, name: &str, key: i64) -> Result<Self, ConnectError> {
        Engine::of_url(url)?;
        let options = PgConnectOptions::from_str(url).map_err(unreachable)?;
        let options = options.application_name(name);
        let connection = timeout(CONNECT_MAX, PgConnection::connect_with(&options))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(unreachable)?;
        Ok(Self { connection, key })
    }

    async fn is_acquired_at_once(&mut self) -> Result<bool, ConnectError> {
        sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(self.key)
            .fetch_one(&mut self.connection)
            .await
            .map_err(unreachable)
    }

    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "could not close a connection");
        }
    }
}

fn unreachable(error: sqlx::Error) -> ConnectError {
    ConnectError::Unreachable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
