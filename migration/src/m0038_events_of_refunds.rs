//! Events about refunds and returned units, in the outbox: see
//! docs/decisions/0055-events-for-a-warehouse.md.
//!
//! PostgreSQL only.

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

// A trigger locks its table, and a refund writes its line before itself. In another order, an old
// server that refunds a part of an order and this migration would wait for each other.
const UP: &[&str] = &[
    "CREATE OR REPLACE FUNCTION outbox_line_returned() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF EXISTS (SELECT 1 FROM event_subscription) THEN
         INSERT INTO outbox_event (kind, payload)
         SELECT 'line.returned', json_build_object('orderId', o.public_id,
           'productId', NEW.product_id, 'productSlug', product.slug,
           'productName', NEW.product_name, 'units', NEW.returned_quantity - OLD.returned_quantity,
           'quantity', NEW.quantity, 'returned', NEW.returned_quantity)::text
         FROM customer_order o JOIN product ON product.id = NEW.product_id
         WHERE o.id = NEW.order_id AND o.lane_id IS NULL;
       END IF;
       RETURN NULL;
     END $$",
    "CREATE TRIGGER order_line_outbox_returned AFTER UPDATE ON order_line
       FOR EACH ROW WHEN (NEW.returned_quantity > OLD.returned_quantity)
       EXECUTE FUNCTION outbox_line_returned()",
    "CREATE OR REPLACE FUNCTION outbox_refund_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF EXISTS (SELECT 1 FROM event_subscription) THEN
         INSERT INTO outbox_event (kind, payload)
         SELECT CASE NEW.state WHEN 'succeeded' THEN 'order.refund_paid' ELSE 'order.refunded' END,
           json_build_object('orderId', o.public_id, 'refundId', NEW.reference,
             'reason', NEW.reason, 'amountCents', NEW.amount_cents,
             'currency', CASE p.state WHEN 'wrong_amount' THEN p.reported_currency
                         ELSE p.currency END,
             'lines', (SELECT json_agg(json_build_object('productId', l.product_id,
                         'productSlug', product.slug, 'productName', l.product_name,
                         'quantity', l.quantity, 'refunded', l.refunded_quantity,
                         'returned', l.returned_quantity) ORDER BY l.id)
                       FROM order_line l JOIN product ON product.id = l.product_id
                       WHERE l.order_id = o.id))::text
         FROM customer_order o JOIN payment p ON p.id = NEW.payment_id
         WHERE o.id = NEW.order_id AND o.lane_id IS NULL;
       END IF;
       RETURN NULL;
     END $$",
    "CREATE TRIGGER refund_outbox_added AFTER INSERT ON refund
       FOR EACH ROW EXECUTE FUNCTION outbox_refund_changed()",
    "CREATE TRIGGER refund_outbox_changed AFTER UPDATE ON refund
       FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION outbox_refund_changed()",
];

const DOWN: &[&str] = &[
    "DROP TRIGGER order_line_outbox_returned ON order_line",
    "DROP TRIGGER refund_outbox_changed ON refund",
    "DROP TRIGGER refund_outbox_added ON refund",
    "DROP FUNCTION outbox_line_returned()",
    "DROP FUNCTION outbox_refund_changed()",
];
