//! The ledger of stock: one movement for every change, written in the transaction that makes it.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    DbErr, EntityTrait,
};

use crate::db::{entity::stock_movement, txn::Work};

/// Why stock moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// Units came in.
    Receive,
    /// Units went to an order.
    Sell,
}

impl MovementKind {
    /// The kind, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Sell => "sell",
        }
    }
}

/// One movement to write.
#[derive(Clone, Copy, Debug)]
pub struct Movement {
    pub product_id: i64,
    pub kind: MovementKind,
    /// Units; above zero.
    pub quantity: i64,
    pub order_id: Option<i64>,
}

/// Appends `movements`.
///
/// # Errors
/// What the database says.
pub async fn append(work: &Work, movements: &[Movement]) -> Result<(), DbErr> {
    let rows = movements
        .iter()
        .map(|movement| stock_movement::ActiveModel {
            id: NotSet,
            product_id: Set(movement.product_id),
            kind: Set(movement.kind.as_str().to_owned()),
            quantity: Set(movement.quantity),
            order_id: Set(movement.order_id),
            hold_id: NotSet,
            at: NotSet,
        });
    stock_movement::Entity::insert_many(rows)
        .exec_without_returning(work.connection())
        .await
        .map(drop)
}
