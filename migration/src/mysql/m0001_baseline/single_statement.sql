-- The strategy `single-statement`: a whole purchase in one round trip.
--
-- It is a transaction of its own, so it must not be called inside another one. It returns one row:
-- the level after the sale, or NULLs if it sold nothing, for whatever reason. It claims the key
-- first, in the order of every purchase; a key that exists is an error, as is a deadlock. The tax
-- is rounded as in `model::bill`.
CREATE PROCEDURE purchase_single_statement(
  p_product_id BIGINT, p_units INT, p_public_id BINARY(16), p_lane_id BIGINT,
  p_key VARCHAR(120) CHARACTER SET utf8mb4 COLLATE {collation},
  p_fingerprint CHAR(64) CHARACTER SET utf8mb4 COLLATE {collation},
  p_tax_basis_points INT)
  MODIFIES SQL DATA
BEGIN
  DECLARE offer_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE {collation};
  DECLARE offer_currency CHAR(3) CHARACTER SET utf8mb4 COLLATE {collation};
  DECLARE offer_price, offer_lane_id, order_cents, order_row, level_available, level_version BIGINT;
  DECLARE order_hex CHAR(32) CHARACTER SET ascii;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    ROLLBACK;
    RESIGNAL;
  END;

  SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
  START TRANSACTION;
  SELECT p.name, p.currency, p.price_cents, p.lane_id
  INTO offer_name, offer_currency, offer_price, offer_lane_id
  FROM product p
  WHERE p.id = p_product_id
    AND (p.lane_id IS NULL OR p.lane_id = p_lane_id)
    AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= UTC_TIMESTAMP(6))
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > UTC_TIMESTAMP(6))
    AND (p.per_customer_limit IS NULL
         OR (p_lane_id IS NOT NULL AND p.per_customer_limit >= p_units));

  IF offer_price IS NOT NULL THEN
    IF p_key IS NOT NULL THEN
      INSERT INTO idempotency_key (`key`, fingerprint) VALUES (p_key, p_fingerprint);
    END IF;
    UPDATE stock
    SET available = available - p_units, sold = sold + p_units, version = version + 1
    WHERE product_id = p_product_id AND layout = 'row' AND unguarded = FALSE
      AND available >= p_units;
    IF ROW_COUNT() = 1 THEN
      SELECT available, version INTO level_available, level_version
      FROM stock WHERE product_id = p_product_id;
    END IF;
  END IF;

  IF level_version IS NULL THEN
    ROLLBACK;
  ELSE
    SET order_cents = offer_price * p_units;
    INSERT INTO customer_order (public_id, status, settlement, currency, subtotal_cents,
                                total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
    VALUES (p_public_id, 'placed', 'on_account', offer_currency, order_cents,
            order_cents, order_cents, p_tax_basis_points,
            (2 * CAST(order_cents AS DECIMAL(38, 0)) * p_tax_basis_points
             + 10000 + p_tax_basis_points) DIV (2 * (10000 + p_tax_basis_points)),
            COALESCE(p_lane_id, offer_lane_id));
    SET order_row = LAST_INSERT_ID();
    INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
    VALUES (order_row, p_product_id, offer_name, offer_price, p_units);
    INSERT INTO stock_movement (product_id, kind, quantity, order_id)
    VALUES (p_product_id, 'sell', p_units, order_row);
    IF p_key IS NOT NULL THEN
      SET order_hex = LOWER(HEX(p_public_id));
      UPDATE idempotency_key
      SET response = CONCAT(
        '{"order_id":"', SUBSTRING(order_hex, 1, 8), '-', SUBSTRING(order_hex, 9, 4), '-',
        SUBSTRING(order_hex, 13, 4), '-', SUBSTRING(order_hex, 17, 4), '-',
        SUBSTRING(order_hex, 21), '","remaining_stock":', level_available, '}')
      WHERE `key` = p_key;
    END IF;
    COMMIT;
  END IF;
  SELECT level_available AS remaining, level_version AS new_version;
END
//
