//! The sale of a product: a price to compare with, rules of its times, the history of its changes,
//! and the price at which a shopper reserved.
//!
//! The ledger's index by product gets the id as its second column, so that the first and the last
//! sale of a product are found without reading those between them. `IF NOT EXISTS`: a large shop
//! may create it in advance with `CREATE INDEX CONCURRENTLY`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

const UP: &[&str] = &[
    // A sale that ends before it starts is never open: it has ended.
    "UPDATE product SET sale_starts_at = NULL, sale_ends_at = least(sale_ends_at, CURRENT_TIMESTAMP)
       WHERE sale_ends_at <= sale_starts_at",
    "ALTER TABLE product
       ADD COLUMN compare_at_cents bigint,
       ADD CONSTRAINT product_compare_at_above_price CHECK (compare_at_cents IS NULL OR compare_at_cents > price_cents),
       ADD CONSTRAINT product_sale_ends_after_start
         CHECK (sale_starts_at IS NULL OR sale_ends_at IS NULL OR sale_ends_at > sale_starts_at)",
    "CREATE TABLE product_change (
       id bigserial PRIMARY KEY,
       product_id bigint NOT NULL,
       at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP,
       actor varchar(20) NOT NULL,
       field varchar(20) NOT NULL,
       before text,
       after text,
       CONSTRAINT product_change_actor_known CHECK (actor IN ('administrator', 'command line')),
       CONSTRAINT product_change_field_known
         CHECK (field IN ('from', 'until', 'price', 'compare-at price', 'limit')),
       CONSTRAINT product_change_changes CHECK (before IS DISTINCT FROM after),
       CONSTRAINT product_change_product_id FOREIGN KEY (product_id) REFERENCES product (id) ON DELETE CASCADE)",
    "CREATE INDEX product_change_product_id ON product_change (product_id, id)",
    "ALTER TABLE hold ADD COLUMN unit_price_cents bigint",
    "CREATE INDEX IF NOT EXISTS stock_movement_product_id_id ON stock_movement (product_id, id)",
    "DROP INDEX stock_movement_product_id",
];

const DOWN: &[&str] = &[
    "CREATE INDEX stock_movement_product_id ON stock_movement (product_id)",
    "DROP INDEX stock_movement_product_id_id",
    "ALTER TABLE hold DROP COLUMN unit_price_cents",
    "DROP TABLE product_change",
    "ALTER TABLE product
       DROP CONSTRAINT product_sale_ends_after_start,
       DROP CONSTRAINT product_compare_at_above_price,
       DROP COLUMN compare_at_cents",
];
