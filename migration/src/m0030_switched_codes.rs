//! Discount codes that an administrator switches off and on again, with the history of it.

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

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

const UP: &[&str] = &[
    "ALTER TABLE discount_code ADD COLUMN switched_off_at timestamp with time zone",
    "CREATE TABLE discount_code_change (
       id bigserial PRIMARY KEY,
       code varchar(40) NOT NULL,
       at timestamp with time zone NOT NULL,
       actor varchar(20) NOT NULL,
       is_on boolean NOT NULL,
       CONSTRAINT discount_code_change_actor_known CHECK (actor IN ('administrator', 'command line')),
       CONSTRAINT discount_code_change_code FOREIGN KEY (code) REFERENCES discount_code (code) ON DELETE CASCADE)",
    "CREATE INDEX discount_code_change_code_id ON discount_code_change (code, id)",
];

const DOWN: &[&str] = &[
    "DROP TABLE discount_code_change",
    "ALTER TABLE discount_code DROP COLUMN switched_off_at",
];
