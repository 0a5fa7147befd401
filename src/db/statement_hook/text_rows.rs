//! Rows of any engine as text.

use sea_orm::{
    QueryResult,
    sqlx::{self, Column, Row, TypeInfo, ValueRef, mysql::MySqlRow, postgres::PgRow},
};
use time::OffsetDateTime;
use uuid::Uuid;

/// Rows with their values as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextRows {
    pub columns: Vec<String>,
    /// `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Formats the rows of a result.
pub fn text_rows(rows: &[QueryResult]) -> TextRows {
    let of_mysql: Vec<_> = rows
        .iter()
        .filter_map(QueryResult::try_as_mysql_row)
        .collect();
    if !of_mysql.is_empty() {
        return to_text(&of_mysql, mysql_cell);
    }
    let of_postgres: Vec<_> = rows.iter().filter_map(QueryResult::try_as_pg_row).collect();
    to_text(&of_postgres, postgres_cell)
}

fn to_text<R: Row>(rows: &[&R], cell: fn(&R, usize) -> Option<String>) -> TextRows {
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

fn text<T: ToString>(value: Result<T, sqlx::Error>) -> String {
    value.map_or_else(|_| "?".to_owned(), |value| value.to_string())
}

/// Formats a value of the column types that the shop uses; for another type, returns the type's
/// name.
fn postgres_cell(row: &PgRow, index: usize) -> Option<String> {
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
        "UUID" => text(row.try_get::<Uuid, _>(index)),
        "TIMESTAMPTZ" => text(row.try_get::<OffsetDateTime, _>(index)),
        _ => format!("({})", kind.to_lowercase()),
    })
}

/// The same for MySQL and MariaDB, where a UUID has 16 bytes.
fn mysql_cell(row: &MySqlRow, index: usize) -> Option<String> {
    let raw = row.try_get_raw(index).ok()?;
    if raw.is_null() {
        return None;
    }
    let kind = raw.type_info().name().to_owned();
    Some(match kind.as_str() {
        "BIGINT" | "INT" | "MEDIUMINT" | "SMALLINT" | "TINYINT" => {
            text(row.try_get::<i64, _>(index))
        }
        "BOOLEAN" => text(row.try_get::<bool, _>(index)),
        "VARCHAR" | "CHAR" | "TEXT" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" => {
            text(row.try_get::<String, _>(index))
        }
        "BINARY" => text(row.try_get::<Uuid, _>(index)),
        "DATETIME" => text(row.try_get::<OffsetDateTime, _>(index)),
        _ => format!("({})", kind.to_lowercase()),
    })
}
