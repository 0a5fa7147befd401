//! Counts rows up to a limit: counting all of a large table would cost as much as its history.

use sea_orm::{
    ConnectionTrait, DbErr,
    sea_query::{Expr, Query, SelectStatement},
};

/// Counts the rows that `rows` selects. Its limit is the largest result.
pub async fn of(connection: &impl ConnectionTrait, rows: SelectStatement) -> Result<u64, DbErr> {
    let query = Query::select()
        .expr(Expr::cust("count(*)"))
        .from_subquery(rows, "counted")
        .to_owned();
    let row = connection.query_one(&query).await?;
    let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(count.unwrap_or_default().unsigned_abs())
}
