//! The locks of a lane at its busiest moment, and the times of its first buyers.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "simulation_lock_picture")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lane_id: i64,
    /// JSON of `model::lock_queue::LaneLocks`.
    pub picture: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
