//! The wrong passwords of each network, which all servers count together.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

// It commits by itself: an interrupted migration may have created the table already.
const UP: &str = "
CREATE TABLE IF NOT EXISTS wrong_password (
  network VARCHAR(45) NOT NULL PRIMARY KEY,
  forgiven_at DATETIME(6) NOT NULL,
  KEY wrong_password_forgiven_at (forgiven_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE IF EXISTS wrong_password").await
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(statement)
        .await
        .map(drop)
}
