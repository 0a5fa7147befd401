-- The ledger: every change of stock, append-only. It has no foreign keys: see
-- docs/decisions/0003-ledger-without-foreign-keys.md.

CREATE TABLE stock_movement (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  product_id BIGINT NOT NULL,
  kind VARCHAR(10) NOT NULL,
  quantity BIGINT NOT NULL,
  order_id BIGINT,
  hold_id BIGINT,
  at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  reason VARCHAR(200),
  KEY stock_movement_product_id_id (product_id, id),
  KEY stock_movement_order_id (order_id),
  CONSTRAINT stock_movement_kind_known
    CHECK (kind IN ('receive', 'hold', 'release', 'sell', 'return', 'adjust')),
  CONSTRAINT stock_movement_quantity_signed
    CHECK (quantity > 0 OR (kind = 'adjust' AND quantity <> 0))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}
//
CREATE TRIGGER stock_movement_append_only BEFORE UPDATE ON stock_movement FOR EACH ROW
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stock_movement is append-only'
//
-- The only exception is a lane of the workbench, which is deleted together with its ledger.
CREATE TRIGGER stock_movement_append_only_delete BEFORE DELETE ON stock_movement FOR EACH ROW
IF NOT EXISTS (SELECT 1 FROM product WHERE id = OLD.product_id AND lane_id IS NOT NULL) THEN
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stock_movement is append-only';
END IF
//
