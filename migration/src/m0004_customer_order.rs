//! Orders and their lines, with names and prices at the time of the sale.

use sea_orm_migration::{prelude::*, schema::*};

use crate::kept_rows::refuse_to_drop;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(customer_order()).await?;
        for (name, column) in [
            ("customer_order_email_folded", "email_folded"),
            ("customer_order_lane_id", "lane_id"),
        ] {
            manager
                .create_index(
                    Index::create()
                        .name(name)
                        .table("customer_order")
                        .col(column)
                        .to_owned(),
                )
                .await?;
        }
        manager.create_table(order_line()).await?;
        manager
            .create_index(
                Index::create()
                    .name("order_line_product_id")
                    .table("order_line")
                    .col("product_id")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        refuse_to_drop(manager, &["customer_order"]).await?;
        for table in ["order_line", "customer_order"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// The contact fields are null for an express purchase, which needs no name. Limits per customer
/// count by `email_folded`: the e-mail in lower case, without a plus-tag.
fn customer_order() -> TableCreateStatement {
    Table::create()
        .table("customer_order")
        .col(big_pk_auto("id"))
        .col(uuid_uniq("public_id"))
        .col(string_len("status", 12))
        .col(string_len("settlement", 12))
        .col(string_len_null("customer_name", 120))
        .col(string_len_null("email", 254))
        .col(string_len_null("email_folded", 254))
        .col(string_len_null("street", 160))
        .col(string_len_null("postal_code", 20))
        .col(string_len_null("city", 80))
        .col(string_len_null("country", 60))
        .col(char_len("currency", 3))
        .col(big_integer("total_cents"))
        .col(big_integer_null("lane_id"))
        .col(timestamp_with_time_zone("placed_at").default(Expr::current_timestamp()))
        .check((
            "customer_order_status_known",
            Expr::cust("status IN ('placed')"),
        ))
        .check((
            "customer_order_settlement_known",
            Expr::cust("settlement IN ('on_account')"),
        ))
        .check((
            "customer_order_total_positive",
            Expr::cust("total_cents > 0"),
        ))
        .to_owned()
}

fn order_line() -> TableCreateStatement {
    Table::create()
        .table("order_line")
        .col(big_pk_auto("id"))
        .col(big_integer("order_id"))
        .col(big_integer("product_id"))
        .col(string_len("product_name", 120))
        .col(big_integer("unit_price_cents"))
        .col(integer("quantity"))
        .check((
            "order_line_quantity_in_range",
            Expr::cust("quantity BETWEEN 1 AND 1000"),
        ))
        .index(
            Index::create()
                .unique()
                .name("order_line_once_a_product")
                .col("order_id")
                .col("product_id"),
        )
        .foreign_key(
            ForeignKey::create()
                .name("order_line_order_id")
                .from("order_line", "order_id")
                .to("customer_order", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("order_line_product_id")
                .from("order_line", "product_id")
                .to("product", "id"),
        )
        .to_owned()
}
