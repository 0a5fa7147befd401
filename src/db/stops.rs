//! Stops in front of statements: somebody who decides when each may be sent, and hears what came back. The stepper stands there; in the shop
//! nobody does.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DbErr, FromQueryResult, QueryResult, Statement, Value,
    sea_query::{PostgresQueryBuilder, QueryBuilder},
    sqlx::{self, Column, Row, TypeInfo, ValueRef},
};

use super::{dialect, txn::Isolation};

/// What is about to be said to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// As it is sent.
    pub sql: String,
    /// Each as SQL would write it: `$1` is the first.
    pub values: Vec<String>,
}

impl Said {
    /// A statement without values.
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

/// Rows as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    pub columns: Vec<String>,
    /// A cell of NULL is none.
    pub rows: Vec<Vec<Option<String>>>,
}

/// What the database said to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing but that it is done.
    Done,
    /// Rows affected.
    Affected(u64),
    Rows(Cells),
    Failed {
        /// Of an error that the server reported.
        sqlstate: Option<String>,
        message: String,
    },
}

/// Nothing more is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halted;

/// Somebody who stands between a unit of work and the database.
pub trait Stops: Send + Sync + fmt::Debug {
    /// The isolation level in place of what a transaction that writes asks for; none: as it asks.
    fn isolation(&self) -> Option<Isolation>;

    /// Returns when the statement may be sent. A ROLLBACK may always be.
    ///
    /// # Errors
    /// [`Halted`]: it is not sent, and its transaction is rolled back.
    fn before(&self, said: Said) -> BoxFuture<'_, Result<(), Halted>>;

    /// Takes in what came back.
    fn after(&self, heard: Heard) -> Look;

    /// Takes in what [`Stops::after`] wanted to look at.
    fn looked(&self, rows: Vec<StockRow>);
}

/// What to look at right after a statement, on the same connection: its transaction then tells how it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    Nowhere,
    /// The stock of these products. To be asked only by a transaction that has written it: it then adds nothing to what the database knows
    /// of its reads, at any isolation level.
    Stock(Vec<i64>),
}

impl Look {
    pub(super) fn statement(self) -> Option<Statement> {
        let Self::Stock(ids) = self else { return None };
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
pub struct StockRow {
    pub product_id: i64,
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
    pub version: i64,
}

/// The counters of products, as they are committed, whatever the layout.
///
/// # Errors
/// What the database says.
pub async fn committed<C: ConnectionTrait>(
    connection: &C,
    ids: &[i64],
) -> Result<Vec<StockRow>, DbErr> {
    let sql = "SELECT product_id, total, available, reserved, sold, version FROM stock_level \
               WHERE product_id = ANY (string_to_array($1, ',')::bigint[]) ORDER BY product_id";
    StockRow::find_by_statement(dialect::statement(sql, [list(ids)]))
        .all(connection)
        .await
}

/// Who stands there, if anybody does.
pub type Stop = Option<Arc<dyn Stops>>;

/// Has `act` wait at the stop until `said` may be sent, and tells what came of it.
pub(super) async fn pass<T>(
    stop: &Stop,
    said: &'static str,
    act: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let Some(stops) = stop else {
        return act.await;
    };
    stops.before(Said::plain(said)).await.map_err(halted)?;
    let result = act.await;
    stops.after(match &result {
        Ok(_) => Heard::Done,
        Err(error) => failed(error),
    });
    result
}

pub(super) fn halted(_: Halted) -> DbErr {
    DbErr::Custom("nothing more is sent on this session".to_owned())
}

pub(super) fn failed(error: &DbErr) -> Heard {
    let whole = error.to_string();
    let (_, message) = whole
        .split_once("error returned from database: ")
        .unwrap_or(("", &whole));
    Heard::Failed {
        sqlstate: dialect::sqlstate(error),
        message: message.to_owned(),
    }
}

pub(super) fn cells(rows: &[QueryResult]) -> Cells {
    let rows: Vec<_> = rows.iter().filter_map(QueryResult::try_as_pg_row).collect();
    let columns = rows.first().map(|row| {
        let columns = row.columns().iter();
        columns.map(|column| column.name().to_owned()).collect()
    });
    Cells {
        columns: columns.unwrap_or_default(),
        rows: rows
            .iter()
            .map(|row| (0..row.len()).map(|index| cell(row, index)).collect())
            .collect(),
    }
}

/// What kinds of columns the shop has; another is named instead of told.
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
