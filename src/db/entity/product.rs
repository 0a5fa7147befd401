//! The catalog row: the product's data, without its stock.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub slug: String,
    pub name: String,
    pub description: String,
    pub category: String,
    pub artwork: String,
    pub price_cents: i64,
    pub currency: String,
    pub per_customer_limit: Option<i32>,
    pub sale_starts_at: Option<TimeDateTimeWithTimeZone>,
    pub sale_ends_at: Option<TimeDateTimeWithTimeZone>,
    /// Set on a private product of the workbench, which the shop never shows.
    pub lane_id: Option<i64>,
    /// A price above `price_cents` to compare it with.
    pub compare_at_cents: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
