-- PostgreSQL: a sale
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at" FROM "product" WHERE "product"."id" = $1 LIMIT $2
BEGIN
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at", "stock"."available" AS "available", "stock"."reserved" AS "reserved", "stock"."sold" AS "sold", "stock"."total" AS "total", "stock"."version", "stock"."layout" FROM "product" INNER JOIN "stock" ON "product"."id" = "stock"."product_id" WHERE "product"."id" = ANY($1) ORDER BY "stock"."product_id" ASC FOR UPDATE OF "stock"
SELECT "queue_outcome"."order_id", "queue_outcome"."outcome", "queue_outcome"."decided_at" FROM "queue_outcome" WHERE "queue_outcome"."order_id" = ANY($1)
WITH asked AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::text[], $7::bigint[], $8::integer[],
                       $9::bigint[], $10::text[], $11::bigint[], $12::bigint[])
    AS a (key, fingerprint, response, public_id, product_id, product_name, price_cents, units, lane_id, currency, cents, tax_cents)),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT key, fingerprint, response FROM asked WHERE key <> ''
  ON CONFLICT DO NOTHING RETURNING key),
admitted AS MATERIALIZED (
  SELECT nextval('customer_order_id_seq') AS order_id, asked.*
  FROM asked LEFT JOIN claimed USING (key) WHERE asked.key = '' OR claimed.key IS NOT NULL),
placed AS (
  INSERT INTO customer_order (id, public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT order_id, public_id, 'placed', 'on_account', currency, cents, cents, cents, $13, tax_cents, nullif(lane_id, 0) FROM admitted),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT order_id, product_id, product_name, price_cents, units FROM admitted),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT product_id, 'sell', units, order_id FROM admitted),
wanted AS (
  SELECT product_id, sum(units)::bigint AS units, count(*) AS orders FROM admitted GROUP BY product_id),
taken AS (
  UPDATE stock s SET available = s.available - wanted.units, sold = s.sold + wanted.units, version = s.version + 1
  FROM wanted WHERE s.product_id = wanted.product_id AND s.available >= wanted.units
  RETURNING s.product_id, s.available, s.version, wanted.orders)
SELECT product_id, available, version, orders FROM taken
COMMIT

-- PostgreSQL: a refusal
BEGIN
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at", "stock"."available" AS "available", "stock"."reserved" AS "reserved", "stock"."sold" AS "sold", "stock"."total" AS "total", "stock"."version", "stock"."layout" FROM "product" INNER JOIN "stock" ON "product"."id" = "stock"."product_id" WHERE "product"."id" = ANY($1) ORDER BY "stock"."product_id" ASC FOR UPDATE OF "stock"
SELECT "queue_outcome"."order_id", "queue_outcome"."outcome", "queue_outcome"."decided_at" FROM "queue_outcome" WHERE "queue_outcome"."order_id" = ANY($1)
SELECT "idempotency_key"."key", "idempotency_key"."fingerprint", "idempotency_key"."response", "idempotency_key"."created_at" FROM "idempotency_key" WHERE "idempotency_key"."key" = ANY($1)
INSERT INTO "queue_outcome" ("order_id", "outcome") VALUES ($1, $2)
COMMIT

-- MySQL and MariaDB: a sale
SELECT `product`.`id`, `product`.`slug`, `product`.`name`, `product`.`description`, `product`.`category`, `product`.`artwork`, `product`.`price_cents`, `product`.`currency`, `product`.`per_customer_limit`, `product`.`sale_starts_at`, `product`.`sale_ends_at`, `product`.`lane_id`, `product`.`compare_at_cents`, UTC_TIMESTAMP(6) AS `read_at` FROM `product` WHERE `product`.`id` = ? LIMIT ?
BEGIN
SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved`, `stock`.`sold`, `stock`.`version`, `stock`.`unguarded`, `stock`.`layout`, `stock`.`fence` FROM `stock` WHERE `stock`.`product_id` IN (?) ORDER BY `stock`.`product_id` ASC FOR UPDATE
SELECT `product`.`id`, `product`.`slug`, `product`.`name`, `product`.`description`, `product`.`category`, `product`.`artwork`, `product`.`price_cents`, `product`.`currency`, `product`.`per_customer_limit`, `product`.`sale_starts_at`, `product`.`sale_ends_at`, `product`.`lane_id`, `product`.`compare_at_cents`, UTC_TIMESTAMP(6) AS `read_at`, `stock`.`available` AS `available`, `stock`.`reserved` AS `reserved`, `stock`.`sold` AS `sold`, `stock`.`total` AS `total`, `stock`.`version`, `stock`.`layout` FROM `product` INNER JOIN `stock` ON `product`.`id` = `stock`.`product_id` WHERE `product`.`id` IN (?) ORDER BY `stock`.`product_id` ASC
SELECT `queue_outcome`.`order_id`, `queue_outcome`.`outcome`, `queue_outcome`.`decided_at` FROM `queue_outcome` WHERE `queue_outcome`.`order_id` IN (?)
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
SELECT `queue_outcome`.`order_id`, `queue_outcome`.`outcome`, `queue_outcome`.`decided_at` FROM `queue_outcome` WHERE `queue_outcome`.`order_id` IN (?)
SELECT `idempotency_key`.`key`, `idempotency_key`.`fingerprint`, `idempotency_key`.`response`, `idempotency_key`.`created_at` FROM `idempotency_key` WHERE `idempotency_key`.`key` IN (?)
INSERT INTO `queue_outcome` (`order_id`, `outcome`) VALUES (?, ?)
COMMIT
