//! The pool for statements that are their own transactions.
//!
//! On MySQL such a statement calls a procedure, which begins and ends its transaction itself. The
//! server runs no handler of a procedure for some errors: an `UPDATE` on a full disk, a statement
//! that is killed or takes too long. The procedure then ends with its transaction open, and the
//! next BEGIN on that connection would commit what it had written until then. So a connection whose
//! statement has failed is rolled back before it returns to the pool.

use async_trait::async_trait;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement,
    sea_query::Values,
    sqlx::{self, AssertSqlSafe, Executor, MySql, pool::PoolConnection, query::Query},
};
use sea_query_sqlx::SqlxValues;

use crate::db::{connect::health::within_limit, engine::Engine};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct StatementPool(DatabaseConnection);

impl StatementPool {
    pub(super) fn new(pool: DatabaseConnection) -> Self {
        Self(pool)
    }

    /// Takes a connection of MySQL out of the pool. `None` on PostgreSQL, which undoes each
    /// statement that fails.
    async fn mysql_connection(&self) -> Result<Option<PoolConnection<MySql>>, DbErr> {
        match Engine::of(&self.0) {
            Engine::Postgres => Ok(None),
            Engine::MySql => {
                let acquired = self.0.get_mysql_connection_pool().acquire().await;
                acquired.map(Some).map_err(not_acquired)
            }
        }
    }
}

#[async_trait]
impl ConnectionTrait for StatementPool {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let Some(mut connection) = self.mysql_connection().await? else {
            return self.0.execute_raw(statement).await;
        };
        let result = query(statement).execute(&mut *connection).await;
        give_back(connection, result).await.map(ExecResult::from)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let Some(mut connection) = self.mysql_connection().await? else {
            return self.0.execute_unprepared(sql).await;
        };
        let result = connection.execute(AssertSqlSafe(sql.to_owned())).await;
        give_back(connection, result).await.map(ExecResult::from)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let Some(mut connection) = self.mysql_connection().await? else {
            return self.0.query_one_raw(statement).await;
        };
        let result = query(statement).fetch_optional(&mut *connection).await;
        let row = give_back(connection, result).await?;
        Ok(row.map(QueryResult::from))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let Some(mut connection) = self.mysql_connection().await? else {
            return self.0.query_all_raw(statement).await;
        };
        let result = query(statement).fetch_all(&mut *connection).await;
        let rows = give_back(connection, result).await?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}

fn query(statement: Statement) -> Query<'static, MySql, SqlxValues> {
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

/// Rolls a connection back if its statement failed, and closes it if that fails, too.
async fn give_back<T: Send>(
    mut connection: PoolConnection<MySql>,
    result: Result<T, sqlx::Error>,
) -> Result<T, DbErr> {
    if result.is_err() {
        let rolled_back = within_limit(connection.execute("ROLLBACK")).await;
        if let Err(error) = rolled_back {
            tracing::debug!(%error, "a connection is closed, because its rollback failed");
            connection.close_on_drop();
        }
    }
    result.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
}

/// As `SeaORM` reports it: nothing was sent.
fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}
