//! A discount code and the number of its uses.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "discount_code")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    pub percent: Option<i32>,
    pub amount_cents: Option<i64>,
    pub min_subtotal_cents: i64,
    pub starts_at: Option<TimeDateTimeWithTimeZone>,
    pub ends_at: Option<TimeDateTimeWithTimeZone>,
    pub uses_max: i32,
    pub uses: i32,
    pub per_customer_limit: Option<i32>,
    pub created_at: TimeDateTimeWithTimeZone,
    /// When it was switched off; `None` while it is on.
    pub switched_off_at: Option<TimeDateTimeWithTimeZone>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
