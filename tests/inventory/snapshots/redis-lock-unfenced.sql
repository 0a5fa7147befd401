-- PostgreSQL: a sale
BEGIN
INSERT INTO "idempotency_key" ("key", "fingerprint") VALUES ($1, $2) ON CONFLICT ("key") DO NOTHING
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at" FROM "product" WHERE "product"."id" = $1 LIMIT $2
SELECT "stock"."product_id", "stock"."total", "stock"."available", "stock"."reserved", "stock"."sold", "stock"."version", "stock"."unguarded", "stock"."layout", "stock"."fence" FROM "stock" WHERE "stock"."product_id" = $1 LIMIT $2
UPDATE "stock" SET "available" = $1, "sold" = $2, "version" = $3 WHERE "stock"."product_id" = $4
INSERT INTO "customer_order" ("public_id", "status", "settlement", "customer_name", "email", "email_folded", "street", "postal_code", "city", "country", "currency", "subtotal_cents", "discount_code", "discount_cents", "shipping_cents", "tax_basis_points", "tax_cents", "total_cents", "due_cents", "cart_id", "lane_id") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING "id", "public_id", "status", "status_reason", "settlement", "customer_name", "email", "email_folded", "street", "postal_code", "city", "country", "currency", "subtotal_cents", "discount_code", "discount_cents", "shipping_cents", "tax_basis_points", "tax_cents", "total_cents", "due_cents", "cart_id", "lane_id", "placed_at", "changed_at"
INSERT INTO "order_line" ("order_id", "product_id", "product_name", "unit_price_cents", "quantity") VALUES ($1, $2, $3, $4, $5)
INSERT INTO "stock_movement" ("product_id", "kind", "quantity", "order_id", "hold_id", "reason") VALUES ($1, $2, $3, $4, $5, $6)
UPDATE "idempotency_key" SET "response" = $1 WHERE "idempotency_key"."key" = $2
COMMIT

-- PostgreSQL: a refusal
BEGIN
INSERT INTO "idempotency_key" ("key", "fingerprint") VALUES ($1, $2) ON CONFLICT ("key") DO NOTHING
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at" FROM "product" WHERE "product"."id" = $1 LIMIT $2
SELECT "stock"."product_id", "stock"."total", "stock"."available", "stock"."reserved", "stock"."sold", "stock"."version", "stock"."unguarded", "stock"."layout", "stock"."fence" FROM "stock" WHERE "stock"."product_id" = $1 LIMIT $2
ROLLBACK

-- MySQL and MariaDB: a sale
BEGIN
INSERT INTO `idempotency_key` (`key`, `fingerprint`) VALUES (?, ?)
SELECT `product`.`id`, `product`.`slug`, `product`.`name`, `product`.`description`, `product`.`category`, `product`.`artwork`, `product`.`price_cents`, `product`.`currency`, `product`.`per_customer_limit`, `product`.`sale_starts_at`, `product`.`sale_ends_at`, `product`.`lane_id`, `product`.`compare_at_cents`, UTC_TIMESTAMP(6) AS `read_at` FROM `product` WHERE `product`.`id` = ? LIMIT ?
SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved`, `stock`.`sold`, `stock`.`version`, `stock`.`unguarded`, `stock`.`layout`, `stock`.`fence` FROM `stock` WHERE `stock`.`product_id` = ? LIMIT ?
UPDATE `stock` SET `available` = ?, `sold` = ?, `version` = ? WHERE `stock`.`product_id` = ?
INSERT INTO `customer_order` (`public_id`, `status`, `settlement`, `customer_name`, `email`, `email_folded`, `street`, `postal_code`, `city`, `country`, `currency`, `subtotal_cents`, `discount_code`, `discount_cents`, `shipping_cents`, `tax_basis_points`, `tax_cents`, `total_cents`, `due_cents`, `cart_id`, `lane_id`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
SELECT `customer_order`.`id`, `customer_order`.`public_id`, `customer_order`.`status`, `customer_order`.`status_reason`, `customer_order`.`settlement`, `customer_order`.`customer_name`, `customer_order`.`email`, `customer_order`.`email_folded`, `customer_order`.`street`, `customer_order`.`postal_code`, `customer_order`.`city`, `customer_order`.`country`, `customer_order`.`currency`, `customer_order`.`subtotal_cents`, `customer_order`.`discount_code`, `customer_order`.`discount_cents`, `customer_order`.`shipping_cents`, `customer_order`.`tax_basis_points`, `customer_order`.`tax_cents`, `customer_order`.`total_cents`, `customer_order`.`due_cents`, `customer_order`.`cart_id`, `customer_order`.`lane_id`, `customer_order`.`placed_at`, `customer_order`.`changed_at` FROM `customer_order` WHERE `customer_order`.`id` = ? LIMIT ?
INSERT INTO `order_line` (`order_id`, `product_id`, `product_name`, `unit_price_cents`, `quantity`) VALUES (?, ?, ?, ?, ?)
INSERT INTO `stock_movement` (`product_id`, `kind`, `quantity`, `order_id`, `hold_id`, `reason`) VALUES (?, ?, ?, ?, ?, ?)
UPDATE `idempotency_key` SET `response` = ? WHERE `idempotency_key`.`key` = ?
COMMIT

-- MySQL and MariaDB: a refusal
BEGIN
INSERT INTO `idempotency_key` (`key`, `fingerprint`) VALUES (?, ?)
SELECT `product`.`id`, `product`.`slug`, `product`.`name`, `product`.`description`, `product`.`category`, `product`.`artwork`, `product`.`price_cents`, `product`.`currency`, `product`.`per_customer_limit`, `product`.`sale_starts_at`, `product`.`sale_ends_at`, `product`.`lane_id`, `product`.`compare_at_cents`, UTC_TIMESTAMP(6) AS `read_at` FROM `product` WHERE `product`.`id` = ? LIMIT ?
SELECT `stock`.`product_id`, `stock`.`total`, `stock`.`available`, `stock`.`reserved`, `stock`.`sold`, `stock`.`version`, `stock`.`unguarded`, `stock`.`layout`, `stock`.`fence` FROM `stock` WHERE `stock`.`product_id` = ? LIMIT ?
ROLLBACK
