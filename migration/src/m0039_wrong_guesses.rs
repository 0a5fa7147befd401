//! The wrong guesses of each network, by kind: passwords, and order numbers with discount codes.
//! All servers count them together.
//!
//! As long as servers of the previous version run, they count passwords in `wrong_password`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
CREATE TABLE wrong_guess (
  kind_and_network varchar(64) PRIMARY KEY,
  forgiven_at timestamptz NOT NULL);
CREATE INDEX wrong_guess_forgiven_at ON wrong_guess (forgiven_at);
INSERT INTO wrong_guess (kind_and_network, forgiven_at)
  SELECT 'password ' || network, forgiven_at FROM wrong_password;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE wrong_guess").await
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(statement)
        .await
        .map(drop)
}
