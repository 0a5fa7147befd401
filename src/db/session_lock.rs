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
use tokio_util::sync::CancellationToken;

use super::{
    connect::{ConnectError, health::answer_within},
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
/// How long each later answer may take. The network notices a server that does not answer much
/// later.
const ANSWER_MAX: Duration = Duration::from_secs(3);

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

impl Session {
    async fn open(engine: Engine, url: &str, name: &str, key: i64) -> Result<Self, sqlx::Error> {
        match engine {
            Engine::Postgres => {
                let options = PgConnectOptions::from_str(url)?.application_name(name);
                let session = PgConnection::connect_with(&options).await?;
                Ok(Self::Postgres(session))
            }
            Engine::MySql => {
                let options = MySqlConnectOptions::from_str(url)?;
                let mut session = MySqlConnection::connect_with(&options).await?;
                Ok(match cluster::recognize(&mut session).await? {
                    true => Self::Cluster(ClusterLease::new(session, options, key)),
                    false => Self::MySql(session),
                })
            }
        }
    }
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

    /// The same, and waits without a limit until the lock is free. Calls `on_wait` if another
    /// session holds it. All waiting sessions get it in the order of their arrival, except on a
    /// cluster.
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

    /// Returns what is cancelled if the process loses the lock to another session while it goes on,
    /// which only happens on a cluster.
    pub fn lost(&self) -> CancellationToken {
        match &self.session {
            Session::Cluster(lease) => lease.lost(),
            Session::Postgres(_) | Session::MySql(_) => CancellationToken::new(),
        }
    }

    /// Releases the lock: when this returns, another session can take it. If the server does not
    /// answer in time, it ends with its session.
    pub async fn release(mut self) {
        match answer_within(ANSWER_MAX, self.unlock()).await {
            Ok(()) => self.close().await,
            Err(error) => tracing::debug!(%error, "could not release a named lock"),
        }
    }

    async fn connect(url: &str, name: &str, key: i64) -> Result<Self, ConnectError> {
        let engine = Engine::of_url(url)?.0;
        let session = answer_within(CONNECT_MAX, Session::open(engine, url, name, key)).await;
        Ok(Self {
            session: session.map_err(unreachable)?,
            key,
        })
    }

    async fn is_acquired_at_once(&mut self) -> Result<bool, ConnectError> {
        let acquired = answer_within(ANSWER_MAX, self.try_lock()).await;
        acquired.map_err(unreachable)
    }

    async fn try_lock(&mut self) -> Result<bool, sqlx::Error> {
        match &mut self.session {
            Session::Postgres(session) => {
                sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                    .bind(self.key)
                    .fetch_one(session)
                    .await
            }
            Session::MySql(session) => sqlx::query_scalar(named_lock::TRY)
                .bind(named_lock::of_key(self.key))
                .fetch_one(session)
                .await
                .map(|taken: Option<i64>| taken == Some(1)),
            Session::Cluster(lease) => lease.try_take().await,
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

    async fn unlock(&mut self) -> Result<(), sqlx::Error> {
        match &mut self.session {
            Session::Postgres(session) => sqlx::query("SELECT pg_advisory_unlock($1)")
                .bind(self.key)
                .execute(session)
                .await
                .map(drop),
            Session::MySql(session) => sqlx::query(named_lock::RELEASE)
                .bind(named_lock::of_key(self.key))
                .execute(session)
                .await
                .map(drop),
            Session::Cluster(lease) => lease.release().await,
        }
    }

    async fn close(self) {
        let closed = async move {
            match self.session {
                Session::Postgres(session) => session.close().await,
                Session::MySql(session) => session.close().await,
                Session::Cluster(lease) => lease.close().await,
            }
        };
        if let Err(error) = answer_within(ANSWER_MAX, closed).await {
            tracing::debug!(%error, "could not close a connection");
        }
    }
}

fn unreachable(error: sqlx::Error) -> ConnectError {
    ConnectError::Unreachable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
