//! The state of an event, derived from its row, with an index: the latest events of each state are
//! read, and counted, without reading the others.
//!
//! PostgreSQL only.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, COLUMN).await?;
        run(manager, INDEX).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "ALTER TABLE outbox_event DROP COLUMN state").await
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(statement)
        .await
        .map(drop)
}

/// 0 waits for its first attempt or its result, 1 has failed and waits, 2 is delivered.
const COLUMN: &str = "ALTER TABLE outbox_event ADD COLUMN state smallint GENERATED ALWAYS AS (
       CASE WHEN delivered_at IS NOT NULL THEN 2 WHEN last_error IS NOT NULL THEN 1 ELSE 0 END)
     STORED";

const INDEX: &str = "CREATE INDEX outbox_event_state ON outbox_event (state, id)";
