-- The statements that advisory-lock sends for one order, recorded by `./makew bench --record`.
-- -D product_id=… -D lane_id=… select the hot product; key gives each order its idempotency key and public id.
\set key random(1, 9000000000000000000)
BEGIN;
INSERT INTO "idempotency_key" ("key", "fingerprint") VALUES (:key, '3c39b5a5d08bb5d1fc78b671a88e9c7d7dbf03d5a2cb2ee35d2bf31c38397b4e') ON CONFLICT ("key") DO NOTHING;
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."sale_starts_at" > CURRENT_TIMESTAMP AS "not_started", "product"."sale_ends_at" <= CURRENT_TIMESTAMP AS "ended" FROM "product" WHERE "product"."id" = :product_id LIMIT 1;
SELECT pg_advisory_xact_lock(1, :product_id);
UPDATE "stock" SET "version" = "version" + 1, "available" = "available" + -1, "sold" = "sold" + 1 WHERE "stock"."product_id" = :product_id AND "stock"."available" >= 1 RETURNING "product_id", "total", "available", "reserved", "sold", "version", "unguarded", "layout";
INSERT INTO "customer_order" ("public_id", "status", "settlement", "customer_name", "email", "email_folded", "street", "postal_code", "city", "country", "currency", "subtotal_cents", "discount_code", "discount_cents", "shipping_cents", "tax_basis_points", "tax_cents", "total_cents", "due_cents", "cart_id", "lane_id") VALUES (lpad(:key::text, 32, '0')::uuid, 'placed', 'on_account', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'EUR', 1000, NULL, 0, 0, 1900, 160, 1000, 1000, NULL, :lane_id) RETURNING "id", "public_id", "status", "status_reason", "settlement", "customer_name", "email", "email_folded", "street", "postal_code", "city", "country", "currency", "subtotal_cents", "discount_code", "discount_cents", "shipping_cents", "tax_basis_points", "tax_cents", "total_cents", "due_cents", "cart_id", "lane_id", "placed_at", "changed_at" \gset order_
INSERT INTO "order_line" ("order_id", "product_id", "product_name", "unit_price_cents", "quantity") VALUES (:order_id, :product_id, 'Lane 600000001', 1000, 1);
INSERT INTO "stock_movement" ("product_id", "kind", "quantity", "order_id", "hold_id", "reason") VALUES (:product_id, 'sell', 1, :order_id, NULL, NULL);
UPDATE "idempotency_key" SET "response" = U&'{"order_id"\003A"000000000000000000000000000000000000","remaining_stock"\003A8}' WHERE "idempotency_key"."key" = :key;
COMMIT;
