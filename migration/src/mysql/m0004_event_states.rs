//! The state of an event, derived from its row, with an index: as PostgreSQL's
//! `m0036_event_states`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(statement)
        .await
        .map(drop)
}

/// One statement, because each commits by itself.
const UP: &str = "ALTER TABLE outbox_event
  ADD COLUMN state SMALLINT GENERATED ALWAYS AS (
    CASE WHEN delivered_at IS NOT NULL THEN 2 WHEN last_error IS NOT NULL THEN 1 ELSE 0 END) STORED,
  ADD KEY outbox_event_state (state, id)";

const DOWN: &str = "ALTER TABLE outbox_event DROP KEY outbox_event_state, DROP COLUMN state";
