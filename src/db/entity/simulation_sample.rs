//! One point of a lane's chart.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "simulation_sample")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lane_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub elapsed_ms: i32,
    /// JSON of `model::Sample`.
    pub counts: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
