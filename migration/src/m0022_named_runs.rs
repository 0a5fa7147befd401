//! The name and the note of a run.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// A run without a name is called by the title of its plan.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let run = Table::alter()
            .table("simulation_run")
            .add_column(text_null("name"))
            .add_column(text_null("note"))
            .to_owned();
        manager.alter_table(run).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let run = Table::alter()
            .table("simulation_run")
            .drop_column("name")
            .drop_column("note")
            .to_owned();
        manager.alter_table(run).await
    }
}
