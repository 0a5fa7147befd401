//! Creates the provider's tables. They are not part of the shop's migrations.

mod mysql;

use sea_orm::sqlx::{self, Executor};

use super::pool::Pool;

/// PostgreSQL runs a string of several statements as one transaction, which also holds the advisory
/// lock: several providers may start at once, and `IF NOT EXISTS` alone does not prevent two of
/// them from creating the same object. The number is "doorpay" in ASCII.
const TABLES: &str = "
SELECT pg_advisory_xact_lock(x'00646f6f72706179'::bigint);

CREATE SCHEMA IF NOT EXISTS provider;

CREATE TABLE IF NOT EXISTS provider.charge (
    reference uuid PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('processing', 'captured', 'declined', 'voided')),
    -- NULL for a charge that was voided before it arrived.
    amount_cents bigint CHECK (amount_cents > 0),
    currency text,
    card_last4 text,
    behaviour text NOT NULL,
    -- Why it will be or was declined.
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
    -- The state at the time of the event; the other values of its charge and refund never change.
    charge_state text NOT NULL,
    refund_reference uuid REFERENCES provider.refund,
    refund_state text,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    -- Deliveries that are still to be made.
    copies smallint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    delivered_at timestamptz
);
CREATE INDEX IF NOT EXISTS event_undelivered ON provider.event (due_at, id) WHERE delivered_at IS NULL;

-- The time that is this much later than now.
CREATE OR REPLACE FUNCTION provider.after_ms (ms double precision) RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT now() + ms * interval '1 millisecond' $$;

-- When an event is due that is followed by this many later events.
CREATE OR REPLACE FUNCTION provider.due_at
    (settle_at timestamptz, delay_ms bigint, step_ms bigint, followed_by int) RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT CASE delay_ms WHEN 0 THEN now()
       ELSE greatest(settle_at, now()) + (delay_ms + followed_by * step_ms) * interval '1 millisecond' END $$;
";

/// Creates the tables that do not exist yet.
pub async fn create(pool: &Pool) -> Result<(), sqlx::Error> {
    match pool {
        Pool::Postgres(pool) => pool.execute(sqlx::raw_sql(TABLES)).await.map(drop),
        Pool::MySql(pool) => mysql::create(pool).await,
    }
}
