//! Runs of the stepper: they have lanes and are deleted like all runs, but have neither a crowd nor
//! a verdict.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        allow_states(
            manager,
            "'running', 'finished', 'stopped', 'aborted', 'failed', 'stepped'",
        )
        .await
    }

    /// The older schema has no such state: these runs become runs without a verdict.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(
                "UPDATE simulation_run SET state = 'failed', failure = 'it was a session of the stepper' WHERE state = 'stepped'",
            )
            .await?;
        allow_states(
            manager,
            "'running', 'finished', 'stopped', 'aborted', 'failed'",
        )
        .await
    }
}

async fn allow_states(manager: &SchemaManager<'_>, states: &str) -> Result<(), DbErr> {
    let sql = format!(
        "ALTER TABLE simulation_run DROP CONSTRAINT simulation_run_state_known, \
         ADD CONSTRAINT simulation_run_state_known CHECK (state IN ({states}))"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
