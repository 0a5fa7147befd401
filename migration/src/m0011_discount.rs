//! Discount codes, and the orders that used them.

use sea_orm_migration::{prelude::*, schema::*};

use crate::kept_rows::refuse_to_drop;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(discount_code()).await?;
        manager.create_table(discount_use()).await?;
        manager
            .create_index(
                Index::create()
                    .name("discount_use_code_email_folded")
                    .table("discount_use")
                    .col("code")
                    .col("email_folded")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        refuse_to_drop(manager, &["discount_code"]).await?;
        for table in ["discount_use", "discount_code"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// `uses` is updated as often as stock and protected in the same way: by a conditional update, and
/// by this constraint.
fn discount_code() -> TableCreateStatement {
    Table::create()
        .table("discount_code")
        .col(string_len("code", 40).primary_key())
        .col(integer_null("percent"))
        .col(big_integer_null("amount_cents"))
        .col(big_integer("min_subtotal_cents").default(0))
        .col(timestamp_with_time_zone_null("starts_at"))
        .col(timestamp_with_time_zone_null("ends_at"))
        .col(integer("uses_max"))
        .col(integer("uses").default(0))
        .col(integer_null("per_customer_limit"))
        .col(timestamp_with_time_zone("created_at").default(Expr::current_timestamp()))
        .check((
            "discount_code_uses_in_range",
            Expr::cust("uses BETWEEN 0 AND uses_max"),
        ))
        .check((
            "discount_code_one_kind",
            Expr::cust(
                "(percent IS NULL) <> (amount_cents IS NULL) AND coalesce(percent, 1) BETWEEN 1 AND 100 \
                 AND coalesce(amount_cents, 1) > 0",
            ),
        ))
        .to_owned()
}

/// A released use keeps its row as a record.
fn discount_use() -> TableCreateStatement {
    Table::create()
        .table("discount_use")
        .col(big_integer("order_id").primary_key())
        .col(string_len("code", 40))
        .col(string_len("email_folded", 254))
        .col(boolean("given_back").default(false))
        .foreign_key(
            ForeignKey::create()
                .name("discount_use_order_id")
                .from("discount_use", "order_id")
                .to("customer_order", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("discount_use_code")
                .from("discount_use", "code")
                .to("discount_code", "code"),
        )
        .to_owned()
}
