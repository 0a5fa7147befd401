//! Refunds. Their sum is stored on their charge, where a constraint limits it to the captured
//! amount.

use std::time::Duration;

use sea_orm::sqlx;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Store, StoreError,
    pool::{Parameter, Sql},
    settling::{MoneyMovement, due_rows},
    time_until,
};
use crate::payment::{
    provider::webhook_schedule::WebhookSchedule,
    wire::{RefundBody, RefundStateBody},
};

macro_rules! columns {
    () => {
        "reference, charge_reference, state, amount_cents, settle_at, CURRENT_TIMESTAMP"
    };
}

/// Of two concurrent inserts with the same reference, the second waits for the lock on the charge
/// and then violates the primary key, which undoes its whole statement.
const INSERT: Sql = Sql {
    postgres: INSERT_AND_RECORD,
    mysql: "CALL provider_insert_refund(?, ?, ?, ?, ?, ?, ?)",
};

const INSERT_AND_RECORD: &str = concat!(
    "
WITH taken AS (
    UPDATE provider.charge SET refunded_cents = refunded_cents + $3
    WHERE reference = $2 AND state = 'captured' AND refunded_cents + $3 <= amount_cents
        AND NOT EXISTS (SELECT FROM provider.refund WHERE reference = $1)
    RETURNING reference
), inserted AS (
    INSERT INTO provider.refund (reference, charge_reference, state, amount_cents, settle_at,
        webhook_delay_ms, webhook_step_ms, webhook_copies)
    SELECT $1, reference, 'processing', $3, provider.after_ms($4), $5, $6, $7 FROM taken
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

macro_rules! settle {
    ($ctes:expr, $condition:literal) => {
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
    settles_in: Duration,
}

type Columns = (Uuid, Uuid, String, i64, OffsetDateTime, OffsetDateTime);

impl MoneyMovement for RefundRow {
    type Columns = Columns;

    const FIND: Sql = Sql {
        postgres: concat!(
            "SELECT ",
            columns!(),
            " FROM provider.refund WHERE reference = $1"
        ),
        mysql: "SELECT reference, charge_reference, state, amount_cents, settle_at, UTC_TIMESTAMP(6) \
                FROM provider_refund WHERE reference = ?",
    };
    const SETTLE_ONE: Sql = Sql {
        postgres: settle!("", "reference = $1"),
        mysql: "CALL provider_settle_refund(?)",
    };
    const SETTLE_DUE: Sql = Sql {
        postgres: settle!(
            due_rows!("provider.refund"),
            "reference IN (SELECT reference FROM due)"
        ),
        mysql: "SELECT reference FROM provider_refund WHERE state = 'processing' AND settle_at <= UTC_TIMESTAMP(6) \
                ORDER BY settle_at LIMIT ?",
    };

    fn read(columns: Self::Columns) -> Result<Self, StoreError> {
        let (reference, charge, state, amount_cents, settle_at, now) = columns;
        Ok(Self {
            body: RefundBody {
                reference,
                state: RefundStateBody::parse(&state).ok_or(StoreError::Unreadable("state"))?,
                amount_cents,
            },
            charge,
            settles_in: time_until(Some(settle_at), now),
        })
    }

    fn reference(&self) -> Uuid {
        self.body.reference
    }

    fn is_processing(&self) -> bool {
        self.body.state == RefundStateBody::Processing
    }

    fn settles_in(&self) -> Duration {
        self.settles_in
    }
}

impl Store {
    /// Inserts a refund. Returns `None` if its reference exists or the charge has less than its
    /// amount left.
    pub async fn insert_refund(&self, refund: NewRefund) -> Result<Option<RefundRow>, StoreError> {
        let inserted = self
            .run(move |pool| async move {
                let parameters = vec![
                    Parameter::Uuid(refund.reference),
                    Parameter::Uuid(refund.charge),
                    Parameter::Number(refund.amount_cents),
                    Parameter::ms(refund.settles_in),
                    Parameter::ms(refund.schedule.delay),
                    Parameter::ms(refund.schedule.step),
                    Parameter::Small(refund.schedule.copies),
                ];
                pool.fetch_optional(INSERT, parameters).await
            })
            .await;
        match inserted {
            Err(StoreError::Unavailable(error)) if is_unique_violation(&error) => Ok(None),
            inserted => inserted?.map(RefundRow::read).transpose(),
        }
    }
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}
