-- PostgreSQL: a sale
WITH asked AS (
  SELECT a.*, sum(units) OVER (PARTITION BY product_id ORDER BY place) AS units_so_far
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::integer[], $6::bigint[]) WITH ORDINALITY
    AS a (key, fingerprint, public_id, product_id, units, lane_id, place)),
locked AS (
  SELECT product_id, available FROM stock
  WHERE product_id = ANY($7) AND layout = 'row' AND NOT unguarded ORDER BY product_id FOR UPDATE),
offer AS (
  SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, sum(a.units) AS units, count(*) AS orders
  FROM asked a JOIN locked l USING (product_id) JOIN product p ON p.id = l.product_id
    JOIN stock seen ON seen.product_id = p.id
  WHERE (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
  GROUP BY p.id, l.available, seen.available
  HAVING sum(a.units) <= least(l.available, seen.available)
    AND bool_and(p.lane_id IS NULL OR p.lane_id = a.lane_id)
    AND bool_and(p.per_customer_limit IS NULL OR (a.lane_id <> 0 AND p.per_customer_limit >= a.units))),
taken AS (
  UPDATE stock s SET available = s.available - offer.units, sold = s.sold + offer.units, version = s.version + 1
  FROM offer WHERE s.product_id = offer.id AND (SELECT count(*) FROM offer) = cardinality($7)
  RETURNING s.product_id, s.available, s.version, offer.orders, s.available + offer.units AS available_before),
sold AS MATERIALIZED (
  SELECT nextval('customer_order_id_seq') AS order_id, a.*, offer.name, offer.price_cents, offer.currency,
         offer.price_cents * a.units AS cents, coalesce(nullif(a.lane_id, 0), offer.lane_id) AS owner_lane_id,
         taken.available_before - a.units_so_far AS remaining
  FROM asked a JOIN offer ON offer.id = a.product_id JOIN taken USING (product_id)),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT key, fingerprint, format('{"order_id":"%s","remaining_stock":%s}', public_id, remaining) FROM sold WHERE key <> ''),
placed AS (
  INSERT INTO customer_order (id, public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT order_id, public_id, 'placed', 'on_account', currency, cents, cents, cents, $8,
         floor((2 * cents::numeric * $8 + 10000 + $8) / (2 * (10000 + $8))), owner_lane_id FROM sold),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT order_id, product_id, name, price_cents, units FROM sold),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT product_id, 'sell', units, order_id FROM sold)
SELECT product_id, available, version, orders FROM taken

-- PostgreSQL: a refusal
WITH asked AS (
  SELECT a.*, sum(units) OVER (PARTITION BY product_id ORDER BY place) AS units_so_far
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::integer[], $6::bigint[]) WITH ORDINALITY
    AS a (key, fingerprint, public_id, product_id, units, lane_id, place)),
locked AS (
  SELECT product_id, available FROM stock
  WHERE product_id = ANY($7) AND layout = 'row' AND NOT unguarded ORDER BY product_id FOR UPDATE),
offer AS (
  SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, sum(a.units) AS units, count(*) AS orders
  FROM asked a JOIN locked l USING (product_id) JOIN product p ON p.id = l.product_id
    JOIN stock seen ON seen.product_id = p.id
  WHERE (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
  GROUP BY p.id, l.available, seen.available
  HAVING sum(a.units) <= least(l.available, seen.available)
    AND bool_and(p.lane_id IS NULL OR p.lane_id = a.lane_id)
    AND bool_and(p.per_customer_limit IS NULL OR (a.lane_id <> 0 AND p.per_customer_limit >= a.units))),
taken AS (
  UPDATE stock s SET available = s.available - offer.units, sold = s.sold + offer.units, version = s.version + 1
  FROM offer WHERE s.product_id = offer.id AND (SELECT count(*) FROM offer) = cardinality($7)
  RETURNING s.product_id, s.available, s.version, offer.orders, s.available + offer.units AS available_before),
sold AS MATERIALIZED (
  SELECT nextval('customer_order_id_seq') AS order_id, a.*, offer.name, offer.price_cents, offer.currency,
         offer.price_cents * a.units AS cents, coalesce(nullif(a.lane_id, 0), offer.lane_id) AS owner_lane_id,
         taken.available_before - a.units_so_far AS remaining
  FROM asked a JOIN offer ON offer.id = a.product_id JOIN taken USING (product_id)),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT key, fingerprint, format('{"order_id":"%s","remaining_stock":%s}', public_id, remaining) FROM sold WHERE key <> ''),
placed AS (
  INSERT INTO customer_order (id, public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT order_id, public_id, 'placed', 'on_account', currency, cents, cents, cents, $8,
         floor((2 * cents::numeric * $8 + 10000 + $8) / (2 * (10000 + $8))), owner_lane_id FROM sold),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT order_id, product_id, name, price_cents, units FROM sold),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT product_id, 'sell', units, order_id FROM sold)
SELECT product_id, available, version, orders FROM taken
BEGIN
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at", "stock"."available" AS "available", "stock"."reserved" AS "reserved", "stock"."sold" AS "sold", "stock"."total" AS "total", "stock"."version", "stock"."layout" FROM "product" INNER JOIN "stock" ON "product"."id" = "stock"."product_id" WHERE "product"."id" = ANY($1) ORDER BY "stock"."product_id" ASC FOR UPDATE OF "stock"
SELECT "idempotency_key"."key", "idempotency_key"."fingerprint", "idempotency_key"."response", "idempotency_key"."created_at" FROM "idempotency_key" WHERE "idempotency_key"."key" = ANY($1)
COMMIT

-- MySQL and MariaDB: a sale
BEGIN
SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved`, `stock`.`sold`, `stock`.`version`, `stock`.`unguarded`, `stock`.`layout`, `stock`.`fence` FROM `stock` WHERE `stock`.`product_id` IN (?) ORDER BY `stock`.`product_id` ASC FOR UPDATE
SELECT `product`.`id`, `product`.`slug`, `product`.`name`, `product`.`description`, `product`.`category`, `product`.`artwork`, `product`.`price_cents`, `product`.`currency`, `product`.`per_customer_limit`, `product`.`sale_starts_at`, `product`.`sale_ends_at`, `product`.`lane_id`, `product`.`compare_at_cents`, UTC_TIMESTAMP(6) AS `read_at`, `stock`.`available` AS `available`, `stock`.`reserved` AS `reserved`, `stock`.`sold` AS `sold`, `stock`.`total` AS `total`, `stock`.`version`, `stock`.`layout` FROM `product` INNER JOIN `stock` ON `product`.`id` = `stock`.`product_id` WHERE `product`.`id` IN (?) ORDER BY `stock`.`product_id` ASC
INSERT INTO `idempotency_key` (`key`, `fingerprint`, `response`) VALUES (?, ?, ?)
INSERT INTO `customer_order` (`public_id`, `status`, `settlement`, `currency`, `subtotal_cents`, `tax_basis_points`, `tax_cents`, `total_cents`, `due_cents`, `lane_id`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
SELECT `customer_order`.`public_id`, `customer_order`.`id` FROM `customer_order` WHERE `customer_order`.`public_id` IN (?)
INSERT INTO `order_line` (`order_id`, `product_id`, `product_name`, `unit_price_cents`, `quantity`) VALUES (?, ?, ?, ?, ?)
INSERT INTO `stock_movement` (`product_id`, `kind`, `quantity`, `order_id`, `hold_id`, `reason`) VALUES (?, ?, ?, ?, ?, ?)
UPDATE `stock` SET `version` = `version` + ?, `available` = `available` + ?, `sold` = `sold` + ? WHERE `stock`.`product_id` = ? AND `stock`.`available` >= ?
SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved`, `stock`.`sold`, `stock`.`version`, `stock`.`unguarded`, `stock`.`layout`, `stock`.`fence` FROM `stock` WHERE `stock`.`product_id` = ?
COMMIT

-- MySQL and MariaDB: a refusal
BEGIN
SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved`, `stock`.`sold`, `stock`.`version`, `stock`.`unguarded`, `stock`.`layout`, `stock`.`fence` FROM `stock` WHERE `stock`.`product_id` IN (?) ORDER BY `stock`.`product_id` ASC FOR UPDATE
SELECT `product`.`id`, `product`.`slug`, `product`.`name`, `product`.`description`, `product`.`category`, `product`.`artwork`, `product`.`price_cents`, `product`.`currency`, `product`.`per_customer_limit`, `product`.`sale_starts_at`, `product`.`sale_ends_at`, `product`.`lane_id`, `product`.`compare_at_cents`, UTC_TIMESTAMP(6) AS `read_at`, `stock`.`available` AS `available`, `stock`.`reserved` AS `reserved`, `stock`.`sold` AS `sold`, `stock`.`total` AS `total`, `stock`.`version`, `stock`.`layout` FROM `product` INNER JOIN `stock` ON `product`.`id` = `stock`.`product_id` WHERE `product`.`id` IN (?) ORDER BY `stock`.`product_id` ASC
SELECT `idempotency_key`.`key`, `idempotency_key`.`fingerprint`, `idempotency_key`.`response`, `idempotency_key`.`created_at` FROM `idempotency_key` WHERE `idempotency_key`.`key` IN (?)
COMMIT
