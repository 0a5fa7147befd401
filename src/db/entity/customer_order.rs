//! An order.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_order")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub public_id: Uuid,
    pub status: String,
    pub settlement: String,
    pub customer_name: Option<String>,
    pub email: Option<String>,
    /// The e-mail by which limits count.
    pub email_folded: Option<String>,
    pub street: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
    pub currency: String,
    pub total_cents: i64,
    /// The lane that it was sold on; none for the shop's own orders.
    pub lane_id: Option<i64>,
    pub placed_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
