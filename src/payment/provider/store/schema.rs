//! The tables. The shop's migrations know nothing of them.

use sea_orm::sqlx::{self, Executor, PgPool};

/// One string of statements is one transaction to PostgreSQL, and the lock ends with it: several providers may start at once, and
/// `IF NOT EXISTS` alone does not keep two from creating the same thing. The number is "doorpay" in ASCII.
const TABLES: &str = "
SELECT pg_advisory_xact_lock(x'00646f6f72706179'::bigint);

CREATE SCHEMA IF NOT EXISTS provider;

CREATE TABLE IF NOT EXISTS provider.charge (
    reference uuid PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('processing', 'captured', 'declined', 'voided')),
    -- Absent for a charge that was voided before it arrived.
    amount_cents bigint CHECK (amount_cents > 0),
    currency text,
    card_last4 text,
    behaviour text NOT NULL,
    -- Why it will be declined, or was.
    decline_reason text,
    refunded_cents bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    settle_at timestamptz,
    settled_at timestamptz,
    webhook_delay_ms bigint NOT NULL,
    webhook_step_ms bigint NOT NULL,
    webhook_copies smallint NOT NULL,
    CONSTRAINT charge_known_unless_voided CHECK
        (state = 'voided' OR (amount_cents IS NOT NULL AND currency IS NOT NULL AND settle_at IS NOT NULL)),
    CONSTRAINT charge_declined_with_reason CHECK (state <> 'declined' OR decline_reason IS NOT NULL),
    CONSTRAINT charge_refunded_from_captured CHECK
        (refunded_cents = 0 OR (state = 'captured' AND refunded_cents BETWEEN 0 AND amount_cents))
);
CREATE INDEX IF NOT EXISTS charge_processing ON provider.charge (settle_at) WHERE state = 'processing';

CREATE TABLE IF NOT EXISTS provider.refund (
    reference uuid PRIMARY KEY,
    charge_reference uuid NOT NULL REFERENCES provider.charge,
    state text NOT NULL CHECK (state IN ('processing', 'succeeded')),
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    settle_at timestamptz NOT NULL,
    settled_at timestamptz,
    webhook_delay_ms bigint NOT NULL,
    webhook_step_ms bigint NOT NULL,
    webhook_copies smallint NOT NULL
);
CREATE INDEX IF NOT EXISTS refund_processing ON provider.refund (settle_at) WHERE state = 'processing';

CREATE TABLE IF NOT EXISTS provider.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text NOT NULL UNIQUE DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
    kind text NOT NULL,
    charge_reference uuid NOT NULL REFERENCES provider.charge,
    -- As it was at that moment; what else the event tells of its charge and refund never changes.
    charge_state text NOT NULL,
    refund_reference uuid REFERENCES provider.refund,
    refund_state text,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    -- Deliveries that are still owed.
    copies smallint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    delivered_at timestamptz
);
CREATE INDEX IF NOT EXISTS event_undelivered ON provider.event (due_at, id) WHERE delivered_at IS NULL;

-- When an event is told that this many steps came after.
CREATE OR REPLACE FUNCTION provider.due_at
    (settle_at timestamptz, delay_ms bigint, step_ms bigint, followed_by int) RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT CASE delay_ms WHEN 0 THEN now()
       ELSE greatest(settle_at, now()) + (delay_ms + followed_by * step_ms) * interval '1 millisecond' END $$;
";

/// Creates what is not there yet.
pub async fn create(pool: &PgPool) -> Result<(), sqlx::Error> {
    pool.execute(sqlx::raw_sql(TABLES)).await.map(drop)
}
