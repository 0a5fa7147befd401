//! Reading and writing the hot row. Every guarded write is relative, conditional, and bumps the version, so that safe strategies may mix
//! on one product with each other and with holds, releases, returns and restocks.

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, UpdateMany,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::{entity::stock, txn::Work},
    model::{Quantity, StockLayout},
};

/// The row right after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Units left.
    pub available: i64,
    pub version: i64,
}

/// Units that go from one counter to another, or come in, or leave for good. What is negative is taken only if it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
}

impl Shift {
    fn columns(self) -> [(stock::Column, i64); 4] {
        [
            (stock::Column::Total, self.total),
            (stock::Column::Available, self.available),
            (stock::Column::Reserved, self.reserved),
            (stock::Column::Sold, self.sold),
        ]
    }

    /// From the shelf to an order.
    pub fn sell(quantity: Quantity) -> Self {
        let units = i64::from(quantity.get());
        Self {
            available: -units,
            sold: units,
            ..Self::default()
        }
    }

    /// From the shelf into a hold; with a negative number, back.
    pub const fn hold(units: i64) -> Self {
        Self {
            total: 0,
            available: -units,
            reserved: units,
            sold: 0,
        }
    }

    /// From a hold to an order.
    pub const fn sell_held(units: i64) -> Self {
        Self {
            total: 0,
            available: 0,
            reserved: -units,
            sold: units,
        }
    }

    /// From an order back to the shelf.
    pub const fn take_back(units: i64) -> Self {
        Self {
            total: 0,
            available: units,
            reserved: 0,
            sold: -units,
        }
    }

    /// Into the shop; with a negative number, out of it.
    pub const fn receive(units: i64) -> Self {
        Self {
            total: units,
            available: units,
            reserved: 0,
            sold: 0,
        }
    }
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

/// Applies `shift` if every counter that it lowers holds as many; `None` if not.
///
/// # Errors
/// What the database says.
pub async fn apply(work: &Work, product_id: i64, shift: Shift) -> Result<Option<Level>, DbErr> {
    write(work, update(product_id, shift)).await
}

/// An update that adds `shift` where every counter that it lowers holds as many.
fn update(product_id: i64, shift: Shift) -> UpdateMany<stock::Entity> {
    let lowered = shift
        .columns()
        .into_iter()
        .filter(|(_, change)| *change < 0);
    lowered.fold(unchecked(product_id, shift), |update, (column, change)| {
        update.filter(column.gte(-change))
    })
}

/// An update that adds `shift`, and bumps the version.
fn unchecked(product_id: i64, shift: Shift) -> UpdateMany<stock::Entity> {
    let changed = shift
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

async fn write(work: &Work, update: UpdateMany<stock::Entity>) -> Result<Option<Level>, DbErr> {
    let rows = work
        .waiting_for_lock(update.exec_with_returning(work.connection()))
        .await?;
    Ok(rows.first().map(|row| Level {
        available: row.available,
        version: row.version,
    }))
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
    apply(work, product_id, Shift::sell(quantity)).await
}

/// Sells from the row only if it is still the one that was `read`; `None` if somebody has written it since.
///
/// # Errors
/// What the database says.
pub async fn sell_at_version(
    work: &Work,
    read: &stock::Model,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    let update = update(read.product_id, Shift::sell(quantity))
        .filter(stock::Column::Version.eq(read.version));
    write(work, update).await
}

/// Subtracts without a look at what is there, and leaves it to the row's constraints to reject that; `None` if the row is one on which no
/// constraint stands.
///
/// # Errors
/// What the database says: that a constraint broke.
pub async fn subtract_from_guarded(
    work: &Work,
    product_id: i64,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    let update = unchecked(product_id, Shift::sell(quantity))
        .filter(Expr::col(stock::Column::Unguarded).not())
        .filter(stock::Column::Layout.eq(StockLayout::Row.as_str()));
    write(work, update).await
}

/// Subtracts without a look at what is there. For exhibits only.
///
/// # Errors
/// What the database says; on a guarded row, that a constraint broke.
pub async fn subtract_unchecked(
    work: &Work,
    product_id: i64,
    quantity: Quantity,
) -> Result<Option<Level>, DbErr> {
    write(work, unchecked(product_id, Shift::sell(quantity))).await
}

/// Writes absolute numbers computed from what was read earlier: the lost update itself. For exhibits only. Returns the row as its writer believes it to be.
///
/// # Errors
/// What the database says; on a guarded row, that a constraint broke.
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
    work.waiting_for_lock(update.exec(work.connection()))
        .await?;
    Ok(Level { available, version })
}
