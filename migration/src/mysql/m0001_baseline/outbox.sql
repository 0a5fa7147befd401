-- The outbox: events about orders and stock, written by triggers in the transaction of the change,
-- while there is a subscription.

CREATE TABLE event_subscription (
  id INT NOT NULL PRIMARY KEY,
  destination VARCHAR(500) NOT NULL,
  changed_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  CONSTRAINT event_subscription_single CHECK (id = 1)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE outbox_event (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(40) NOT NULL,
  payload LONGTEXT NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  attempts INT NOT NULL DEFAULT 0,
  next_attempt_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  delivered_at DATETIME(6),
  last_error VARCHAR(200),
  KEY outbox_event_due (delivered_at, next_attempt_at),
  KEY outbox_event_created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- The id of an order is its bytes in hexadecimal, with dashes.
CREATE TRIGGER customer_order_outbox_added AFTER INSERT ON customer_order FOR EACH ROW
IF NEW.lane_id IS NULL AND EXISTS (SELECT 1 FROM event_subscription) THEN
  INSERT INTO outbox_event (kind, payload)
  VALUES (CONCAT('order.', NEW.status), JSON_OBJECT(
    'orderId', LOWER(INSERT(INSERT(INSERT(INSERT(
      HEX(NEW.public_id), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')),
    'status', NEW.status, 'totalCents', NEW.total_cents, 'dueCents', NEW.due_cents,
    'currency', NEW.currency));
END IF
//
CREATE TRIGGER customer_order_outbox_changed AFTER UPDATE ON customer_order FOR EACH ROW
IF NEW.lane_id IS NULL AND NEW.status <> OLD.status
   AND EXISTS (SELECT 1 FROM event_subscription) THEN
  INSERT INTO outbox_event (kind, payload)
  VALUES (CONCAT('order.', NEW.status), JSON_OBJECT(
    'orderId', LOWER(INSERT(INSERT(INSERT(INSERT(
      HEX(NEW.public_id), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')),
    'status', NEW.status, 'totalCents', NEW.total_cents, 'dueCents', NEW.due_cents,
    'currency', NEW.currency));
END IF
//
CREATE TRIGGER stock_outbox_changed AFTER UPDATE ON stock FOR EACH ROW
IF NEW.available <> OLD.available AND EXISTS (SELECT 1 FROM event_subscription)
   AND EXISTS (SELECT 1 FROM product p WHERE p.id = NEW.product_id AND p.lane_id IS NULL) THEN
  INSERT INTO outbox_event (kind, payload)
  VALUES ('stock.level', JSON_OBJECT(
    'productId', NEW.product_id, 'available', NEW.available, 'reserved', NEW.reserved,
    'sold', NEW.sold, 'version', NEW.version));
END IF
//
