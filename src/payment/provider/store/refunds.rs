//! Refunds. Their sum is stored on their charge, where a constraint limits it to the captured
//! amount.

use std::time::Duration;

use sea_orm::sqlx;
use uuid::Uuid;

use super::{Store, StoreError, from_ms, to_ms};
use crate::payment::{
    provider::webhook_schedule::WebhookSchedule,
    wire::{RefundBody, RefundStateBody},
};

macro_rules! columns {
    () => {
        "reference, charge_reference, state, amount_cents, \
         ceil(extract(epoch FROM settle_at - now()) * 1000)::bigint"
    };
}

/// Of two concurrent inserts with the same reference, the second waits for the lock on the charge
/// and then violates the primary key, which undoes its whole statement.
const INSERT: &str = concat!(
    "
WITH taken AS (
    UPDATE provider.charge SET refunded_cents = refunded_cents + $3
    WHERE reference = $2 AND state = 'captured' AND refunded_cents + $3 <= amount_cents
        AND NOT EXISTS (SELECT FROM provider.refund WHERE reference = $1)
    RETURNING reference
), inserted AS (
    INSERT INTO provider.refund (reference, charge_reference, state, amount_cents, settle_at,
        webhook_delay_ms, webhook_step_ms, webhook_copies)
    SELECT $1, reference, 'processing', $3, now() + $4 * interval '1 millisecond', $5, $6, $7 FROM taken
    RETURNING *
), recorded AS (
    INSERT INTO provider.event (kind, charge_reference, charge_state, refund_reference, refund_state, due_at, copies)
    SELECT 'refund.created', charge_reference, 'captured', reference, state,
        provider.due_at(settle_at, webhook_delay_ms, webhook_step_ms, 1), webhook_copies
    FROM inserted WHERE webhook_copies > 0
)
SELECT ",
    columns!(),
    " FROM inserted"
);

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM provider.refund WHERE reference = $1"
);

macro_rules! settle {
    ($ctes:literal, $condition:literal) => {
        concat!(
            "WITH ",
            $ctes,
            "settled AS (
                UPDATE provider.refund SET state = 'succeeded', settled_at = now()
                WHERE state = 'processing' AND settle_at <= now() AND ",
            $condition,
            "   RETURNING *
            ), recorded AS (
                INSERT INTO provider.event
                    (kind, charge_reference, charge_state, refund_reference, refund_state, due_at, copies)
                SELECT 'refund.succeeded', charge_reference, 'captured', reference, state,
                    provider.due_at(settle_at, webhook_delay_ms, webhook_step_ms, 0), webhook_copies
                FROM settled WHERE webhook_copies > 0
                ORDER BY settle_at
            )
            SELECT ",
            columns!(),
            " FROM settled"
        )
    };
}

const SETTLE_ONE: &str = settle!("", "reference = $1");

/// Skips rows that another provider process is settling.
const SETTLE_DUE: &str = settle!(
    "due AS MATERIALIZED (
        SELECT reference FROM provider.refund WHERE state = 'processing' AND settle_at <= now()
        ORDER BY settle_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ), ",
    "reference IN (SELECT reference FROM due)"
);

/// A refund to insert.
#[derive(Clone, Debug)]
pub struct NewRefund {
    pub reference: Uuid,
    pub charge: Uuid,
    pub amount_cents: i64,
    pub settles_in: Duration,
    pub schedule: WebhookSchedule,
}

/// A stored refund.
#[derive(Clone, Debug)]
pub struct RefundRow {
    pub body: RefundBody,
    pub charge: Uuid,
    /// Time until it is due; zero once it is.
    pub settles_in: Duration,
}

type Columns = (Uuid, Uuid, String, i64, Option<i64>);

impl RefundRow {
    fn read(columns: Columns) -> Result<Self, StoreError> {
        let (reference, charge, state, amount_cents, settles_in_ms) = columns;
        Ok(Self {
            body: RefundBody {
                reference,
                state: RefundStateBody::parse(&state).ok_or(StoreError::Unreadable("state"))?,
                amount_cents,
            },
            charge,
            settles_in: from_ms(settles_in_ms),
        })
    }
}

impl Store {
    /// Inserts a refund. Returns `None` if its reference exists or the charge has less than its
    /// amount left.
    pub async fn insert_refund(&self, refund: NewRefund) -> Result<Option<RefundRow>, StoreError> {
        let inserted = self
            .run(move |pool| async move {
                sqlx::query_as(INSERT)
                    .bind(refund.reference)
                    .bind(refund.charge)
                    .bind(refund.amount_cents)
                    .bind(to_ms(refund.settles_in))
                    .bind(to_ms(refund.schedule.delay))
                    .bind(to_ms(refund.schedule.step))
                    .bind(refund.schedule.copies)
                    .fetch_optional(&pool)
                    .await
            })
            .await;
        match inserted {
            Err(StoreError::Unavailable(error)) if is_unique_violation(&error) => Ok(None),
            inserted => inserted?.map(RefundRow::read).transpose(),
        }
    }

    /// Returns the refund, or `None` if no refund has this reference.
    pub async fn find_refund(&self, reference: Uuid) -> Result<Option<RefundRow>, StoreError> {
        self.fetch_refund(FIND, reference).await
    }

    /// Settles a refund that is due. Returns `None` if it is settled already or not due yet.
    pub async fn settle_refund(&self, reference: Uuid) -> Result<Option<RefundRow>, StoreError> {
        self.fetch_refund(SETTLE_ONE, reference).await
    }

    /// Settles up to `refunds_max` refunds that are due. Returns how many it settled.
    pub async fn settle_due_refunds(&self, refunds_max: i64) -> Result<usize, StoreError> {
        let settled: Vec<Columns> = self
            .run(move |pool| async move {
                sqlx::query_as(SETTLE_DUE)
                    .bind(refunds_max)
                    .fetch_all(&pool)
                    .await
            })
            .await?;
        Ok(settled.len())
    }

    async fn fetch_refund(
        &self,
        statement: &'static str,
        reference: Uuid,
    ) -> Result<Option<RefundRow>, StoreError> {
        let found: Option<Columns> = self
            .run(move |pool| async move {
                sqlx::query_as(statement)
                    .bind(reference)
                    .fetch_optional(&pool)
                    .await
            })
            .await?;
        found.map(RefundRow::read).transpose()
    }
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}
