//! Reads outside of transactions, each with a deadline.

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DbErr,
    ExecResult, QueryResult, Statement,
};
use tokio::time::timeout;
use tracing::Instrument;

use super::{ConnectError, PoolSettings, close, guard::DatabaseGuard, health::ConnectionHealth};
use crate::db::{
    engine::{self, Engine, mysql, postgres},
    statements,
};

/// The pool for statements outside of a transaction. Each statement ends by the pool's deadline,
/// also when the database stops answering without closing the connection, which no network timeout
/// notices in time.
#[derive(Clone, Debug)]
pub struct Reader {
    connection: DatabaseConnection,
    deadline: Duration,
    health: ConnectionHealth,
    guard: DatabaseGuard,
}

impl Reader {
    pub(super) async fn connect(
        url: &str,
        settings: PoolSettings,
        name: &str,
        health: &ConnectionHealth,
        guard: &DatabaseGuard,
    ) -> Result<Self, ConnectError> {
        let options = match Engine::of_url(url)?.0 {
            Engine::Postgres => {
                postgres::pool::for_reads(url, settings, name.to_owned(), health.clone())
            }
            Engine::MySql => mysql::pool::for_reads(url, settings, name, health.clone()),
        };
        let connection = Database::connect(options)
            .await
            .map_err(ConnectError::Unreachable)?;
        guard.use_pool(&connection);
        Ok(Self {
            connection,
            deadline: settings.read_deadline,
            health: health.clone(),
            guard: guard.clone(),
        })
    }

    /// Marks its connections as suspect.
    pub(super) fn mark_suspect(&self) {
        self.health.mark_suspect();
    }

    pub(super) async fn close(self) {
        close(self.connection).await;
    }

    /// Runs a read in its own task, so that a client that disconnects does not hide a dead
    /// connection.
    pub(in crate::db) async fn bounded<T, F>(
        &self,
        read: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let read = read(self.connection.clone());
        let (deadline, health) = (self.deadline, self.health.clone());
        let guard = self.guard.clone();
        let read = async move {
            let pass = guard.admit().await?;
            let mut read = pin!(read);
            match timeout(deadline, &mut read).await {
                Ok(answer) => {
                    if answer.as_ref().is_err_and(engine::is_connection_lost) {
                        health.mark_suspect();
                    }
                    match &answer {
                        Ok(_) => guard.answered(pass),
                        Err(error) => guard.answered_with(pass, error),
                    }
                    answer
                }
                Err(_) => {
                    // Before the read is dropped and its connection returns to the pool.
                    health.mark_suspect();
                    guard.failed(pass);
                    Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
                }
            }
        };
        tokio::spawn(read.in_current_span())
            .await
            .unwrap_or_else(|error| Err(DbErr::Custom(error.to_string())))
    }
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let statement = statements::in_engine_words(self, statement);
        self.bounded(|connection| async move { connection.execute_raw(statement).await })
            .await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sql.to_owned();
        self.bounded(|connection| async move { connection.execute_unprepared(&sql).await })
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let statement = statements::in_engine_words(self, statement);
        self.bounded(|connection| async move { connection.query_one_raw(statement).await })
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let statement = statements::in_engine_words(self, statement);
        self.bounded(|connection| async move { connection.query_all_raw(statement).await })
            .await
    }
}
