//! Events about refunds and returned units, in the outbox: as PostgreSQL's
//! `m0038_events_of_refunds`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Each statement commits by itself: the next attempt after an interrupted one drops what that
    /// one has created.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.down(manager).await?;
        for event in ["AFTER INSERT", "AFTER UPDATE"] {
            let refund = refund_trigger(event);
            run(manager, &refund).await?;
        }
        run(manager, LINE_RETURNED).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [
            "order_line_outbox_returned",
            "refund_outbox_changed",
            "refund_outbox_added",
        ] {
            run(manager, &format!("DROP TRIGGER IF EXISTS {name}")).await?;
        }
        Ok(())
    }
}

async fn run(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(statement)
        .await
        .map(drop)
}

/// The same body for both events. A new refund is pending, and has no row before.
fn refund_trigger(event: &str) -> String {
    let (name, is_changed) = match event {
        "AFTER INSERT" => ("refund_outbox_added", "TRUE"),
        _ => ("refund_outbox_changed", "NEW.state <> OLD.state"),
    };
    format!(
        "CREATE TRIGGER {name} {event} ON refund FOR EACH ROW
         IF {is_changed} AND EXISTS (SELECT 1 FROM event_subscription) THEN
         {REFUND_EVENT}
         END IF"
    )
}

/// The order of the lines means nothing: `JSON_ARRAYAGG` has no order on MySQL, and a long
/// `GROUP_CONCAT` is cut off there. A list that a query selects would be a text of MariaDB without
/// `JSON_EXTRACT`. The id of an order or of a refund is its bytes in hexadecimal, with dashes.
const REFUND_EVENT: &str = "INSERT INTO outbox_event (kind, payload)
  SELECT CASE NEW.state WHEN 'succeeded' THEN 'order.refund_paid' ELSE 'order.refunded' END,
    JSON_OBJECT(
      'orderId', LOWER(INSERT(INSERT(INSERT(INSERT(
        HEX(o.public_id), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')),
      'refundId', LOWER(INSERT(INSERT(INSERT(INSERT(
        HEX(NEW.reference), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')),
      'reason', NEW.reason, 'amountCents', NEW.amount_cents,
      'currency', CASE p.state WHEN 'wrong_amount' THEN p.reported_currency ELSE p.currency END,
      'lines', JSON_EXTRACT((
        SELECT JSON_ARRAYAGG(JSON_OBJECT(
          'productId', l.product_id, 'productSlug', product.slug,
          'productName', l.product_name, 'quantity', l.quantity,
          'refunded', l.refunded_quantity, 'returned', l.returned_quantity))
        FROM order_line l JOIN product ON product.id = l.product_id
        WHERE l.order_id = o.id), '$'))
  FROM customer_order o JOIN payment p ON p.id = NEW.payment_id
  WHERE o.id = NEW.order_id AND o.lane_id IS NULL;";

const LINE_RETURNED: &str = "CREATE TRIGGER order_line_outbox_returned AFTER UPDATE ON order_line
  FOR EACH ROW
  IF NEW.returned_quantity > OLD.returned_quantity AND EXISTS (SELECT 1 FROM event_subscription) THEN
    INSERT INTO outbox_event (kind, payload)
    SELECT 'line.returned', JSON_OBJECT(
      'orderId', LOWER(INSERT(INSERT(INSERT(INSERT(
        HEX(o.public_id), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')),
      'productId', NEW.product_id, 'productSlug', product.slug,
      'productName', NEW.product_name, 'units', NEW.returned_quantity - OLD.returned_quantity,
      'quantity', NEW.quantity, 'returned', NEW.returned_quantity)
    FROM customer_order o JOIN product ON product.id = NEW.product_id
    WHERE o.id = NEW.order_id AND o.lane_id IS NULL;
  END IF";
