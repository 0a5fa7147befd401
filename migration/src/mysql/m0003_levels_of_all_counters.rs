//! The event `stock.level` for a change of any counter, with all four of them: as PostgreSQL's
//! `m0035_levels_of_all_counters`.
//!
//! Each statement commits by itself, so an interrupted migration may leave no trigger behind: the
//! next attempt creates it. A level that changes in between is sent with the next change.

use sea_orm_migration::prelude::*;

use super::m0001_baseline;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, TRIGGER).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let before = m0001_baseline::statement("CREATE TRIGGER stock_outbox_changed ");
        let before = before.ok_or_else(|| {
            DbErr::Migration("The baseline has no trigger 'stock_outbox_changed'.".to_owned())
        })?;
        replace(manager, &before).await
    }
}

async fn replace(manager: &SchemaManager<'_>, trigger: &str) -> Result<(), DbErr> {
    for statement in ["DROP TRIGGER IF EXISTS stock_outbox_changed", trigger] {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

const TRIGGER: &str = "CREATE TRIGGER stock_outbox_changed AFTER UPDATE ON stock FOR EACH ROW
    IF (NEW.total <> OLD.total OR NEW.available <> OLD.available
        OR NEW.reserved <> OLD.reserved OR NEW.sold <> OLD.sold)
       AND EXISTS (SELECT 1 FROM event_subscription)
       AND EXISTS (SELECT 1 FROM product p WHERE p.id = NEW.product_id AND p.lane_id IS NULL) THEN
      INSERT INTO outbox_event (kind, payload)
      VALUES ('stock.level', JSON_OBJECT(
        'productId', NEW.product_id, 'total', NEW.total, 'available', NEW.available,
        'reserved', NEW.reserved, 'sold', NEW.sold, 'version', NEW.version));
    END IF";
