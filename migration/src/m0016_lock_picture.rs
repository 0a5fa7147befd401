//! The stored lock snapshot of a lane, shown when its run is opened later.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(simulation_lock_picture()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("simulation_lock_picture").to_owned())
            .await
    }
}

/// `picture` is a JSON text of `model::lock_queue::LaneLocks`. It has its own table, because lists
/// of runs read lanes but never lock snapshots.
fn simulation_lock_picture() -> TableCreateStatement {
    Table::create()
        .table("simulation_lock_picture")
        .col(big_integer("lane_id").primary_key())
        .col(text("picture"))
        .foreign_key(
            ForeignKey::create()
                .name("simulation_lock_picture_lane_id")
                .from("simulation_lock_picture", "lane_id")
                .to("simulation_lane", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
