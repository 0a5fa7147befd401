//! An index for each foreign key that had none. Without it, PostgreSQL reads the whole referencing
//! table to delete or to find one referenced row.
//!
//! `IF NOT EXISTS`: the indexes of a large shop may be created in advance with `CREATE INDEX
//! CONCURRENTLY`, which blocks no writes. A migration is a transaction, where that is not allowed.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The indexes: name, table and column.
const INDEXES: [(&str, &str, &str); 3] = [
    ("cart_item_product_id", "cart_item", "product_id"),
    ("refund_payment_id", "refund", "payment_id"),
    ("simulation_lane_run_id", "simulation_lane", "run_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, column) in INDEXES {
            let index = Index::create()
                .if_not_exists()
                .name(name)
                .table(table)
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in INDEXES {
            let index = Index::drop().name(name).table(table).to_owned();
            manager.drop_index(index).await?;
        }
        Ok(())
    }
}
