//! The id of a session is a text of variable length.
//!
//! The driver sends every text parameter as `text`. PostgreSQL compares a column of type
//! `character(n)` with such a parameter by casting the column, and no index on the column serves
//! that comparison: each request read all sessions.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change_type(manager, "varchar(32)").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change_type(manager, "character(32)").await
    }
}

async fn change_type(manager: &SchemaManager<'_>, to: &str) -> Result<(), DbErr> {
    let statement = format!("ALTER TABLE session ALTER COLUMN id TYPE {to}");
    let connection = manager.get_connection();
    connection.execute_unprepared(&statement).await.map(drop)
}
