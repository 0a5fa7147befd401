//! Runs are private: a run stores the hash of its secret, and `early-release` sells a private
//! product only to a buyer of its lane. A payment stores the idempotency key of its request, which
//! is free again when the payment fails.

use sea_orm_migration::{prelude::*, schema::*};

use crate::m0014_early_release;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_column(manager, "simulation_run", char_len_null("buyer_secret", 64)).await?;
        add_column(manager, "payment", string_len_null("idempotency_key", 120)).await?;
        replace_procedure(manager, PROCEDURE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace_procedure(manager, m0014_early_release::PROCEDURE).await?;
        drop_column(manager, "payment", "idempotency_key").await?;
        drop_column(manager, "simulation_run", "buyer_secret").await
    }
}

async fn add_column(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: ColumnDef,
) -> Result<(), DbErr> {
    let change = Table::alter().table(table).add_column(column).to_owned();
    manager.alter_table(change).await
}

async fn drop_column(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    let change = Table::alter().table(table).drop_column(column).to_owned();
    manager.alter_table(change).await
}

async fn replace_procedure(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    manager
        .get_connection()
        .execute_unprepared(sql)
        .await
        .map(drop)
}

/// PostgreSQL only. It contains the statement of `single-statement`, except for differences in
/// plpgsql syntax; a test compares the two.
const PROCEDURE: &str = r#"
CREATE OR REPLACE PROCEDURE purchase_early_release(
  p_product_id bigint, p_units integer, p_public_id uuid, p_lane_id bigint, p_key varchar, p_fingerprint varchar,
  p_tax_basis_points integer, INOUT remaining bigint, INOUT new_version bigint)
LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL synchronous_commit = off;
  WITH offer AS (
    SELECT p.id, p.name, p.price_cents, p.currency, p.lane_id, p.price_cents * p_units AS cents
    FROM product p JOIN stock s ON s.product_id = p.id
    WHERE p.id = p_product_id AND s.layout = 'row' AND NOT s.unguarded AND s.available >= p_units
      AND (p.lane_id IS NULL OR p.lane_id = p_lane_id)
      AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= CURRENT_TIMESTAMP)
      AND (p.sale_ends_at IS NULL OR p.sale_ends_at > CURRENT_TIMESTAMP)
      AND (p.per_customer_limit IS NULL OR (p_lane_id IS NOT NULL AND p.per_customer_limit >= p_units))
      AND NOT EXISTS (SELECT 1 FROM idempotency_key k WHERE k.key = p_key)),
  taken AS (
    UPDATE stock s SET available = s.available - p_units, sold = s.sold + p_units, version = s.version + 1
    FROM offer WHERE s.product_id = offer.id AND s.available >= p_units
    RETURNING s.available, s.version),
  placed AS (
    INSERT INTO customer_order (public_id, status, settlement, currency, subtotal_cents, total_cents, due_cents, tax_basis_points, tax_cents, lane_id)
    SELECT p_public_id, 'placed', 'on_account', offer.currency, offer.cents, offer.cents, offer.cents, p_tax_basis_points,
           floor((2 * offer.cents::numeric * p_tax_basis_points + 10000 + p_tax_basis_points) / (2 * (10000 + p_tax_basis_points))),
           coalesce(p_lane_id, offer.lane_id)
    FROM offer, taken RETURNING id),
  lined AS (
    INSERT INTO order_line (order_id, product_id, product_name, unit_price_cents, quantity)
    SELECT placed.id, offer.id, offer.name, offer.price_cents, p_units FROM offer, placed),
  moved AS (
    INSERT INTO stock_movement (product_id, kind, quantity, order_id)
    SELECT p_product_id, 'sell', p_units, placed.id FROM placed),
  claimed AS (
    INSERT INTO idempotency_key (key, fingerprint, response)
    SELECT p_key, p_fingerprint, format('{"order_id":"%s","remaining_stock":%s}', p_public_id, taken.available)
    FROM taken WHERE p_key IS NOT NULL)
  SELECT taken.available, taken.version INTO remaining, new_version FROM taken;
  COMMIT;
  IF remaining IS NOT NULL THEN
    PERFORM pg_logical_emit_message(true, 'doorbuster', '');
  END IF;
END $$;
"#;
