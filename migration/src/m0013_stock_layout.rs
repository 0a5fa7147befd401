//! Two additional layouts of a lane's stock: split over buckets, or one row per unit. The lane's
//! row in `stock` then contains only the total, and `stock_level` computes the other counters.
//!
//! Also the table settings that the fast strategies need: free space next to the hot row, and
//! partial indexes that an express purchase does not have to update.

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
    "ALTER TABLE stock
       ADD COLUMN layout varchar(8) NOT NULL DEFAULT 'row',
       ADD CONSTRAINT stock_layout_known CHECK (layout IN ('row', 'buckets', 'units')),
       DROP CONSTRAINT stock_conserved,
       ADD CONSTRAINT stock_conserved CHECK
         (unguarded OR layout <> 'row' OR (reserved >= 0 AND sold >= 0 AND available + reserved + sold = total))",
    // With free space on the page, a new row version needs no index entry (HOT update).
    "ALTER TABLE stock SET (fillfactor = 20)",
    "CREATE TABLE stock_bucket (
       product_id bigint NOT NULL CONSTRAINT stock_bucket_product_id REFERENCES stock (product_id) ON DELETE CASCADE,
       bucket integer NOT NULL,
       total bigint NOT NULL,
       available bigint NOT NULL,
       sold bigint NOT NULL DEFAULT 0,
       PRIMARY KEY (product_id, bucket),
       CONSTRAINT stock_bucket_available_not_negative CHECK (available >= 0),
       CONSTRAINT stock_bucket_conserved CHECK (sold >= 0 AND available + sold = total)
     ) WITH (fillfactor = 20)",
    "CREATE TABLE stock_unit (
       product_id bigint NOT NULL CONSTRAINT stock_unit_product_id REFERENCES stock (product_id) ON DELETE CASCADE,
       unit integer NOT NULL,
       sold boolean NOT NULL DEFAULT false,
       PRIMARY KEY (product_id, unit)
     ) WITH (fillfactor = 50)",
    "CREATE INDEX stock_unit_for_sale ON stock_unit (product_id, unit) WHERE NOT sold",
    "CREATE OR REPLACE VIEW stock_level AS
     SELECT s.product_id, s.total,
            CASE s.layout
              WHEN 'buckets' THEN (SELECT coalesce(sum(b.available), 0)::bigint FROM stock_bucket b WHERE b.product_id = s.product_id)
              WHEN 'units' THEN (SELECT count(*) FROM stock_unit u WHERE u.product_id = s.product_id AND NOT u.sold)
              ELSE s.available END AS available,
            s.reserved,
            CASE s.layout
              WHEN 'buckets' THEN (SELECT coalesce(sum(b.sold), 0)::bigint FROM stock_bucket b WHERE b.product_id = s.product_id)
              WHEN 'units' THEN (SELECT count(*) FROM stock_unit u WHERE u.product_id = s.product_id AND u.sold)
              ELSE s.sold END AS sold,
            s.version, s.unguarded
     FROM stock s",
    "DROP INDEX customer_order_email_folded",
    "CREATE INDEX customer_order_email_folded ON customer_order (email_folded) WHERE email_folded IS NOT NULL",
    "DROP INDEX customer_order_lane_id",
    "CREATE INDEX customer_order_lane_id ON customer_order (lane_id) WHERE lane_id IS NOT NULL",
    // Keys are deleted in the order in which they were created.
    "DROP INDEX idempotency_key_created_at",
    "CREATE INDEX idempotency_key_created_at ON idempotency_key USING brin (created_at)",
];

/// The older schema cannot represent lanes with another layout: they are deleted, with their orders
/// and movements.
const DOWN: &[&str] = &[
    "DROP INDEX idempotency_key_created_at",
    "CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at)",
    "DROP INDEX customer_order_lane_id",
    "CREATE INDEX customer_order_lane_id ON customer_order (lane_id)",
    "DROP INDEX customer_order_email_folded",
    "CREATE INDEX customer_order_email_folded ON customer_order (email_folded)",
    "CREATE OR REPLACE VIEW stock_level AS
     SELECT product_id, total, available, reserved, sold, version, unguarded FROM stock",
    "DELETE FROM customer_order WHERE id IN
       (SELECT l.order_id FROM order_line l JOIN stock s ON s.product_id = l.product_id WHERE s.layout <> 'row')",
    "DELETE FROM stock_movement WHERE product_id IN (SELECT product_id FROM stock WHERE layout <> 'row')",
    "DELETE FROM product WHERE id IN (SELECT product_id FROM stock WHERE layout <> 'row')",
    "DROP TABLE stock_unit",
    "DROP TABLE stock_bucket",
    "ALTER TABLE stock RESET (fillfactor)",
    "ALTER TABLE stock
       DROP CONSTRAINT stock_conserved,
       DROP COLUMN layout,
       ADD CONSTRAINT stock_conserved CHECK
         (unguarded OR (reserved >= 0 AND sold >= 0 AND available + reserved + sold = total))",
];
