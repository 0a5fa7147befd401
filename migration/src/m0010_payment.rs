//! Payments, refunds, and the provider's events.

use sea_orm_migration::{prelude::*, schema::*};

use crate::kept_rows::refuse_to_drop;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(payment()).await?;
        manager.create_table(refund()).await?;
        manager.create_table(payment_event()).await?;
        for (name, table, columns) in [
            ("payment_order_id", "payment", &["order_id"][..]),
            ("payment_state_ask_at", "payment", &["state", "ask_at"][..]),
            ("refund_order_id", "refund", &["order_id"][..]),
            ("refund_state_ask_at", "refund", &["state", "ask_at"][..]),
        ] {
            let mut index = Index::create().name(name).table(table).to_owned();
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        refuse_to_drop(manager, &["payment"]).await?;
        for table in ["payment_event", "refund", "payment"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// `ask_at` is the time of the next status query to the provider while the outcome is unknown. No
/// card data is stored, not even the last digits.
fn payment() -> TableCreateStatement {
    Table::create()
        .table("payment")
        .col(big_pk_auto("id"))
        .col(big_integer("order_id"))
        .col(uuid_uniq("reference"))
        .col(string_len("state", 10))
        .col(big_integer("amount_cents"))
        .col(char_len("currency", 3))
        .col(big_integer("captured_cents").default(0))
        .col(string_len_null("decline_reason", 200))
        .col(timestamp_with_time_zone("created_at").default(Expr::current_timestamp()))
        .col(timestamp_with_time_zone_null("settled_at"))
        .col(timestamp_with_time_zone("ask_at"))
        .check((
            "payment_state_known",
            Expr::cust("state IN ('pending', 'captured', 'declined', 'voided')"),
        ))
        .check((
            "payment_captured_in_range",
            Expr::cust("amount_cents > 0 AND captured_cents BETWEEN 0 AND amount_cents"),
        ))
        .check((
            "payment_settled_once",
            Expr::cust("(state = 'pending') = (settled_at IS NULL)"),
        ))
        .foreign_key(
            ForeignKey::create()
                .name("payment_order_id")
                .from("payment", "order_id")
                .to("customer_order", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn refund() -> TableCreateStatement {
    Table::create()
        .table("refund")
        .col(big_pk_auto("id"))
        .col(big_integer("payment_id"))
        .col(big_integer("order_id"))
        .col(uuid_uniq("reference"))
        .col(string_len("state", 10))
        .col(string_len("reason", 20))
        .col(big_integer("amount_cents"))
        .col(timestamp_with_time_zone("created_at").default(Expr::current_timestamp()))
        .col(timestamp_with_time_zone_null("settled_at"))
        .col(timestamp_with_time_zone("ask_at").default(Expr::current_timestamp()))
        .check((
            "refund_state_known",
            Expr::cust("state IN ('pending', 'succeeded')"),
        ))
        .check(("refund_amount_positive", Expr::cust("amount_cents > 0")))
        .check((
            "refund_settled_once",
            Expr::cust("(state = 'pending') = (settled_at IS NULL)"),
        ))
        .foreign_key(
            ForeignKey::create()
                .name("refund_payment_id")
                .from("refund", "payment_id")
                .to("payment", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("refund_order_id")
                .from("refund", "order_id")
                .to("customer_order", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

/// Never deleted, so that an event that is delivered again after a year is still recognised.
fn payment_event() -> TableCreateStatement {
    Table::create()
        .table("payment_event")
        .col(string_len("provider_event_id", 100).primary_key())
        .col(uuid("reference"))
        .col(string_len("kind", 40))
        .col(timestamp_with_time_zone("received_at").default(Expr::current_timestamp()))
        .to_owned()
}
