//! An order.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_order")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub public_id: Uuid,
    /// See [`crate::model::order::OrderStatus`].
    pub status: String,
    /// Why it is cancelled.
    pub status_reason: Option<String>,
    pub settlement: String,
    pub customer_name: Option<String>,
    pub email: Option<String>,
    /// The e-mail address by which limits are counted.
    pub email_folded: Option<String>,
    pub street: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
    pub currency: String,
    pub subtotal_cents: i64,
    pub discount_code: Option<String>,
    pub discount_cents: i64,
    pub shipping_cents: i64,
    pub tax_basis_points: i32,
    pub tax_cents: i64,
    pub total_cents: i64,
    /// The amount that the shop keeps after refunds.
    pub due_cents: i64,
    /// The cart that was ordered; `None` for an express purchase.
    pub cart_id: Option<Uuid>,
    /// The lane that sold it; `None` for the shop's own orders.
    pub lane_id: Option<i64>,
    pub placed_at: TimeDateTimeWithTimeZone,
    pub changed_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
