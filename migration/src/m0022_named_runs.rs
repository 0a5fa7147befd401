//! The name and the note of a run, and the stock with which each of its lanes started.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// A run without a name is called by the title of its plan. `start` is JSON; without it, the
    /// verdict of a run whose server was killed could not be counted.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let run = Table::alter()
            .table("simulation_run")
            .add_column(text_null("name"))
            .add_column(text_null("note"))
            .to_owned();
        manager.alter_table(run).await?;
        let lane = Table::alter()
            .table("simulation_lane")
            .add_column(text_null("start"))
            .to_owned();
        manager.alter_table(lane).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let run = Table::alter()
            .table("simulation_run")
            .drop_column("name")
            .drop_column("note")
            .to_owned();
        manager.alter_table(run).await?;
        let lane = Table::alter()
            .table("simulation_lane")
            .drop_column("start")
            .to_owned();
        manager.alter_table(lane).await
    }
}
