//! Products, and the stock of each product in a separate hot row: a sale updates `stock` a thousand
//! times, but never the description.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(product()).await?;
        manager
            .create_index(
                Index::create()
                    .name("product_lane_id")
                    .table("product")
                    .col("lane_id")
                    .to_owned(),
            )
            .await?;
        manager.create_table(stock()).await?;
        // Pages, verdicts and the audit read `stock_level`: it has the counters for every stock
        // layout.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE VIEW stock_level AS \
                 SELECT product_id, total, available, reserved, sold, version, unguarded FROM stock",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("DROP VIEW stock_level")
            .await?;
        for table in ["stock", "product"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn product() -> TableCreateStatement {
    Table::create()
        .table("product")
        .col(big_pk_auto("id"))
        .col(string_len_uniq("slug", 80))
        .col(string_len("name", 120))
        .col(text("description"))
        .col(string_len("category", 60))
        .col(string_len("artwork", 120))
        .col(big_integer("price_cents"))
        .col(char_len("currency", 3))
        .col(integer_null("per_customer_limit"))
        .col(timestamp_with_time_zone_null("sale_starts_at"))
        .col(timestamp_with_time_zone_null("sale_ends_at"))
        .col(big_integer_null("lane_id"))
        .check(("product_price_positive", Expr::cust("price_cents > 0")))
        .check((
            "product_per_customer_limit_positive",
            Expr::cust("per_customer_limit IS NULL OR per_customer_limit > 0"),
        ))
        .to_owned()
}

/// The two stock rules are separate constraints, because an error of a combined CHECK does not say
/// which part failed.
fn stock() -> TableCreateStatement {
    Table::create()
        .table("stock")
        .col(big_integer("product_id").primary_key())
        .col(big_integer("total"))
        .col(big_integer("available"))
        .col(big_integer("reserved").default(0))
        .col(big_integer("sold").default(0))
        .col(big_integer("version").default(0))
        .col(boolean("unguarded").default(false))
        .check((
            "stock_available_not_negative",
            Expr::cust("unguarded OR available >= 0"),
        ))
        .check((
            "stock_conserved",
            Expr::cust(
                "unguarded OR (reserved >= 0 AND sold >= 0 AND available + reserved + sold = total)",
            ),
        ))
        .foreign_key(
            ForeignKey::create()
                .name("stock_product_id")
                .from("stock", "product_id")
                .to("product", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
