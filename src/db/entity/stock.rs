//! The stock row: four counters and a version.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stock")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: i64,
    pub total: i64,
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
    /// Incremented by every write, so that a compare-and-swap detects all others.
    pub version: i64,
    /// True on a lane of an unsafe strategy, whose row has no stock constraints so that the
    /// strategy can fail visibly.
    pub unguarded: bool,
    /// See [`crate::model::StockLayout`]; with any layout other than `row`, this row holds only the
    /// total.
    pub layout: String,
    /// The token of the last writer who held a lock in Redis: a smaller one is rejected.
    pub fence: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
