//! A hook around each statement of a transaction. It decides when a statement may be sent, and
//! receives its result. The stepper uses a hook; the shop uses none.

mod text_rows;

pub use text_rows::TextRows;
pub(super) use text_rows::text_rows;

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, FromQueryResult, Statement,
    sea_query::{MysqlQueryBuilder, PostgresQueryBuilder, QueryBuilder},
};

use super::{dialect, engine};
use crate::model::Isolation;

/// A statement that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementText {
    /// The SQL as it is sent.
    pub sql: String,
    /// The parameters as SQL literals, in the order of `$1`, `$2` or of the marks `?`.
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
        let literal = |value| match statement.db_backend {
            DatabaseBackend::MySql => MysqlQueryBuilder.value_to_string(value),
            _ => PostgresQueryBuilder.value_to_string(value),
        };
        Self {
            sql: statement.sql.clone(),
            values: values.map(literal).collect(),
        }
    }
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
        /// The code of an error that the server reported: a SQLSTATE, or MySQL's number.
        sqlstate: Option<String>,
        message: String,
    },
}

impl StatementResult {
    /// True if the statement found or changed a row.
    pub fn has_rows(&self) -> bool {
        match self {
            Self::Affected(rows) => *rows > 0,
            Self::Rows(cells) => !cells.rows.is_empty(),
            Self::Done | Self::Failed { .. } => false,
        }
    }
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
    /// then adds nothing to the reads that the database tracks, and to the locks that it takes, at
    /// any isolation level.
    ReadStock(Vec<i64>),
}

impl FollowUp {
    pub(super) fn statement(self) -> Option<Statement> {
        let Self::ReadStock(ids) = self else {
            return None;
        };
        let sql = format!(
            "SELECT product_id, total, available, reserved, sold, version FROM stock WHERE {}",
            dialect::is_any("product_id", 1)
        );
        Some(dialect::statement(&sql, [ids.into()]))
    }
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
    let sql = format!(
        "SELECT product_id, total, available, reserved, sold, version FROM stock_level \
         WHERE {} ORDER BY product_id",
        dialect::is_any("product_id", 1)
    );
    StockCounters::find_by_statement(dialect::statement(&sql, [ids.to_vec().into()]))
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
    StatementResult::Failed {
        sqlstate: engine::error_code(error),
        message: engine::error_message(error),
    }
}
