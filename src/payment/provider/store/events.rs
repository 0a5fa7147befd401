//! What the shop is yet to be told. An event leaves only once the shop has said that it took it in.

use std::time::Duration;

use sea_orm::sqlx;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{Store, StoreError, in_ms};
use crate::{
    model::Currency,
    payment::{
        event::EventBody,
        wire::{ChargeBody, ChargeWord, RefundBody, RefundWord},
    },
};

/// Whoever claims an event has it for a while: should that provider be killed, another one sends it then.
const CLAIM: &str = "
WITH due AS MATERIALIZED (
    SELECT id, due_at FROM provider.event WHERE delivered_at IS NULL AND due_at <= now()
    ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE provider.event AS event SET attempts = attempts + 1, due_at = now() + $2 * interval '1 millisecond'
    FROM due WHERE event.id = due.id
    RETURNING event.*, due.due_at AS was_due_at
)
SELECT event.id, event.event_id, event.kind, event.created_at, event.charge_reference, event.charge_state,
    charge.amount_cents, charge.currency, CASE event.charge_state WHEN 'declined' THEN charge.decline_reason END,
    event.refund_reference, event.refund_state, refund.amount_cents
FROM claimed AS event
JOIN provider.charge ON charge.reference = event.charge_reference
LEFT JOIN provider.refund ON refund.reference = event.refund_reference
ORDER BY was_due_at, id";

const DELIVERED: &str = "
UPDATE provider.event SET copies = copies - 1, due_at = now() + $2 * interval '1 millisecond',
    delivered_at = CASE WHEN copies <= 1 THEN now() END
WHERE id = ANY($1) AND delivered_at IS NULL";

/// The exponent is bounded before the result is, lest it overflow.
const FAILED: &str = "
UPDATE provider.event
SET due_at = now() + least($2 * 2 ^ (least(attempts, 30) - 1), $3) * interval '1 millisecond'
WHERE id = ANY($1) AND delivered_at IS NULL";

const RETRY_NOW: &str =
    "UPDATE provider.event SET due_at = now() WHERE delivered_at IS NULL AND attempts > 0";

const OWES: &str = "
SELECT EXISTS (SELECT FROM provider.charge WHERE state = 'processing')
    OR EXISTS (SELECT FROM provider.refund WHERE state = 'processing')
    OR ($1 AND EXISTS (SELECT FROM provider.event WHERE delivered_at IS NULL AND attempts = 0))";

/// An event that is to be told now.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: i64,
    pub body: EventBody,
}

type Columns = (
    i64,
    String,
    String,
    OffsetDateTime,
    Uuid,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<Uuid>,
    Option<String>,
    Option<i64>,
);

impl Delivery {
    fn read(columns: Columns) -> Result<Self, StoreError> {
        let (id, event_id, kind, created_at, charge, charge_state, cents, currency, reason, ..) =
            &columns;
        let (.., refund, refund_state, refund_cents) = &columns;
        Ok(Self {
            id: *id,
            body: EventBody {
                id: event_id.clone(),
                kind: kind.clone(),
                created: created_at
                    .format(&Rfc3339)
                    .map_err(|_| StoreError::Unreadable("time"))?,
                charge: ChargeBody {
                    reference: *charge,
                    state: ChargeWord::parse(charge_state)
                        .ok_or(StoreError::Unreadable("state"))?,
                    amount_cents: *cents,
                    currency: currency.as_deref().and_then(Currency::parse),
                    decline_reason: reason.clone(),
                },
                refund: match (refund, refund_state, refund_cents) {
                    (Some(reference), Some(state), Some(amount_cents)) => Some(RefundBody {
                        reference: *reference,
                        state: RefundWord::parse(state).ok_or(StoreError::Unreadable("state"))?,
                        amount_cents: *amount_cents,
                    }),
                    _ => None,
                },
            },
        })
    }
}

impl Store {
    /// Takes up to `events_max` events that are due, in the order in which they are; nobody else gets them for the length of `lease`.
    pub async fn claim_events(
        &self,
        events_max: i64,
        lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let claimed: Vec<Columns> = self
            .run(move |pool| async move {
                sqlx::query_as(CLAIM)
                    .bind(events_max)
                    .bind(in_ms(lease))
                    .fetch_all(&pool)
                    .await
            })
            .await?;
        claimed.into_iter().map(Delivery::read).collect()
    }

    /// Notes that the shop took these in. One that is owed another delivery is due again after `gap`.
    pub async fn events_delivered(&self, ids: Vec<i64>, gap: Duration) -> Result<(), StoreError> {
        self.run(move |pool| async move {
            sqlx::query(DELIVERED)
                .bind(ids)
                .bind(in_ms(gap))
                .execute(&pool)
                .await
        })
        .await
        .map(drop)
    }

    /// Notes that the shop did not take these in. They are due again after `backoff`, twice as long after each further attempt, and at
    /// most `backoff_max`.
    pub async fn events_failed(
        &self,
        ids: Vec<i64>,
        backoff: Duration,
        backoff_max: Duration,
    ) -> Result<(), StoreError> {
        self.run(move |pool| async move {
            sqlx::query(FAILED)
                .bind(ids)
                .bind(in_ms(backoff))
                .bind(in_ms(backoff_max))
                .execute(&pool)
                .await
        })
        .await
        .map(drop)
    }

    /// Makes every event due that was sent in vain.
    pub async fn retry_events_now(&self) -> Result<(), StoreError> {
        self.run(move |pool| async move { sqlx::query(RETRY_NOW).execute(&pool).await })
            .await
            .map(drop)
    }

    /// Whether anything is yet to be settled, or, where events `are_told`, to be told for the first time.
    pub async fn owes_anything(&self, are_told: bool) -> Result<bool, StoreError> {
        self.run(move |pool| async move {
            sqlx::query_scalar(OWES)
                .bind(are_told)
                .fetch_one(&pool)
                .await
        })
        .await
    }
}
