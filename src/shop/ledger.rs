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
    /// Units were set aside.
    Hold,
    /// Units that were set aside went back to the shelf.
    Release,
    /// Units went to an order, out of a hold if the movement names one.
    Sell,
    /// Units came back from an order.
    Return,
    /// A stock-take found more or fewer than the books said.
    Adjust,
}

impl MovementKind {
    /// The kind, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Sell => "sell",
            Self::Return => "return",
            Self::Adjust => "adjust",
        }
    }
}

/// One movement to write.
#[derive(Clone, Debug)]
pub struct Movement {
    pub product_id: i64,
    pub kind: MovementKind,
    /// Units; above zero, but for an adjustment.
    pub quantity: i64,
    pub order_id: Option<i64>,
    pub hold_id: Option<i64>,
    /// What an administrator said about an adjustment.
    pub reason: Option<String>,
}

impl Movement {
    /// A movement that names neither order nor hold.
    pub const fn of(product_id: i64, kind: MovementKind, quantity: i64) -> Self {
        Self {
            product_id,
            kind,
            quantity,
            order_id: None,
            hold_id: None,
            reason: None,
        }
    }
}

/// Appends `movements`.
///
/// # Errors
/// What the database says.
pub async fn append(work: &Work, movements: &[Movement]) -> Result<(), DbErr> {
    if movements.is_empty() {
        return Ok(());
    }
    let rows = movements
        .iter()
        .map(|movement| stock_movement::ActiveModel {
            id: NotSet,
            product_id: Set(movement.product_id),
            kind: Set(movement.kind.as_str().to_owned()),
            quantity: Set(movement.quantity),
            order_id: Set(movement.order_id),
            hold_id: Set(movement.hold_id),
            reason: Set(movement.reason.clone()),
            at: NotSet,
        });
    stock_movement::Entity::insert_many(rows)
        .exec_without_returning(work.connection())
        .await
        .map(drop)
}
