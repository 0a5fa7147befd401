//! What a lane's locks looked like at its busiest moment, and where its first buyers spent their time.

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
