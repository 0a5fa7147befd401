//! The wrong guesses of each network, by kind: as PostgreSQL's `m0039_wrong_guesses`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

// Each commits by itself: an interrupted migration may have run the first one already.
const UP: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS wrong_guess (
  kind_and_network VARCHAR(64) NOT NULL PRIMARY KEY,
  forgiven_at DATETIME(6) NOT NULL,
  KEY wrong_guess_forgiven_at (forgiven_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "INSERT IGNORE INTO wrong_guess (kind_and_network, forgiven_at)
  SELECT CONCAT('password ', network), forgiven_at FROM wrong_password",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in UP {
            run(manager, statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE IF EXISTS wrong_guess").await
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(statement)
        .await
        .map(drop)
}
