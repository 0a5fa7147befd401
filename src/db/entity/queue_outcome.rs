//! The outcome of a queued order that was not written under its own id.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "queue_outcome")]
pub struct Model {
    /// The public id that the order would have had.
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: Uuid,
    /// JSON.
    pub outcome: String,
    pub decided_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
