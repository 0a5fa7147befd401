-- PostgreSQL: a sale
WITH offer AS (
  SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, p.price_cents * $2 AS cents
  FROM product p JOIN stock s ON s.product_id = p.id
  WHERE p.id = $1 AND s.layout = 'row' AND NOT s.unguarded AND s.available >= $2
    AND (p.lane_id IS NULL OR p.lane_id = $4)
    AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
    AND (p.per_customer_limit IS NULL OR ($4 IS NOT NULL AND p.per_customer_limit >= $2))
    AND NOT EXISTS (SELECT 1 FROM idempotency_key k WHERE k.key = $5)),
taken AS (
  UPDATE stock s SET available = s.available - $2, sold = s.sold + $2, version = s.version + 1
  FROM offer WHERE s.product_id = offer.id AND s.available >= $2
  RETURNING s.available, s.version),
placed AS (
  INSERT INTO customer_order (public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT $3, 'placed', 'on_account', offer.currency, offer.cents, offer.cents, offer.cents, $7,
         floor((2 * offer.cents::numeric * $7 + 10000 + $7) / (2 * (10000 + $7))),
         coalesce($4, offer.lane_id)
  FROM offer, taken RETURNING id),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT placed.id, offer.id, offer.name, offer.price_cents, $2 FROM offer, placed),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT $1, 'sell', $2, placed.id FROM placed),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT $5, $6, format('{"order_id":"%s","remaining_stock":%s}', $3, taken.available)
  FROM taken WHERE $5 IS NOT NULL)
SELECT taken.available AS remaining, taken.version AS new_version FROM taken

-- PostgreSQL: a refusal
WITH offer AS (
  SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, p.price_cents * $2 AS cents
  FROM product p JOIN stock s ON s.product_id = p.id
  WHERE p.id = $1 AND s.layout = 'row' AND NOT s.unguarded AND s.available >= $2
    AND (p.lane_id IS NULL OR p.lane_id = $4)
    AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
    AND (p.per_customer_limit IS NULL OR ($4 IS NOT NULL AND p.per_customer_limit >= $2))
    AND NOT EXISTS (SELECT 1 FROM idempotency_key k WHERE k.key = $5)),
taken AS (
  UPDATE stock s SET available = s.available - $2, sold = s.sold + $2, version = s.version + 1
  FROM offer WHERE s.product_id = offer.id AND s.available >= $2
  RETURNING s.available, s.version),
placed AS (
  INSERT INTO customer_order (public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT $3, 'placed', 'on_account', offer.currency, offer.cents, offer.cents, offer.cents, $7,
         floor((2 * offer.cents::numeric * $7 + 10000 + $7) / (2 * (10000 + $7))),
         coalesce($4, offer.lane_id)
  FROM offer, taken RETURNING id),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT placed.id, offer.id, offer.name, offer.price_cents, $2 FROM offer, placed),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT $1, 'sell', $2, placed.id FROM placed),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT $5, $6, format('{"order_id":"%s","remaining_stock":%s}', $3, taken.available)
  FROM taken WHERE $5 IS NOT NULL)
SELECT taken.available AS remaining, taken.version AS new_version FROM taken
BEGIN
INSERT INTO "idempotency_key" ("key", "fingerprint") VALUES ($1, $2) ON CONFLICT ("key") DO NOTHING
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at" FROM "product" WHERE "product"."id" = $1 LIMIT $2
SELECT "stock"."product_id", "stock"."total", "stock"."available", "stock"."reserved", "stock"."sold", "stock"."version", "stock"."unguarded", "stock"."layout", "stock"."fence" FROM "stock" WHERE "stock"."product_id" = $1 LIMIT $2 FOR UPDATE
ROLLBACK

-- MySQL and MariaDB: a sale
CALL purchase_single_statement(?, ?, ?, ?, ?, ?, ?)

-- MySQL and MariaDB: a refusal
CALL purchase_single_statement(?, ?, ?, ?, ?, ?, ?)
BEGIN
INSERT INTO `idempotency_key` (`key`, `fingerprint`) VALUES (?, ?)
SELECT `product`.`id`, `product`.`slug`, `product`.`name`, `product`.`description`, `product`.`category`, `product`.`artwork`, `product`.`price_cents`, `product`.`currency`, `product`.`per_customer_limit`, `product`.`sale_starts_at`, `product`.`sale_ends_at`, `product`.`lane_id`, `product`.`compare_at_cents`, UTC_TIMESTAMP(6) AS `read_at` FROM `product` WHERE `product`.`id` = ? LIMIT ?
SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved`, `stock`.`sold`, `stock`.`version`, `stock`.`unguarded`, `stock`.`layout`, `stock`.`fence` FROM `stock` WHERE `stock`.`product_id` = ? LIMIT ? FOR UPDATE
ROLLBACK
