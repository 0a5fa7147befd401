//! A named lock that one database session holds for as long as its process needs it. If the process
//! ends, so does the session, and the lock is free. On a cluster, whose nodes do not share named
//! locks, a lease in a table takes its place.

use std::{str::FromStr, time::Duration};

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{
        self, Connection, MySqlConnection, PgConnection, mysql::MySqlConnectOptions,
        postgres::PgConnectOptions,
    },
};
use tokio::time::timeout;

use super::{
    connect::ConnectError,
    engine::{
        Engine,
        mysql::{
            cluster::{self, ClusterLease},
            named_lock,
        },
    },
};

/// How long the connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A lock with the session that holds it. It is on a connection of its own: a pool may close an
/// idle connection, and the lock with it.
#[derive(Debug)]
pub struct SessionLock {
    session: Session,
    key: i64,
}

#[derive(Debug)]
enum Session {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Cluster(ClusterLease),
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
    /// waiting sessions get it in the order of their arrival, except on a cluster.
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
            lock.wait().await.map_err(unreachable)?;
        }
        Ok(lock)
    }

    /// Releases the lock: when this returns, another session can take it.
    pub async fn release(mut self) {
        let key = self.key;
        let released = match &mut self.session {
            Session::Postgres(session) => sqlx::query("SELECT pg_advisory_unlock($1)")
                .bind(key)
                .execute(session)
                .await
                .map(drop),
            Session::MySql(session) => sqlx::query(named_lock::RELEASE)
                .bind(named_lock::of_key(key))
                .execute(session)
                .await
                .map(drop),
            Session::Cluster(lease) => lease.release().await,
        };
        if let Err(error) = released {
            // The session is gone, and the lock with it.
            tracing::debug!(%error, "could not release a named lock");
        }
        self.close().await;
    }

    async fn connect(url: &str, name: &str, key: i64) -> Result<Self, ConnectError> {
        let connect = async {
            match Engine::of_url(url)?.0 {
                Engine::Postgres => {
                    let options = PgConnectOptions::from_str(url).map_err(unreachable)?;
                    let options = options.application_name(name);
                    PgConnection::connect_with(&options)
                        .await
                        .map(Session::Postgres)
                        .map_err(unreachable)
                }
                Engine::MySql => {
                    let options = MySqlConnectOptions::from_str(url).map_err(unreachable)?;
                    let session = MySqlConnection::connect_with(&options).await;
                    let mut session = session.map_err(unreachable)?;
                    Ok(
                        match cluster::recognize(&mut session)
                            .await
                            .map_err(unreachable)?
                        {
                            true => Session::Cluster(ClusterLease::new(session, key)),
                            false => Session::MySql(session),
                        },
                    )
                }
            }
        };
        let session = timeout(CONNECT_MAX, connect)
            .await
            .unwrap_or_else(|_| Err(unreachable(sqlx::Error::PoolTimedOut)))?;
        Ok(Self { session, key })
    }

    async fn is_acquired_at_once(&mut self) -> Result<bool, ConnectError> {
        match &mut self.session {
            Session::Postgres(session) => sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(self.key)
                .fetch_one(session)
                .await
                .map_err(unreachable),
            Session::MySql(session) => sqlx::query_scalar(named_lock::TRY)
                .bind(named_lock::of_key(self.key))
                .fetch_one(session)
                .await
                .map(|taken: Option<i64>| taken == Some(1))
                .map_err(unreachable),
            Session::Cluster(lease) => lease.try_take().await.map_err(unreachable),
        }
    }

    async fn wait(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.session {
            Session::Postgres(session) => sqlx::query("SELECT pg_advisory_lock($1)")
                .bind(self.key)
                .execute(session)
                .await
                .map(drop),
            Session::MySql(session) => sqlx::query(named_lock::TAKE_PATIENTLY)
                .bind(named_lock::of_key(self.key))
                .execute(session)
                .await
                .map(drop),
            Session::Cluster(lease) => lease.take_patiently().await,
        }
    }

    async fn close(self) {
        let closed = match self.session {
            Session::Postgres(session) => session.close().await,
            Session::MySql(session) => session.close().await,
            Session::Cluster(lease) => lease.close().await,
        };
        if let Err(error) = closed {
            tracing::debug!(%error, "could not close a connection");
        }
    }
}

fn unreachable(error: sqlx::Error) -> ConnectError {
    ConnectError::Unreachable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
