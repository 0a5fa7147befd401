//! Holds: units reserved for a cart until a time of the database's clock, then for the order that
//! is being paid.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(hold()).await?;
        for (name, columns) in [
            ("hold_state_expires_at", &["state", "expires_at"][..]),
            ("hold_product_id", &["product_id"][..]),
            ("hold_cart_id", &["cart_id"][..]),
            ("hold_order_id", &["order_id"][..]),
        ] {
            let mut index = Index::create().name(name).table("hold").to_owned();
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("hold").to_owned())
            .await
    }
}

/// A hold is kept after its cart is deleted, because the ledger refers to it: `cart_id` becomes
/// null.
fn hold() -> TableCreateStatement {
    Table::create()
        .table("hold")
        .col(big_pk_auto("id"))
        .col(uuid_null("cart_id"))
        .col(big_integer_null("order_id"))
        .col(big_integer("product_id"))
        .col(integer("quantity"))
        .col(string_len("state", 10))
        .col(string_len_null("reason", 20))
        .col(boolean("extended").default(false))
        .col(timestamp_with_time_zone("expires_at"))
        .col(timestamp_with_time_zone("created_at").default(Expr::current_timestamp()))
        .col(timestamp_with_time_zone_null("closed_at"))
        .check((
            "hold_state_known",
            Expr::cust("state IN ('held', 'sold', 'released')"),
        ))
        .check((
            "hold_quantity_in_range",
            Expr::cust("quantity BETWEEN 1 AND 1000"),
        ))
        .check((
            "hold_closed_once",
            Expr::cust("(state = 'held') = (closed_at IS NULL)"),
        ))
        .foreign_key(
            ForeignKey::create()
                .name("hold_cart_id")
                .from("hold", "cart_id")
                .to("cart", "id")
                .on_delete(ForeignKeyAction::SetNull),
        )
        .foreign_key(
            ForeignKey::create()
                .name("hold_order_id")
                .from("hold", "order_id")
                .to("customer_order", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("hold_product_id")
                .from("hold", "product_id")
                .to("product", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
