-- The statements that early-release sends for one order, recorded by `./makew bench --record`.
-- -D product_id=… -D lane_id=… select the hot product; key gives each order its idempotency key and public id.
\set key random(1, 9000000000000000000)
CALL purchase_early_release(:product_id, 1, lpad(:key::text, 32, '0')::uuid, :lane_id, :key, '3c39b5a5d08bb5d1fc78b671a88e9c7d7dbf03d5a2cb2ee35d2bf31c38397b4e', 1900, NULL::bigint, NULL::bigint);
