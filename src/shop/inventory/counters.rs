//! Reads and writes of the stock row. Every guarded write is relative and conditional and
//! increments the version, so that safe strategies may mix on one product with each other and with
//! holds, releases, returns and restocks.

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, UpdateMany,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::{dialect, entity::stock, txn::Work},
    model::{Quantity, StockLayout},
};

/// The stock row as a write left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Units available for sale.
    pub available: i64,
    pub version: i64,
}

impl Level {
    /// Returns the level of a row.
    pub const fn of(row: &stock::Model) -> Self {
        Self {
            available: row.available,
            version: row.version,
        }
    }
}

/// Units to add to each counter of a stock row. A negative delta is applied only if the counter
/// holds that many units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterDelta {
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

impl CounterDelta {
    fn columns(self) -> [(stock::Column, i64); 4] {
        [
            (stock::Column::Total, self.total),
            (stock::Column::Available, self.available),
            (stock::Column::Reserved, self.reserved),
            (stock::Column::Sold, self.sold),
        ]
    }

    /// Available units become sold.
    pub fn sell(quantity: Quantity) -> Self {
        let units = i64::from(quantity.get());
        Self {
            available: -units,
            sold: units,
            ..Self::default()
        }
    }

    /// Available units become reserved; with a negative number, reserved units become available.
    pub const fn hold(units: i64) -> Self {
        Self {
            total: 0,
            available: -units,
            reserved: units,
            sold: 0,
        }
    }

    /// Reserved units become sold.
    pub const fn sell_held(units: i64) -> Self {
        Self {
            total: 0,
            available: 0,
            reserved: -units,
            sold: units,
        }
    }

    /// Sold units become available again.
    pub const fn return_to_stock(units: i64) -> Self {
        Self {
            total: 0,
            available: units,
            reserved: 0,
            sold: -units,
        }
    }

    /// Units are added to the total and to the available ones; with a negative number, removed.
    pub const fn receive(units: i64) -> Self {
        Self {
            total: units,
            available: units,
            reserved: 0,
            sold: 0,
        }
    }
}

/// Reads the row without a lock.
pub async fn read(work: &Work, product_id: i64) -> Result<Option<stock::Model>, DbErr> {
    stock::Entity::find_by_id(product_id)
        .one(work.connection())
        .await
}

/// Applies `delta` if every counter that it lowers holds that many units; otherwise returns `None`.
pub async fn apply(
    work: &Work,
    product_id: i64,
    delta: CounterDelta,
) -> Result<Option<Level>, DbErr> {
    write(work, product_id, update(product_id, delta)).await
}

/// Builds an update that adds `delta` if every counter that it lowers holds that many units.
fn update(product_id: i64, delta: CounterDelta) -> UpdateMany<stock::Entity> {
    let lowered = delta
        .columns()
        .into_iter()
        .filter(|(_, change)| *change < 0);
    lowered.fold(unchecked(product_id, delta), |update, (column, change)| {
        update.filter(column.gte(-change))
    })
}

/// Builds an update that adds `delta` without a check and increments the version.
fn unchecked(product_id: i64, delta: CounterDelta) -> UpdateMany<stock::Entity> {
    let changed = delta
        .columns()
        .into_iter()
        .filter(|(_, change)| *change != 0);
    let update = stock::Entity::update_many()
        .filter(stock::Column::ProductId.eq(product_id))
        .col_expr(
            stock::Column::Version,
            Expr::col(stock::Column::Version).add(1),
        );
    changed.fold(update, |update, (column, change)| {
        update.col_expr(column, Expr::col(column).add(change))
    })
}

async fn write(
    work: &Work,
    product_id: i64,
    update: UpdateMany<stock::Entity>,
) -> Result<Option<Level>, DbErr> {
    let row = stock::Entity::find_by_id(product_id);
    let rows = work
        .time_lock_wait(dialect::update_and_read(work.connection(), update, row))
        .await?;
    Ok(rows.first().map(Level::of))
}

/// Moves `quantity` units from available to sold if there are as many; otherwise returns `None`.
pub async fn sell(
    work: &Work,
    product_id: i64,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    apply(work, product_id, CounterDelta::sell(quantity)).await
}

/// Sells from the row if its version is still the one that was `read`; returns `None` if another
/// transaction has changed it.
pub async fn sell_at_version(
    work: &Work,
    read: &stock::Model,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    let update = update(read.product_id, CounterDelta::sell(quantity))
        .filter(stock::Column::Version.eq(read.version));
    write(work, read.product_id, update).await
}

/// Sells as [`sell`] if the last writer with a fencing token had a smaller `token`, and stores this
/// one; returns `None` if it had not, or if there are too few units.
pub async fn sell_fenced(
    work: &Work,
    product_id: i64,
    quantity: Quantity,
    token: i64,
) -> Result<Option<Level>, DbErr> {
    let update = update(product_id, CounterDelta::sell(quantity))
        .filter(stock::Column::Fence.lt(token))
        .col_expr(stock::Column::Fence, Expr::value(token));
    write(work, product_id, update).await
}

/// Subtracts without a check of its own and relies on the row's constraints. Returns `None` if the
/// row has no such constraint.
///
/// # Errors
/// `DbErr` with SQLSTATE 23514 if a constraint is violated.
pub async fn subtract_from_guarded(
    work: &Work,
    product_id: i64,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    let update = unchecked(product_id, CounterDelta::sell(quantity))
        .filter(Expr::col(stock::Column::Unguarded).not())
        .filter(stock::Column::Layout.eq(StockLayout::Row.as_str()));
    write(work, product_id, update).await
}

/// Subtracts without a check. For unsafe strategies only.
///
/// # Errors
/// `DbErr` with SQLSTATE 23514 on a guarded row, if a constraint is violated.
pub async fn subtract_unchecked(
    work: &Work,
    product_id: i64,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    let update = unchecked(product_id, CounterDelta::sell(quantity));
    write(work, product_id, update).await
}

/// Writes absolute values computed from an earlier read: this is the lost update. For unsafe
/// strategies only. Returns the row as this writer believes it to be.
///
/// # Errors
/// `DbErr` with SQLSTATE 23514 on a guarded row, if a constraint is violated.
pub async fn overwrite(
    work: &Work,
    read: &stock::Model,
    available: i64,
    sold: i64,
) -> Result<Level, DbErr> {
    let version = read.version + 1;
    let update = stock::Entity::update_many()
        .col_expr(stock::Column::Available, Expr::value(available))
        .col_expr(stock::Column::Sold, Expr::value(sold))
        .col_expr(stock::Column::Version, Expr::value(version))
        .filter(stock::Column::ProductId.eq(read.product_id));
    work.time_lock_wait(update.exec(work.connection())).await?;
    Ok(Level { available, version })
}
