-- The tables of the audit, and the triggers that list what the continuous audit checks next.

CREATE TABLE audit_result (
  name VARCHAR(20) NOT NULL PRIMARY KEY,
  report LONGTEXT NOT NULL,
  at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE audit_ledger (
  product_id BIGINT NOT NULL PRIMARY KEY,
  total BIGINT NOT NULL,
  reserved BIGINT NOT NULL,
  sold BIGINT NOT NULL,
  CONSTRAINT audit_ledger_product_id
    FOREIGN KEY (product_id) REFERENCES product (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TABLE audit_change (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(8) NOT NULL,
  row_id BIGINT,
  name VARCHAR(254),
  CONSTRAINT audit_change_kind_known
    CHECK (kind IN ('order', 'hold', 'movement', 'ledger', 'limit', 'code', 'key', 'email')),
  CONSTRAINT audit_change_one_subject CHECK ((row_id IS NULL) <> (name IS NULL))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
-- InnoDB deletes the rows that a foreign key cascades to without their triggers. The triggers of an
-- order and of a product therefore list them, before they are gone.
CREATE TRIGGER customer_order_audit_deleted BEFORE DELETE ON customer_order FOR EACH ROW
BEGIN
  INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.id);
  INSERT INTO audit_change (kind, row_id) SELECT 'hold', id FROM hold WHERE order_id = OLD.id;
  INSERT INTO audit_change (kind, name)
  SELECT 'code', code FROM discount_use WHERE order_id = OLD.id;
END
//
CREATE TRIGGER customer_order_audit_updated AFTER UPDATE ON customer_order FOR EACH ROW
IF NOT (OLD.id <=> NEW.id AND OLD.status <=> NEW.status AND OLD.settlement <=> NEW.settlement
        AND OLD.email_folded <=> NEW.email_folded AND OLD.subtotal_cents <=> NEW.subtotal_cents
        AND OLD.discount_code <=> NEW.discount_code AND OLD.discount_cents <=> NEW.discount_cents
        AND OLD.shipping_cents <=> NEW.shipping_cents
        AND OLD.tax_basis_points <=> NEW.tax_basis_points AND OLD.tax_cents <=> NEW.tax_cents
        AND OLD.total_cents <=> NEW.total_cents AND OLD.due_cents <=> NEW.due_cents) THEN
  INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.id);
END IF
//
CREATE TRIGGER product_audit_deleted BEFORE DELETE ON product FOR EACH ROW
BEGIN
  INSERT INTO audit_change (kind, row_id) SELECT 'hold', id FROM hold WHERE product_id = OLD.id;
  INSERT INTO audit_change (kind, row_id)
  SELECT 'order', order_id FROM hold WHERE product_id = OLD.id AND order_id IS NOT NULL;
END
//
-- A row that names its order lists both orders, if it is moved to another one.
CREATE TRIGGER order_line_audit_updated AFTER UPDATE ON order_line FOR EACH ROW
INSERT INTO audit_change (kind, row_id)
SELECT 'order', OLD.order_id UNION SELECT 'order', NEW.order_id
//
CREATE TRIGGER order_line_audit_deleted AFTER DELETE ON order_line FOR EACH ROW
INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id)
//
CREATE TRIGGER payment_audit_updated AFTER UPDATE ON payment FOR EACH ROW
IF NOT (OLD.order_id <=> NEW.order_id AND OLD.state <=> NEW.state
        AND OLD.amount_cents <=> NEW.amount_cents AND OLD.captured_cents <=> NEW.captured_cents
        AND OLD.reported_cents <=> NEW.reported_cents) THEN
  INSERT INTO audit_change (kind, row_id)
  SELECT 'order', OLD.order_id UNION SELECT 'order', NEW.order_id;
END IF
//
-- Its refunds are of the same order.
CREATE TRIGGER payment_audit_deleted AFTER DELETE ON payment FOR EACH ROW
INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id)
//
CREATE TRIGGER refund_audit_updated AFTER UPDATE ON refund FOR EACH ROW
IF NOT (OLD.order_id <=> NEW.order_id AND OLD.amount_cents <=> NEW.amount_cents) THEN
  INSERT INTO audit_change (kind, row_id)
  SELECT 'order', OLD.order_id UNION SELECT 'order', NEW.order_id;
END IF
//
CREATE TRIGGER refund_audit_deleted AFTER DELETE ON refund FOR EACH ROW
INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id)
//
-- The hold leads to its orders and to the movements that name it.
CREATE TRIGGER hold_audit_updated AFTER UPDATE ON hold FOR EACH ROW
IF NOT (OLD.order_id <=> NEW.order_id AND OLD.product_id <=> NEW.product_id
        AND OLD.quantity <=> NEW.quantity AND OLD.state <=> NEW.state) THEN
  INSERT INTO audit_change (kind, row_id) VALUES ('hold', OLD.id);
  IF OLD.order_id IS NOT NULL THEN
    INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id);
  END IF;
END IF
//
CREATE TRIGGER hold_audit_deleted AFTER DELETE ON hold FOR EACH ROW
BEGIN
  INSERT INTO audit_change (kind, row_id) VALUES ('hold', OLD.id);
  IF OLD.order_id IS NOT NULL THEN
    INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id);
  END IF;
END
//
CREATE TRIGGER stock_movement_audit_updated AFTER UPDATE ON stock_movement FOR EACH ROW
BEGIN
  INSERT INTO audit_change (kind, row_id) VALUES
    ('ledger', OLD.product_id), ('ledger', NEW.product_id), ('movement', NEW.id);
  INSERT INTO audit_change (kind, row_id)
  SELECT 'order', moved.id FROM (SELECT OLD.order_id AS id UNION SELECT NEW.order_id) moved
  WHERE moved.id IS NOT NULL;
  INSERT INTO audit_change (kind, row_id)
  SELECT 'hold', moved.id FROM (SELECT OLD.hold_id AS id UNION SELECT NEW.hold_id) moved
  WHERE moved.id IS NOT NULL;
END
//
-- The ledger is append-only, but for the lanes of deleted runs: then the product is counted again.
-- A lane has many movements, and one row for each statement and product is enough. A trigger cannot
-- run once for each statement, but in a trigger NOW is the time at which its statement began. A
-- session begins one statement at a time, so the pair of time and product names both.
CREATE TRIGGER stock_movement_audit_deleted AFTER DELETE ON stock_movement FOR EACH ROW
BEGIN
  SET @doorbuster_recount = CONCAT(UTC_TIMESTAMP(6), '/', OLD.product_id);
  IF NOT (@doorbuster_recount <=> @doorbuster_recounted) THEN
    INSERT INTO audit_change (kind, row_id) VALUES ('ledger', OLD.product_id);
    SET @doorbuster_recounted = @doorbuster_recount;
  END IF;
  IF OLD.order_id IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM product WHERE id = OLD.product_id AND lane_id IS NOT NULL) THEN
    INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id);
  END IF;
END
//
CREATE TRIGGER discount_use_audit_inserted AFTER INSERT ON discount_use FOR EACH ROW
BEGIN
  INSERT INTO audit_change (kind, row_id) VALUES ('order', NEW.order_id);
  INSERT INTO audit_change (kind, name) VALUES ('code', NEW.code);
END
//
CREATE TRIGGER discount_use_audit_updated AFTER UPDATE ON discount_use FOR EACH ROW
BEGIN
  INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id), ('order', NEW.order_id);
  INSERT INTO audit_change (kind, name) VALUES ('code', OLD.code), ('code', NEW.code);
END
//
CREATE TRIGGER discount_use_audit_deleted AFTER DELETE ON discount_use FOR EACH ROW
BEGIN
  INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id);
  INSERT INTO audit_change (kind, name) VALUES ('code', OLD.code);
END
//
CREATE TRIGGER discount_code_audit_inserted AFTER INSERT ON discount_code FOR EACH ROW
INSERT INTO audit_change (kind, name) VALUES ('code', NEW.code)
//
CREATE TRIGGER discount_code_audit_updated AFTER UPDATE ON discount_code FOR EACH ROW
IF NOT (OLD.code <=> NEW.code AND OLD.uses <=> NEW.uses AND OLD.uses_max <=> NEW.uses_max
        AND OLD.per_customer_limit <=> NEW.per_customer_limit) THEN
  INSERT INTO audit_change (kind, name) VALUES ('code', NEW.code);
END IF
//
-- A response that is removed. Keys without a response that were just inserted are found by their
-- time.
CREATE TRIGGER idempotency_key_audit_removed AFTER UPDATE ON idempotency_key FOR EACH ROW
IF NEW.response IS NULL THEN
  INSERT INTO audit_change (kind, name) VALUES ('key', NEW.`key`);
END IF
//
CREATE TABLE audit_watermark (
  table_name VARCHAR(20) NOT NULL PRIMARY KEY,
  verified_id BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
INSERT INTO audit_watermark (table_name, verified_id) VALUES
  ('customer_order', 0), ('order_line', 0), ('stock_movement', 0), ('hold', 0), ('payment', 0),
  ('refund', 0)
//
