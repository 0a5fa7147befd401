//! Order states, the amounts that make up an order's total, and the amount due to the shop.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in UP {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in DOWN {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}

/// `due_cents` is the amount that the shop keeps. Each refund reduces it when the refund is
/// recorded, before the money is paid back. Orders from before this migration had neither discount
/// nor shipping, and their prices included tax.
const UP: &[&str] = &[
    "ALTER TABLE customer_order
       DROP CONSTRAINT customer_order_status_known,
       DROP CONSTRAINT customer_order_settlement_known,
       ADD COLUMN status_reason varchar(20),
       ADD COLUMN cart_id uuid,
       ADD COLUMN discount_code varchar(40),
       ADD COLUMN subtotal_cents bigint NOT NULL DEFAULT 0,
       ADD COLUMN discount_cents bigint NOT NULL DEFAULT 0,
       ADD COLUMN shipping_cents bigint NOT NULL DEFAULT 0,
       ADD COLUMN tax_basis_points integer NOT NULL DEFAULT 1900,
       ADD COLUMN tax_cents bigint NOT NULL DEFAULT 0,
       ADD COLUMN due_cents bigint NOT NULL DEFAULT 0,
       ADD COLUMN changed_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP",
    "UPDATE customer_order SET subtotal_cents = total_cents, due_cents = total_cents, tax_cents = round(total_cents * 1900 / 11900.0)",
    "ALTER TABLE customer_order
       ADD CONSTRAINT customer_order_status_known
         CHECK (status IN ('placed', 'pending', 'declined', 'paid', 'backordered', 'cancelled')),
       ADD CONSTRAINT customer_order_settlement_known CHECK (settlement IN ('on_account', 'card')),
       ADD CONSTRAINT customer_order_amounts_in_range CHECK
         (subtotal_cents >= 0 AND discount_cents BETWEEN 0 AND subtotal_cents AND shipping_cents >= 0
          AND tax_cents BETWEEN 0 AND total_cents AND due_cents BETWEEN 0 AND total_cents)",
    "CREATE INDEX customer_order_status ON customer_order (status) WHERE status IN ('pending', 'backordered')",
    "ALTER TABLE order_line
       ADD COLUMN returned_quantity integer NOT NULL DEFAULT 0,
       ADD COLUMN refunded_quantity integer NOT NULL DEFAULT 0,
       ADD CONSTRAINT order_line_returned_in_range CHECK (returned_quantity BETWEEN 0 AND quantity),
       ADD CONSTRAINT order_line_refunded_in_range CHECK (refunded_quantity BETWEEN 0 AND quantity)",
    "ALTER TABLE stock_movement ADD COLUMN reason varchar(200)",
];

const DOWN: &[&str] = &[
    "ALTER TABLE stock_movement DROP COLUMN reason",
    "ALTER TABLE order_line DROP COLUMN returned_quantity, DROP COLUMN refunded_quantity",
    "DELETE FROM customer_order WHERE settlement <> 'on_account' OR status <> 'placed'",
    "DROP INDEX customer_order_status",
    "ALTER TABLE customer_order
       DROP CONSTRAINT customer_order_status_known,
       DROP CONSTRAINT customer_order_settlement_known,
       DROP CONSTRAINT customer_order_amounts_in_range,
       DROP COLUMN status_reason, DROP COLUMN cart_id, DROP COLUMN discount_code, DROP COLUMN subtotal_cents,
       DROP COLUMN discount_cents, DROP COLUMN shipping_cents, DROP COLUMN tax_basis_points, DROP COLUMN tax_cents,
       DROP COLUMN due_cents, DROP COLUMN changed_at,
       ADD CONSTRAINT customer_order_status_known CHECK (status IN ('placed')),
       ADD CONSTRAINT customer_order_settlement_known CHECK (settlement IN ('on_account'))",
];
