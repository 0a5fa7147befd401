//! A stock movement. The table is append-only.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_movement")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub product_id: i64,
    /// `receive`, `hold`, `release`, `sell`, `return` or `adjust`.
    pub kind: String,
    pub quantity: i64,
    pub order_id: Option<i64>,
    pub hold_id: Option<i64>,
    /// The administrator's reason for an adjustment.
    pub reason: Option<String>,
    pub at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
