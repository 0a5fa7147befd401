//! The event `stock.level` for a change of any counter, with all four of them: a payment moves
//! units from reserved to sold, and leaves the available ones as they are.
//!
//! PostgreSQL only.

use sea_orm_migration::prelude::*;

use crate::m0033_outbox;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, FUNCTION, TRIGGER).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (function, trigger) = (m0033_outbox::STOCK_FUNCTION, m0033_outbox::STOCK_TRIGGER);
        replace(manager, function, trigger).await
    }
}

async fn replace(manager: &SchemaManager<'_>, function: &str, trigger: &str) -> Result<(), DbErr> {
    for statement in [
        "DROP TRIGGER stock_outbox_changed ON stock",
        function,
        trigger,
    ] {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

const FUNCTION: &str =
    "CREATE OR REPLACE FUNCTION outbox_stock_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF EXISTS (SELECT 1 FROM event_subscription)
          AND EXISTS (SELECT 1 FROM product WHERE id = NEW.product_id AND lane_id IS NULL) THEN
         INSERT INTO outbox_event (kind, payload)
         VALUES ('stock.level', json_build_object('productId', NEW.product_id, 'total', NEW.total,
           'available', NEW.available, 'reserved', NEW.reserved, 'sold', NEW.sold,
           'version', NEW.version)::text);
       END IF;
       RETURN NULL;
     END $$";

const TRIGGER: &str = "CREATE TRIGGER stock_outbox_changed AFTER UPDATE ON stock
       FOR EACH ROW WHEN (NEW.total <> OLD.total OR NEW.available <> OLD.available
         OR NEW.reserved <> OLD.reserved OR NEW.sold <> OLD.sold)
       EXECUTE FUNCTION outbox_stock_changed()";
