-- The statements that single-statement sends for one order, recorded by `./makew bench --record`.
-- -D product_id=… -D lane_id=… select the hot product; key gives each order its idempotency key and public id.
\set key random(1, 9000000000000000000)
WITH offer AS (
  SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, p.price_cents * 1 AS cents
  FROM product p JOIN stock s ON s.product_id = p.id
  WHERE p.id = :product_id::bigint AND s.layout = 'row' AND NOT s.unguarded AND s.available >= 1
    AND (p.lane_id IS NULL OR p.lane_id = :lane_id::bigint)
    AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
    AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
    AND (p.per_customer_limit IS NULL OR (:lane_id::bigint IS NOT NULL AND p.per_customer_limit >= 1))
    AND NOT EXISTS (SELECT 1 FROM idempotency_key k WHERE k.key = :key::varchar)),
taken AS (
  UPDATE stock s SET available = s.available - 1, sold = s.sold + 1, version = s.version + 1
  FROM offer WHERE s.product_id = offer.id AND s.available >= 1
  RETURNING s.available, s.version),
placed AS (
  INSERT INTO customer_order (public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
  SELECT lpad(:key::text, 32, '0')::uuid, 'placed', 'on_account', offer.currency, offer.cents, offer.cents, offer.cents, 1900,
         floor((2 * offer.cents::numeric * 1900 + 10000 + 1900) / (2 * (10000 + 1900))),
         coalesce(:lane_id::bigint, offer.lane_id)
  FROM offer, taken RETURNING id),
lined AS (
  INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
  SELECT placed.id, offer.id, offer.name, offer.price_cents, 1 FROM offer, placed),
moved AS (
  INSERT INTO stock_movement (product_id, kind, quantity, order_id)
  SELECT :product_id::bigint, 'sell', 1, placed.id FROM placed),
claimed AS (
  INSERT INTO idempotency_key (key, fingerprint, response)
  SELECT :key::varchar, '3c39b5a5d08bb5d1fc78b671a88e9c7d7dbf03d5a2cb2ee35d2bf31c38397b4e'::varchar, format('{"order_id":"%s","remaining_stock":%s}', lpad(:key::text, 32, '0')::uuid, taken.available)
  FROM taken WHERE :key::varchar IS NOT NULL)
SELECT taken.available AS remaining, taken.version AS new_version FROM taken;
