//! The provider's connection pool, on either engine.

use std::{str::FromStr, time::Duration};

use sea_orm::sqlx::{
    self, Executor, FromRow,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow},
    postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow},
    query::{Query, QueryAs},
};
use uuid::Uuid;

use super::{CALL_DEADLINE, CONNECTIONS_MAX, IDLE_MAX, STATEMENT_TIMEOUT};

/// Shown in `pg_stat_activity`.
const APPLICATION_NAME: &str = "doorbuster provider";

/// A statement in the words of each engine. Its parameters have the same order in both.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// With `$1`, `$2` …
    pub postgres: &'static str,
    /// With `?`. A procedure where PostgreSQL has a statement that writes several tables.
    pub mysql: &'static str,
}

/// A value of a statement.
#[derive(Clone, Debug)]
pub enum Parameter {
    Uuid(Uuid),
    Number(i64),
    Small(i16),
    Flag(bool),
    Text(Option<String>),
    /// A list of ids: an array, or a JSON text.
    Ids(Vec<i64>),
}

impl Parameter {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    /// A duration, in whole milliseconds.
    pub fn ms(duration: Duration) -> Self {
        Self::Number(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The columns of a row, which both engines return in the same order.
pub trait Columns:
    for<'row> FromRow<'row, PgRow> + for<'row> FromRow<'row, MySqlRow> + Send + Unpin + 'static
{
}

impl<T> Columns for T where
    T: for<'row> FromRow<'row, PgRow> + for<'row> FromRow<'row, MySqlRow> + Send + Unpin + 'static
{
}

/// Binds all parameters of a query, of any kind of query and engine.
macro_rules! bind_all {
    ($query:expr, $parameters:expr, $ids:expr) => {
        $parameters
            .into_iter()
            .fold($query, |query, parameter| match parameter {
                Parameter::Uuid(value) => query.bind(value),
                Parameter::Number(value) => query.bind(value),
                Parameter::Small(value) => query.bind(value),
                Parameter::Flag(value) => query.bind(value),
                Parameter::Text(value) => query.bind(value),
                Parameter::Ids(value) => query.bind($ids(value)),
            })
    };
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
}

impl Pool {
    /// Creates a pool that connects at its first use.
    ///
    /// # Errors
    /// `sqlx::Error::Configuration` if the URL is not that of a database.
    pub fn open(database_url: &str) -> Result<Self, sqlx::Error> {
        if database_url.starts_with("mysql:") {
            let options = MySqlConnectOptions::from_str(database_url)?;
            let pool = MySqlPoolOptions::new()
                .max_connections(CONNECTIONS_MAX)
                .acquire_timeout(CALL_DEADLINE)
                .idle_timeout(IDLE_MAX)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        let level = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                        sqlx::query(level).execute(connection).await.map(drop)
                    })
                })
                // A procedure may fail and leave its transaction open: see
                // docs/decisions/0058-failed-procedures-are-rolled-back.md.
                .after_release(|connection, _| {
                    Box::pin(async move { connection.execute("ROLLBACK").await.map(|_| true) })
                });
            return Ok(Self::MySql(pool.connect_lazy_with(options)));
        }
        let options = PgConnectOptions::from_str(database_url)?
            .application_name(APPLICATION_NAME)
            .options([
                (
                    "statement_timeout",
                    STATEMENT_TIMEOUT.as_millis().to_string(),
                ),
                // No notices that a table exists already.
                ("client_min_messages", "error".to_owned()),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(CALL_DEADLINE)
            .idle_timeout(IDLE_MAX);
        Ok(Self::Postgres(pool.connect_lazy_with(options)))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::MySql(pool) => pool.close().await,
        }
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn fetch_all<T: Columns>(
        &self,
        sql: Sql,
        parameters: Vec<Parameter>,
    ) -> Result<Vec<T>, sqlx::Error> {
        match self {
            Self::Postgres(pool) => {
                let query: QueryAs<'_, _, T, PgArguments> = sqlx::query_as(sql.postgres);
                bind_all!(query, parameters, |ids: Vec<i64>| ids)
                    .fetch_all(pool)
                    .await
            }
            Self::MySql(pool) => {
                let query: QueryAs<'_, _, T, MySqlArguments> = sqlx::query_as(sql.mysql);
                bind_all!(query, parameters, as_json).fetch_all(pool).await
            }
        }
    }

    /// The same for at most one row.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn fetch_optional<T: Columns>(
        &self,
        sql: Sql,
        parameters: Vec<Parameter>,
    ) -> Result<Option<T>, sqlx::Error> {
        let rows = self.fetch_all(sql, parameters).await?;
        Ok(rows.into_iter().next())
    }

    /// Runs a statement without a result.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn execute(&self, sql: Sql, parameters: Vec<Parameter>) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(pool) => {
                let query: Query<'_, _, PgArguments> = sqlx::query(sql.postgres);
                let query = bind_all!(query, parameters, |ids: Vec<i64>| ids);
                query.execute(pool).await.map(drop)
            }
            Self::MySql(pool) => {
                let query: Query<'_, _, MySqlArguments> = sqlx::query(sql.mysql);
                let query = bind_all!(query, parameters, as_json);
                query.execute(pool).await.map(drop)
            }
        }
    }
}

fn as_json(ids: Vec<i64>) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", ids.join(","))
}
