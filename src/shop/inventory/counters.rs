//! Reading and writing the hot row. Every guarded write is relative, conditional, and bumps the version, so that safe strategies may mix
//! on one product.

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::{entity::stock, txn::Work},
    model::Quantity,
};

/// The row right after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Units left.
    pub available: i64,
    pub version: i64,
}

/// Reads the row and takes no lock.
///
/// # Errors
/// What the database says.
pub async fn read(work: &Work, product_id: i64) -> Result<Option<stock::Model>, DbErr> {
    stock::Entity::find_by_id(product_id)
        .one(work.connection())
        .await
}

/// Moves `quantity` units from available to sold if there are as many; `None` if not.
///
/// # Errors
/// What the database says.
pub async fn sell(
    work: &Work,
    product_id: i64,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    let units = i64::from(quantity.get());
    let add = |column: stock::Column, n: i64| Expr::col(column).add(n);
    let update = stock::Entity::update_many()
        .col_expr(
            stock::Column::Available,
            add(stock::Column::Available, -units),
        )
        .col_expr(stock::Column::Sold, add(stock::Column::Sold, units))
        .col_expr(stock::Column::Version, add(stock::Column::Version, 1))
        .filter(stock::Column::ProductId.eq(product_id))
        .filter(stock::Column::Available.gte(units));
    let rows = work
        .waiting_for_lock(update.exec_with_returning(work.connection()))
        .await?;
    Ok(rows.first().map(|row| Level {
        available: row.available,
        version: row.version,
    }))
}

/// Writes absolute numbers computed from what was read earlier: the lost update itself. For exhibits only.
///
/// # Errors
/// What the database says; on a guarded row, that a constraint broke.
pub async fn overwrite(
    work: &Work,
    read: &stock::Model,
    available: i64,
    sold: i64,
) -> Result<(), DbErr> {
    let update = stock::Entity::update_many()
        .col_expr(stock::Column::Available, Expr::value(available))
        .col_expr(stock::Column::Sold, Expr::value(sold))
        .col_expr(stock::Column::Version, Expr::value(read.version + 1))
        .filter(stock::Column::ProductId.eq(read.product_id));
    work.waiting_for_lock(update.exec(work.connection()))
        .await
        .map(drop)
}
