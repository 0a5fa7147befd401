//! Run commands (pause, resume, stop, abort) and the events of a run.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// `wish` is the last run command: any server may write it, and the server that runs the
    /// simulation reads it. `events` is a JSON list of `model::RunEvent`.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("simulation_run")
            .add_column(string_len("wish", 12).default("run"))
            .add_column(text_null("events"))
            .to_owned();
        manager.alter_table(table).await?;
        run(
            manager,
            &[
                "ALTER TABLE simulation_run ADD CONSTRAINT simulation_run_wish_known CHECK (wish IN ('run', 'pause', 'stop', 'abort'))",
                "ALTER TABLE simulation_run DROP CONSTRAINT simulation_run_state_known",
                "ALTER TABLE simulation_run ADD CONSTRAINT simulation_run_state_known CHECK (state IN ('running', 'finished', 'stopped', 'aborted', 'failed'))",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            &[
                "UPDATE simulation_run SET state = 'failed', failure = 'it was ended early' WHERE state IN ('stopped', 'aborted')",
                "ALTER TABLE simulation_run DROP CONSTRAINT simulation_run_state_known",
                "ALTER TABLE simulation_run ADD CONSTRAINT simulation_run_state_known CHECK (state IN ('running', 'finished', 'failed'))",
            ],
        )
        .await?;
        let table = Table::alter()
            .table("simulation_run")
            .drop_column("wish")
            .drop_column("events")
            .to_owned();
        manager.alter_table(table).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}
