//! The amount that the payment provider reported, if it is not the amount that is due; carts whose
//! session came back; what limits holds.

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

const UP: &[&str] = &[
    // A column of a trigger's condition cannot be altered.
    "DROP TRIGGER payment_audit_updated ON payment",
    "ALTER TABLE payment
       ALTER COLUMN state TYPE varchar(20),
       ADD COLUMN reported_cents bigint,
       ADD COLUMN reported_currency varchar(10),
       DROP CONSTRAINT payment_state_known,
       DROP CONSTRAINT payment_captured_in_range,
       ADD CONSTRAINT payment_state_known
         CHECK (state IN ('pending', 'captured', 'declined', 'voided', 'wrong_amount')),
       ADD CONSTRAINT payment_captured_in_range
         CHECK (amount_cents > 0 AND captured_cents >= 0 AND (captured_cents <= amount_cents OR state = 'wrong_amount')),
       ADD CONSTRAINT payment_reported_both
         CHECK ((reported_cents IS NULL) = (reported_currency IS NULL)
                AND (state <> 'wrong_amount' OR reported_cents IS NOT NULL))",
    "CREATE TRIGGER payment_audit_updated AFTER UPDATE ON payment
       FOR EACH ROW WHEN ((OLD.order_id, OLD.state, OLD.amount_cents, OLD.captured_cents, OLD.reported_cents)
                          IS DISTINCT FROM
                          (NEW.order_id, NEW.state, NEW.amount_cents, NEW.captured_cents, NEW.reported_cents))
       EXECUTE FUNCTION audit_part_changed()",
    // The carts of the older schema may have been seen again.
    "ALTER TABLE cart ADD COLUMN seen_again boolean NOT NULL DEFAULT true",
    "ALTER TABLE cart ALTER COLUMN seen_again SET DEFAULT false",
    "ALTER TABLE hold
       ADD COLUMN network varchar(39),
       ADD COLUMN reserved_at timestamp with time zone",
    "CREATE INDEX hold_network ON hold (network, closed_at) WHERE network IS NOT NULL",
];

/// The older schema has no such state: what was charged by mistake was refunded, so nothing counts
/// as captured.
const DOWN: &[&str] = &[
    "ALTER TABLE hold DROP COLUMN network, DROP COLUMN reserved_at",
    "ALTER TABLE cart DROP COLUMN seen_again",
    "DELETE FROM refund WHERE reason = 'wrong_amount'",
    "UPDATE customer_order SET status_reason = 'shop' WHERE status_reason = 'wrong_amount'",
    "UPDATE payment SET state = 'voided', captured_cents = 0 WHERE state = 'wrong_amount'",
    "DROP TRIGGER payment_audit_updated ON payment",
    "ALTER TABLE payment
       DROP CONSTRAINT payment_reported_both,
       DROP CONSTRAINT payment_state_known,
       DROP CONSTRAINT payment_captured_in_range,
       DROP COLUMN reported_cents,
       DROP COLUMN reported_currency,
       ALTER COLUMN state TYPE varchar(10),
       ADD CONSTRAINT payment_state_known CHECK (state IN ('pending', 'captured', 'declined', 'voided')),
       ADD CONSTRAINT payment_captured_in_range
         CHECK (amount_cents > 0 AND captured_cents BETWEEN 0 AND amount_cents)",
    "CREATE TRIGGER payment_audit_updated AFTER UPDATE ON payment
       FOR EACH ROW WHEN ((OLD.order_id, OLD.state, OLD.amount_cents, OLD.captured_cents)
                          IS DISTINCT FROM (NEW.order_id, NEW.state, NEW.amount_cents, NEW.captured_cents))
       EXECUTE FUNCTION audit_part_changed()",
];
