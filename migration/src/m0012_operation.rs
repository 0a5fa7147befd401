//! Operational data that servers share: heartbeats, the last audit, and the secret between shop and
//! provider.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("server_heartbeat")
                    .col(uuid("server_id").primary_key())
                    .col(timestamp_with_time_zone("started_at").default(Expr::current_timestamp()))
                    .col(timestamp_with_time_zone("beat_at").default(Expr::current_timestamp()))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("audit_result")
                    .col(string_len("name", 20).primary_key())
                    .col(text("report"))
                    .col(timestamp_with_time_zone("at").default(Expr::current_timestamp()))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("shop_secret")
                    .col(string_len("name", 40).primary_key())
                    .col(string_len("value", 100))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["shop_secret", "audit_result", "server_heartbeat"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}
