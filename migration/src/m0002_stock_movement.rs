//! The ledger: every change of stock, append-only.
//!
//! It has no foreign keys: see docs/decisions/0003-ledger-without-foreign-keys.md.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(stock_movement()).await?;
        manager
            .create_index(
                Index::create()
                    .name("stock_movement_product_id")
                    .table("stock_movement")
                    .col("product_id")
                    .to_owned(),
            )
            .await?;
        manager
            .get_connection()
            .execute_unprepared(APPEND_ONLY)
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("stock_movement").to_owned())
            .await?;
        manager
            .get_connection()
            .execute_unprepared("DROP FUNCTION stock_movement_refuse_change()")
            .await?;
        Ok(())
    }
}

fn stock_movement() -> TableCreateStatement {
    Table::create()
        .table("stock_movement")
        .col(big_pk_auto("id"))
        .col(big_integer("product_id"))
        .col(string_len("kind", 10))
        .col(big_integer("quantity"))
        .col(big_integer_null("order_id"))
        .col(big_integer_null("hold_id"))
        .col(timestamp_with_time_zone("at").default(Expr::current_timestamp()))
        .check((
            "stock_movement_kind_known",
            Expr::cust("kind IN ('receive', 'hold', 'release', 'sell', 'return', 'adjust')"),
        ))
        .check((
            "stock_movement_quantity_signed",
            Expr::cust("quantity > 0 OR (kind = 'adjust' AND quantity <> 0)"),
        ))
        .to_owned()
}

/// PostgreSQL only. OR REPLACE, because `migrate fresh` drops tables but not functions. The only
/// exception is a workbench lane, which is deleted together with its ledger.
const APPEND_ONLY: &str = "
CREATE OR REPLACE FUNCTION stock_movement_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM product WHERE id = OLD.product_id AND lane_id IS NOT NULL) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'stock_movement is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER stock_movement_append_only BEFORE UPDATE OR DELETE ON stock_movement
  FOR EACH ROW EXECUTE FUNCTION stock_movement_refuse_change();
CREATE TRIGGER stock_movement_no_truncate BEFORE TRUNCATE ON stock_movement
  FOR EACH STATEMENT EXECUTE FUNCTION stock_movement_refuse_change();
";
