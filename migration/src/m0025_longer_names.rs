//! A customer's name may have 200 characters: some people's names have more than 120.

use sea_orm_migration::{prelude::*, schema::*};

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
    manager
        .alter_table(
            Table::alter()
                .table("customer_order")
                .modify_column(string_len_null("customer_name", length))
                .to_owned(),
        )
        .await
}
