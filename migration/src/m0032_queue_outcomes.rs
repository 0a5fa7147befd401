//! The outcomes of queued orders that were not written under their own id: refused, or sold under
//! another id because their key was used before. A queued order is decided once: it has either an
//! order with its id or a row here.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE TABLE queue_outcome (
  order_id uuid PRIMARY KEY,
  outcome text NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX queue_outcome_decided_at ON queue_outcome (decided_at);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE queue_outcome").await
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(statement)
        .await
        .map(drop)
}
