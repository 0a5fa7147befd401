//! A refund of an order.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refund")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub payment_id: i64,
    pub order_id: i64,
    /// Identifies it at the payment provider.
    pub reference: Uuid,
    /// `pending` or `succeeded`.
    pub state: String,
    /// See [`crate::model::order::RefundReason`].
    pub reason: String,
    pub amount_cents: i64,
    pub created_at: TimeDateTimeWithTimeZone,
    pub settled_at: Option<TimeDateTimeWithTimeZone>,
    /// When the payment provider is to be asked next.
    pub ask_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
