//! The rows that stand for locks on a Galera cluster, whose nodes do not share named locks.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

// Each commits by itself: an interrupted migration may have created the first table already.
const UP: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS cluster_lock (
  slot SMALLINT NOT NULL PRIMARY KEY,
  taken BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS cluster_lease (
  name BIGINT NOT NULL PRIMARY KEY,
  holder CHAR(36) NOT NULL,
  ends_at DATETIME(6) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
];

const DOWN: [&str; 2] = [
    "DROP TABLE IF EXISTS cluster_lease",
    "DROP TABLE IF EXISTS cluster_lock",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: [&str; 2]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}
