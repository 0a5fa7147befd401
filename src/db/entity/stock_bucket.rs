//! One part of a lane's stock, for which buyers queue instead of one hot row.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_bucket")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: i64,
    /// Counted from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i32,
    pub total: i64,
    pub available: i64,
    pub sold: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
