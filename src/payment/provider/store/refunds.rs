//! Refunds. What they take together is counted on their charge, where a constraint holds it below what was captured.

use std::time::Duration;

use sea_orm::sqlx;
use uuid::Uuid;

use super::{Store, StoreError, from_ms, in_ms};
use crate::payment::{
    provider::notice::Schedule,
    wire::{RefundBody, RefundWord},
};

macro_rules! columns {
    () => {
        "reference, charge_reference, state, amount_cents, \
         ceil(extract(epoch FROM settle_at - now()) * 1000)::bigint"
    };
}

/// Of two with one reference that meet, the second waits at the charge, and then breaks the key: all of its statement is undone.
const INSERT: &str = concat!(
    "
WITH taken AS (
    UPDATE provider.charge SET refunded_cents = refunded_cents + $3
    WHERE reference = $2 AND state = 'captured' AND refunded_cents + $3 <= amount_cents
        AND NOT EXISTS (SELECT FROM provider.refund WHERE reference = $1)
    RETURNING reference
), made AS (
    INSERT INTO provider.refund (reference, charge_reference, state, amount_cents, settle_at,
        webhook_delay_ms, webhook_step_ms, webhook_copies)
    SELECT $1, reference, 'processing', $3, now() + $4 * interval '1 millisecond', $5, $6, $7 FROM taken
    RETURNING *
), told AS (
    INSERT INTO provider.event (kind, charge_reference, charge_state, refund_reference, refund_state, due_at, copies)
    SELECT 'refund.created', charge_reference, 'captured', reference, state,
        provider.due_at(settle_at, webhook_delay_ms, webhook_step_ms, 1), webhook_copies
    FROM made WHERE webhook_copies > 0
)
SELECT ",
    columns!(),
    " FROM made"
);

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM provider.refund WHERE reference = $1"
);

macro_rules! settle {
    ($first:literal, $which:literal) => {
        concat!(
            "WITH ",
            $first,
            "settled AS (
                UPDATE provider.refund SET state = 'succeeded', settled_at = now()
                WHERE state = 'processing' AND settle_at <= now() AND ",
            $which,
            "   RETURNING *
            ), told AS (
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

/// What another provider settles just now is passed over.
const SETTLE_DUE: &str = settle!(
    "due AS MATERIALIZED (
        SELECT reference FROM provider.refund WHERE state = 'processing' AND settle_at <= now()
        ORDER BY settle_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ), ",
    "reference IN (SELECT reference FROM due)"
);

/// A refund that has just arrived.
#[derive(Clone, Debug)]
pub struct NewRefund {
    pub reference: Uuid,
    pub charge: Uuid,
    pub amount_cents: i64,
    pub settles_in: Duration,
    pub schedule: Schedule,
}

/// A refund as it stands.
#[derive(Clone, Debug)]
pub struct RefundRow {
    pub body: RefundBody,
    pub charge: Uuid,
    /// Zero once the time has come.
    pub settles_in: Duration,
}

type Columns = (Uuid, Uuid, String, i64, Option<i64>);

impl RefundRow {
    fn read(columns: Columns) -> Result<Self, StoreError> {
        let (reference, charge, state, amount_cents, settles_in_ms) = columns;
        Ok(Self {
            body: RefundBody {
                reference,
                state: RefundWord::parse(&state).ok_or(StoreError::Unreadable("state"))?,
                amount_cents,
            },
            charge,
            settles_in: from_ms(settles_in_ms),
        })
    }
}

impl Store {
    /// Writes a refund down, unless its reference is known or the charge has not that much left: `None`.
    pub async fn insert_refund(&self, refund: NewRefund) -> Result<Option<RefundRow>, StoreError> {
        let made = self
            .run(move |pool| async move {
                sqlx::query_as(INSERT)
                    .bind(refund.reference)
                    .bind(refund.charge)
                    .bind(refund.amount_cents)
                    .bind(in_ms(refund.settles_in))
                    .bind(in_ms(refund.schedule.delay))
                    .bind(in_ms(refund.schedule.step))
                    .bind(refund.schedule.copies)
                    .fetch_optional(&pool)
                    .await
            })
            .await;
        match made {
            Err(StoreError::Away(error)) if is_unique_violation(&error) => Ok(None),
            made => made?.map(RefundRow::read).transpose(),
        }
    }

    /// A refund as it stands; `None` if nobody has heard of it.
    pub async fn find_refund(&self, reference: Uuid) -> Result<Option<RefundRow>, StoreError> {
        self.one_refund(FIND, reference).await
    }

    /// Pays a refund whose time has come. `None` if that is done, or its time has not come.
    pub async fn settle_refund(&self, reference: Uuid) -> Result<Option<RefundRow>, StoreError> {
        self.one_refund(SETTLE_ONE, reference).await
    }

    /// The same for all of them, at most `refunds_max` at once. Returns how many.
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

    async fn one_refund(
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
