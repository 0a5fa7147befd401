//! Whether a hold ends early with the sale of its product: the plan may have changed again since,
//! so that its times do not show it.

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

const UP: &str = "ALTER TABLE hold ADD COLUMN ends_with_sale boolean NOT NULL DEFAULT false";

const DOWN: &str = "ALTER TABLE hold DROP COLUMN ends_with_sale";
