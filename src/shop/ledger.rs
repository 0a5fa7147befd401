//! The stock ledger: one movement per stock change, written in the transaction that makes the
//! change.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    DbErr, EntityTrait,
};

use crate::db::{entity::stock_movement, txn::Work};

/// The kind of a stock movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// Units were received.
    Receive,
    /// Units were reserved.
    Hold,
    /// Reserved units returned to stock.
    Release,
    /// Units were sold to an order, from a hold if the movement references one.
    Sell,
    /// Units of an order were returned.
    Return,
    /// A stock-take counted more or fewer units than were recorded.
    Adjust,
}

impl MovementKind {
    /// The stored value.
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
    /// Units: above zero, except for an adjustment.
    pub quantity: i64,
    pub order_id: Option<i64>,
    pub hold_id: Option<i64>,
    /// The administrator's reason for an adjustment.
    pub reason: Option<String>,
}

impl Movement {
    /// Creates a movement without an order or a hold.
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

/// Appends `movements` to the ledger.
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
