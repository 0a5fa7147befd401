//! Carts, their lines, and the unfinished checkout form of each cart.

use sea_orm_migration::{prelude::*, schema::*};

use crate::kept_rows::refuse_to_drop;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("cart")
                    .col(uuid("id").primary_key())
                    .col(timestamp_with_time_zone("created_at").default(Expr::current_timestamp()))
                    .col(timestamp_with_time_zone("changed_at").default(Expr::current_timestamp()))
                    .to_owned(),
            )
            .await?;
        manager.create_table(cart_item()).await?;
        manager.create_table(checkout_draft()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        refuse_to_drop(manager, &["cart"]).await?;
        for table in ["checkout_draft", "cart_item", "cart"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn cart_item() -> TableCreateStatement {
    Table::create()
        .table("cart_item")
        .col(uuid("cart_id"))
        .col(big_integer("product_id"))
        .col(integer("quantity"))
        .primary_key(Index::create().col("cart_id").col("product_id"))
        .check((
            "cart_item_quantity_in_range",
            Expr::cust("quantity BETWEEN 1 AND 1000"),
        ))
        .foreign_key(
            ForeignKey::create()
                .name("cart_item_cart_id")
                .from("cart_item", "cart_id")
                .to("cart", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("cart_item_product_id")
                .from("cart_item", "product_id")
                .to("product", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

/// Never contains card data.
fn checkout_draft() -> TableCreateStatement {
    Table::create()
        .table("checkout_draft")
        .col(uuid("cart_id").primary_key())
        .col(text("fields"))
        .foreign_key(
            ForeignKey::create()
                .name("checkout_draft_cart_id")
                .from("checkout_draft", "cart_id")
                .to("cart", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
