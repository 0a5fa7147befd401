//! A customer's name may have 200 characters: some people's names have more than 120. On the way
//! back, longer names are cut.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        set_length(manager, 200).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        set_length(manager, 120).await
    }
}

async fn set_length(manager: &SchemaManager<'_>, length: u32) -> Result<(), DbErr> {
    let sql = format!(
        "ALTER TABLE customer_order
           ALTER COLUMN customer_name TYPE varchar({length}) USING left(customer_name, {length})"
    );
    manager
        .get_connection()
        .execute_unprepared(&sql)
        .await
        .map(drop)
}
