-- PostgreSQL: a sale
CALL purchase_early_release($1, $2, $3, $4, $5, $6, $7, NULL::bigint, NULL::bigint)

-- PostgreSQL: a refusal
CALL purchase_early_release($1, $2, $3, $4, $5, $6, $7, NULL::bigint, NULL::bigint)
BEGIN
INSERT INTO "idempotency_key" ("key", "fingerprint") VALUES ($1, $2) ON CONFLICT ("key") DO NOTHING
SELECT "product"."id", "product"."slug", "product"."name", "product"."description", "product"."category", "product"."artwork", "product"."price_cents", "product"."currency", "product"."per_customer_limit", "product"."sale_starts_at", "product"."sale_ends_at", "product"."lane_id", "product"."compare_at_cents", CURRENT_TIMESTAMP AS "read_at" FROM "product" WHERE "product"."id" = $1 LIMIT $2
SELECT "stock"."product_id", "stock"."total", "stock"."available", "stock"."reserved", "stock"."sold", "stock"."version", "stock"."unguarded", "stock"."layout", "stock"."fence" FROM "stock" WHERE "stock"."product_id" = $1 LIMIT $2 FOR UPDATE
ROLLBACK
