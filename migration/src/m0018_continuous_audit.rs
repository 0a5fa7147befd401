//! What the continuous audit needs to find each change: watermarks for rows that are only added,
//! and a list of the rows that were changed or deleted. See
//! docs/decisions/0021-two-audits.md.
//!
//! PostgreSQL only.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}

async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

/// The triggers see changes, not insertions: an express purchase only adds rows, so it fires none,
/// except that of a discount code. `hold` and `payment` are updated for reasons that no rule
/// reads; their triggers ignore them.
const UP: &[&str] = &[
    // Writers wait until this migration ends: none may write between the watermarks and the
    // triggers.
    "LOCK TABLE customer_order, order_line, stock_movement, hold, payment, refund, discount_use, discount_code, product,
       idempotency_key IN SHARE ROW EXCLUSIVE MODE",
    "CREATE TABLE audit_watermark (
       table_name varchar(20) PRIMARY KEY,
       verified_id bigint NOT NULL)",
    "INSERT INTO audit_watermark (table_name, verified_id)
     SELECT 'customer_order', coalesce(max(id), 0) FROM customer_order UNION ALL
     SELECT 'order_line', coalesce(max(id), 0) FROM order_line UNION ALL
     SELECT 'stock_movement', coalesce(max(id), 0) FROM stock_movement UNION ALL
     SELECT 'hold', coalesce(max(id), 0) FROM hold UNION ALL
     SELECT 'payment', coalesce(max(id), 0) FROM payment UNION ALL
     SELECT 'refund', coalesce(max(id), 0) FROM refund",
    "CREATE TABLE audit_ledger (
       product_id bigint PRIMARY KEY CONSTRAINT audit_ledger_product_id REFERENCES product (id) ON DELETE CASCADE,
       total bigint NOT NULL,
       reserved bigint NOT NULL,
       sold bigint NOT NULL)",
    "INSERT INTO audit_ledger (product_id, total, reserved, sold)
     SELECT product_id,
            coalesce(sum(quantity) FILTER (WHERE kind IN ('receive', 'adjust')), 0),
            coalesce(sum(CASE kind WHEN 'hold' THEN quantity WHEN 'release' THEN -quantity
                                   WHEN 'sell' THEN CASE WHEN hold_id IS NULL THEN 0 ELSE -quantity END
                                   ELSE 0 END), 0),
            coalesce(sum(CASE kind WHEN 'sell' THEN quantity WHEN 'return' THEN -quantity ELSE 0 END), 0)
     FROM stock_movement m WHERE EXISTS (SELECT 1 FROM product p WHERE p.id = m.product_id)
     GROUP BY product_id",
    "CREATE TABLE audit_change (
       id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       kind varchar(8) NOT NULL CONSTRAINT audit_change_kind_known
         CHECK (kind IN ('order', 'hold', 'movement', 'ledger', 'limit', 'code', 'key', 'email')),
       row_id bigint,
       name varchar(254),
       CONSTRAINT audit_change_one_subject CHECK ((row_id IS NULL) <> (name IS NULL)))",
    "CREATE INDEX stock_movement_order_id ON stock_movement (order_id) WHERE order_id IS NOT NULL",
    "CREATE OR REPLACE FUNCTION audit_order_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.id);
       RETURN NULL;
     END $$",
    "CREATE TRIGGER customer_order_audit_deleted AFTER DELETE ON customer_order
       FOR EACH ROW EXECUTE FUNCTION audit_order_changed()",
    "CREATE TRIGGER customer_order_audit_updated AFTER UPDATE ON customer_order
       FOR EACH ROW WHEN (
         (OLD.id, OLD.status, OLD.settlement, OLD.email_folded, OLD.subtotal_cents, OLD.discount_code, OLD.discount_cents,
          OLD.shipping_cents, OLD.tax_basis_points, OLD.tax_cents, OLD.total_cents, OLD.due_cents)
         IS DISTINCT FROM
         (NEW.id, NEW.status, NEW.settlement, NEW.email_folded, NEW.subtotal_cents, NEW.discount_code, NEW.discount_cents,
          NEW.shipping_cents, NEW.tax_basis_points, NEW.tax_cents, NEW.total_cents, NEW.due_cents))
       EXECUTE FUNCTION audit_order_changed()",
    // For rows that name their order: both orders, if a row is moved to another one.
    "CREATE OR REPLACE FUNCTION audit_part_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id);
       IF TG_OP = 'UPDATE' THEN
         IF NEW.order_id <> OLD.order_id THEN
           INSERT INTO audit_change (kind, row_id) VALUES ('order', NEW.order_id);
         END IF;
       END IF;
       RETURN NULL;
     END $$",
    "CREATE TRIGGER order_line_audit_changed AFTER UPDATE OR DELETE ON order_line
       FOR EACH ROW EXECUTE FUNCTION audit_part_changed()",
    "CREATE TRIGGER payment_audit_deleted AFTER DELETE ON payment
       FOR EACH ROW EXECUTE FUNCTION audit_part_changed()",
    "CREATE TRIGGER payment_audit_updated AFTER UPDATE ON payment
       FOR EACH ROW WHEN ((OLD.order_id, OLD.state, OLD.amount_cents, OLD.captured_cents)
                          IS DISTINCT FROM (NEW.order_id, NEW.state, NEW.amount_cents, NEW.captured_cents))
       EXECUTE FUNCTION audit_part_changed()",
    "CREATE TRIGGER refund_audit_deleted AFTER DELETE ON refund
       FOR EACH ROW EXECUTE FUNCTION audit_part_changed()",
    "CREATE TRIGGER refund_audit_updated AFTER UPDATE ON refund
       FOR EACH ROW WHEN ((OLD.order_id, OLD.amount_cents) IS DISTINCT FROM (NEW.order_id, NEW.amount_cents))
       EXECUTE FUNCTION audit_part_changed()",
    // The hold leads to its orders and to the movements that name it.
    "CREATE OR REPLACE FUNCTION audit_hold_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, row_id) VALUES ('hold', OLD.id);
       IF OLD.order_id IS NOT NULL THEN
         INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id);
       END IF;
       RETURN NULL;
     END $$",
    "CREATE TRIGGER hold_audit_deleted AFTER DELETE ON hold
       FOR EACH ROW EXECUTE FUNCTION audit_hold_changed()",
    "CREATE TRIGGER hold_audit_updated AFTER UPDATE ON hold
       FOR EACH ROW WHEN ((OLD.order_id, OLD.product_id, OLD.quantity, OLD.state)
                          IS DISTINCT FROM (NEW.order_id, NEW.product_id, NEW.quantity, NEW.state))
       EXECUTE FUNCTION audit_hold_changed()",
    // The ledger is append-only, but for the lanes of deleted runs: then the product is counted
    // again. One row for each product and order, because a lane has many movements.
    "CREATE OR REPLACE FUNCTION audit_movements_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, row_id) SELECT DISTINCT 'ledger', product_id FROM gone;
       INSERT INTO audit_change (kind, row_id)
       SELECT DISTINCT 'order', g.order_id FROM gone g LEFT JOIN product p ON p.id = g.product_id
       WHERE g.order_id IS NOT NULL AND p.lane_id IS NULL;
       RETURN NULL;
     END $$",
    "CREATE TRIGGER stock_movement_audit_deleted AFTER DELETE ON stock_movement
       REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION audit_movements_deleted()",
    "CREATE OR REPLACE FUNCTION audit_movement_updated() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, row_id) VALUES
         ('ledger', OLD.product_id), ('ledger', NEW.product_id), ('movement', NEW.id);
       INSERT INTO audit_change (kind, row_id) SELECT 'order', o FROM unnest(ARRAY[OLD.order_id, NEW.order_id]) o
       WHERE o IS NOT NULL;
       INSERT INTO audit_change (kind, row_id) SELECT 'hold', h FROM unnest(ARRAY[OLD.hold_id, NEW.hold_id]) h
       WHERE h IS NOT NULL;
       RETURN NULL;
     END $$",
    "CREATE TRIGGER stock_movement_audit_updated AFTER UPDATE ON stock_movement
       FOR EACH ROW EXECUTE FUNCTION audit_movement_updated()",
    "CREATE OR REPLACE FUNCTION audit_use_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF TG_OP <> 'INSERT' THEN
         INSERT INTO audit_change (kind, row_id) VALUES ('order', OLD.order_id);
         INSERT INTO audit_change (kind, name) VALUES ('code', OLD.code);
       END IF;
       IF TG_OP <> 'DELETE' THEN
         INSERT INTO audit_change (kind, row_id) VALUES ('order', NEW.order_id);
         INSERT INTO audit_change (kind, name) VALUES ('code', NEW.code);
       END IF;
       RETURN NULL;
     END $$",
    "CREATE TRIGGER discount_use_audit_changed AFTER INSERT OR UPDATE OR DELETE ON discount_use
       FOR EACH ROW EXECUTE FUNCTION audit_use_changed()",
    "CREATE OR REPLACE FUNCTION audit_code_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, name) VALUES ('code', NEW.code);
       RETURN NULL;
     END $$",
    "CREATE TRIGGER discount_code_audit_inserted AFTER INSERT ON discount_code
       FOR EACH ROW EXECUTE FUNCTION audit_code_changed()",
    "CREATE TRIGGER discount_code_audit_updated AFTER UPDATE ON discount_code
       FOR EACH ROW WHEN ((OLD.code, OLD.uses, OLD.uses_max, OLD.per_customer_limit)
                          IS DISTINCT FROM (NEW.code, NEW.uses, NEW.uses_max, NEW.per_customer_limit))
       EXECUTE FUNCTION audit_code_changed()",
    "CREATE OR REPLACE FUNCTION audit_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, row_id) VALUES ('limit', NEW.id);
       RETURN NULL;
     END $$",
    "CREATE TRIGGER product_audit_limit_changed AFTER UPDATE OF per_customer_limit ON product
       FOR EACH ROW WHEN (OLD.per_customer_limit IS DISTINCT FROM NEW.per_customer_limit)
       EXECUTE FUNCTION audit_limit_changed()",
    // A response that is removed. Keys without a response that were just inserted are found by
    // their time.
    "CREATE OR REPLACE FUNCTION audit_response_removed() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       INSERT INTO audit_change (kind, name) VALUES ('key', NEW.key);
       RETURN NULL;
     END $$",
    "CREATE TRIGGER idempotency_key_audit_removed AFTER UPDATE OF response ON idempotency_key
       FOR EACH ROW WHEN (NEW.response IS NULL) EXECUTE FUNCTION audit_response_removed()",
];

const DOWN: &[&str] = &[
    "DROP TRIGGER idempotency_key_audit_removed ON idempotency_key",
    "DROP TRIGGER product_audit_limit_changed ON product",
    "DROP TRIGGER discount_code_audit_updated ON discount_code",
    "DROP TRIGGER discount_code_audit_inserted ON discount_code",
    "DROP TRIGGER discount_use_audit_changed ON discount_use",
    "DROP TRIGGER stock_movement_audit_updated ON stock_movement",
    "DROP TRIGGER stock_movement_audit_deleted ON stock_movement",
    "DROP TRIGGER hold_audit_updated ON hold",
    "DROP TRIGGER hold_audit_deleted ON hold",
    "DROP TRIGGER refund_audit_updated ON refund",
    "DROP TRIGGER refund_audit_deleted ON refund",
    "DROP TRIGGER payment_audit_updated ON payment",
    "DROP TRIGGER payment_audit_deleted ON payment",
    "DROP TRIGGER order_line_audit_changed ON order_line",
    "DROP TRIGGER customer_order_audit_updated ON customer_order",
    "DROP TRIGGER customer_order_audit_deleted ON customer_order",
    "DROP FUNCTION audit_response_removed(), audit_limit_changed(), audit_code_changed(), audit_use_changed(),
       audit_movement_updated(), audit_movements_deleted(), audit_hold_changed(), audit_part_changed(), audit_order_changed()",
    "DROP INDEX stock_movement_order_id",
    "DROP TABLE audit_change",
    "DROP TABLE audit_ledger",
    "DROP TABLE audit_watermark",
];
