//! A hook around each statement of a transaction. It decides when a statement may be sent, and
//! receives its result. The stepper uses a hook; the shop uses none.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult, QueryResult, Statement, Value,
    sea_query::{PostgresQueryBuilder, QueryBuilder},
    sqlx::{self, Column, Row, TypeInfo, ValueRef},
};

use super::{dialect, engine};
use crate::model::Isolation;

/// A statement that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementText {
    /// The SQL as it is sent.
    pub sql: String,
    /// The parameters as SQL literals; the first is `$1`.
    pub values: Vec<String>,
}

impl StatementText {
    /// Creates a statement without parameters.
    pub fn plain(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            values: Vec::new(),
        }
    }

    pub(super) fn of(statement: &Statement) -> Self {
        let values = statement.values.iter().flat_map(|values| &values.0);
        Self {
            sql: statement.sql.clone(),
            values: values
                .map(|value| PostgresQueryBuilder.value_to_string(value))
                .collect(),
        }
    }
}

/// Rows with their values as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextRows {
    pub columns: Vec<String>,
    /// `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// The result of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementResult {
    /// The statement succeeded and has no other result.
    Done,
    /// The number of affected rows.
    Affected(u64),
    Rows(TextRows),
    Failed {
        /// The SQLSTATE of an error that the server reported.
        sqlstate: Option<String>,
        message: String,
    },
}

/// No further statement may be sent on this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halted;

/// A hook between a unit of work and the database.
pub trait StatementHook: Send + Sync + fmt::Debug {
    /// Returns the isolation level that replaces the one requested by a transaction that writes;
    /// `None` keeps the requested level.
    fn isolation_override(&self) -> Option<Isolation>;

    /// Returns when the statement may be sent. A ROLLBACK is always allowed.
    ///
    /// # Errors
    /// [`Halted`] if the statement must not be sent; its transaction is rolled back.
    fn before_statement(&self, text: StatementText) -> BoxFuture<'_, Result<(), Halted>>;

    /// Receives the result, and returns the query to run next on the same connection.
    fn after_statement(&self, result: StatementResult) -> FollowUp;

    /// Receives the rows that [`StatementHook::after_statement`] requested.
    fn record_stock(&self, rows: Vec<StockCounters>);
}

/// A query to run right after a statement, on the same connection, to read the rows as the open
/// transaction sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowUp {
    Nothing,
    /// Read the stock of these products. Only for a transaction that has written them: the query
    /// then adds nothing to the reads that the database tracks, at any isolation level.
    ReadStock(Vec<i64>),
}

impl FollowUp {
    pub(super) fn statement(self) -> Option<Statement> {
        let Self::ReadStock(ids) = self else {
            return None;
        };
        let sql = "SELECT product_id, total, available, reserved, sold, version FROM stock \
                   WHERE product_id = ANY (string_to_array($1, ',')::bigint[])";
        Some(dialect::statement(sql, [list(&ids)]))
    }
}

fn list(ids: &[i64]) -> Value {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    ids.join(",").into()
}

/// The counters of a product, as a transaction sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct StockCounters {
    pub product_id: i64,
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
    pub version: i64,
}

/// Reads the committed counters of products, for any layout.
pub async fn committed_counters<C: ConnectionTrait>(
    connection: &C,
    ids: &[i64],
) -> Result<Vec<StockCounters>, DbErr> {
    let sql = "SELECT product_id, total, available, reserved, sold, version FROM stock_level \
               WHERE product_id = ANY (string_to_array($1, ',')::bigint[]) ORDER BY product_id";
    StockCounters::find_by_statement(dialect::statement(sql, [list(ids)]))
        .all(connection)
        .await
}

/// The hook of a connection, if it has one.
pub type OptionalHook = Option<Arc<dyn StatementHook>>;

/// Waits until the hook allows `text`, runs `execution` and passes its result to the hook.
pub(super) async fn run_hooked<T>(
    hook: &OptionalHook,
    text: &'static str,
    execution: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let Some(hook) = hook else {
        return execution.await;
    };
    hook.before_statement(StatementText::plain(text))
        .await
        .map_err(halted_error)?;
    let result = execution.await;
    hook.after_statement(match &result {
        Ok(_) => StatementResult::Done,
        Err(error) => failed_result(error),
    });
    result
}

pub(super) fn halted_error(_: Halted) -> DbErr {
    DbErr::Custom("no further statement may be sent on this session".to_owned())
}

pub(super) fn failed_result(error: &DbErr) -> StatementResult {
    let whole = error.to_string();
    let (_, message) = whole
        .split_once("error returned from database: ")
        .unwrap_or(("", &whole));
    StatementResult::Failed {
        sqlstate: engine::error_code(error),
        message: message.to_owned(),
    }
}

pub(super) fn text_rows(rows: &[QueryResult]) -> TextRows {
    let rows: Vec<_> = rows.iter().filter_map(QueryResult::try_as_pg_row).collect();
    let columns = rows.first().map(|row| {
        let columns = row.columns().iter();
        columns.map(|column| column.name().to_owned()).collect()
    });
    TextRows {
        columns: columns.unwrap_or_default(),
        rows: rows
            .iter()
            .map(|row| (0..row.len()).map(|index| cell(row, index)).collect())
            .collect(),
    }
}

/// Formats a value of the column types that the shop uses; for another type, returns the type's
/// name.
fn cell(row: &sqlx::postgres::PgRow, index: usize) -> Option<String> {
    fn text<T: ToString>(value: Result<T, sqlx::Error>) -> String {
        value.map_or_else(|_| "?".to_owned(), |value| value.to_string())
    }
    let raw = row.try_get_raw(index).ok()?;
    if raw.is_null() {
        return None;
    }
    let kind = raw.type_info().name().to_owned();
    Some(match kind.as_str() {
        "INT8" => text(row.try_get::<i64, _>(index)),
        "INT4" => text(row.try_get::<i32, _>(index)),
        "BOOL" => text(row.try_get::<bool, _>(index)),
        "TEXT" | "VARCHAR" | "NAME" => text(row.try_get::<String, _>(index)),
        "UUID" => text(row.try_get::<uuid::Uuid, _>(index)),
        "TIMESTAMPTZ" => text(row.try_get::<time::OffsetDateTime, _>(index)),
        _ => format!("({})", kind.to_lowercase()),
    })
}
