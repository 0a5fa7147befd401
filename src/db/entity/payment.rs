//! One attempt to charge for an order.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub order_id: i64,
    /// Identifies it at the payment provider.
    pub reference: Uuid,
    /// `pending`, `captured`, `declined`, `voided` or `wrong_amount`.
    pub state: String,
    pub amount_cents: i64,
    pub currency: String,
    pub captured_cents: i64,
    /// The amount that the provider reported, if it is not the amount that is due.
    pub reported_cents: Option<i64>,
    /// Its currency.
    pub reported_currency: Option<String>,
    pub decline_reason: Option<String>,
    pub created_at: TimeDateTimeWithTimeZone,
    pub settled_at: Option<TimeDateTimeWithTimeZone>,
    /// When the payment provider is to be asked next.
    pub ask_at: TimeDateTimeWithTimeZone,
    /// The key of the request that started it. None on payments from before it was stored.
    pub idempotency_key: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
