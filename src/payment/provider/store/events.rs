//! Events that the shop has not received yet. An event counts as delivered only once the shop has
//! acknowledged it.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    Store, StoreError,
    pool::{Parameter, Sql},
};
use crate::payment::{
    event::EventBody,
    wire::{ChargeBody, ChargeStateBody, RefundBody, RefundStateBody},
};

/// A provider process claims an event for a limited time: if it is killed, another process sends
/// the event afterwards.
const CLAIM: Sql = Sql {
    postgres: CLAIM_AND_READ,
    mysql: "CALL provider_claim_events(?, ?)",
};

const CLAIM_AND_READ: &str = "
WITH due AS MATERIALIZED (
    SELECT id, due_at FROM provider.event WHERE delivered_at IS NULL AND due_at <= now()
    ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE provider.event AS event SET attempts = attempts + 1, due_at = provider.after_ms($2)
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

const DELIVERED: Sql = Sql {
    postgres: "
UPDATE provider.event SET copies = copies - 1, due_at = provider.after_ms($1),
    delivered_at = CASE WHEN copies <= 1 THEN now() END
WHERE id = ANY($2) AND delivered_at IS NULL",
    // Here, each assignment sees those before it.
    mysql: "
UPDATE provider_event SET due_at = UTC_TIMESTAMP(6) + INTERVAL (? * 1000) MICROSECOND,
    delivered_at = CASE WHEN copies <= 1 THEN UTC_TIMESTAMP(6) END, copies = copies - 1
WHERE delivered_at IS NULL AND id IN (SELECT j.id FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) j)",
};

/// The exponent is limited before the result, so that the power cannot overflow.
const FAILED: Sql = Sql {
    postgres: "
UPDATE provider.event
SET due_at = provider.after_ms(least($1 * power(2, least(attempts, 30) - 1), $2))
WHERE id = ANY($3) AND delivered_at IS NULL",
    mysql: "
UPDATE provider_event
SET due_at = UTC_TIMESTAMP(6)
    + INTERVAL CAST(1000 * LEAST(? * POWER(2, LEAST(attempts, 30) - 1), ?) AS SIGNED) MICROSECOND
WHERE delivered_at IS NULL AND id IN (SELECT j.id FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) j)",
};

const RETRY_NOW: Sql = Sql {
    postgres: "UPDATE provider.event SET due_at = now() WHERE delivered_at IS NULL AND attempts > 0",
    mysql: "UPDATE provider_event SET due_at = UTC_TIMESTAMP(6) WHERE delivered_at IS NULL AND attempts > 0",
};

const HAS_PENDING_WORK: Sql = Sql {
    postgres: "
SELECT EXISTS (SELECT FROM provider.charge WHERE state = 'processing')
    OR EXISTS (SELECT FROM provider.refund WHERE state = 'processing')
    OR ($1 AND EXISTS (SELECT FROM provider.event WHERE delivered_at IS NULL AND attempts = 0))",
    mysql: "
SELECT EXISTS (SELECT 1 FROM provider_charge WHERE state = 'processing')
    OR EXISTS (SELECT 1 FROM provider_refund WHERE state = 'processing')
    OR (? AND EXISTS (SELECT 1 FROM provider_event WHERE delivered_at IS NULL AND attempts = 0))",
};

/// An event to deliver now.
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
                    state: ChargeStateBody::parse(charge_state)
                        .ok_or(StoreError::Unreadable("state"))?,
                    amount_cents: *cents,
                    currency: currency.clone(),
                    decline_reason: reason.clone(),
                },
                refund: match (refund, refund_state, refund_cents) {
                    (Some(reference), Some(state), Some(amount_cents)) => Some(RefundBody {
                        reference: *reference,
                        state: RefundStateBody::parse(state)
                            .ok_or(StoreError::Unreadable("state"))?,
                        amount_cents: *amount_cents,
                    }),
                    _ => None,
                },
            },
        })
    }
}

impl Store {
    /// Claims up to `events_max` events that are due, in due order. No other process can claim them
    /// for the length of `lease`.
    pub async fn claim_events(
        &self,
        events_max: i64,
        lease: Duration,
    ) -> Result<Vec<Delivery>, StoreError> {
        let claimed: Vec<Columns> = self
            .run(move |pool| async move {
                let parameters = vec![Parameter::Number(events_max), Parameter::ms(lease)];
                pool.fetch_all(CLAIM, parameters).await
            })
            .await?;
        claimed.into_iter().map(Delivery::read).collect()
    }

    /// Records that the shop acknowledged these events. An event with another copy to deliver is
    /// due again after `gap`.
    pub async fn events_delivered(&self, ids: Vec<i64>, gap: Duration) -> Result<(), StoreError> {
        self.run(move |pool| async move {
            let parameters = vec![Parameter::ms(gap), Parameter::Ids(ids)];
            pool.execute(DELIVERED, parameters).await
        })
        .await
    }

    /// Records that the shop did not acknowledge these events. They are due again after `backoff`,
    /// which doubles with each further attempt, up to `backoff_max`.
    pub async fn events_failed(
        &self,
        ids: Vec<i64>,
        backoff: Duration,
        backoff_max: Duration,
    ) -> Result<(), StoreError> {
        self.run(move |pool| async move {
            let parameters = vec![
                Parameter::ms(backoff),
                Parameter::ms(backoff_max),
                Parameter::Ids(ids),
            ];
            pool.execute(FAILED, parameters).await
        })
        .await
    }

    /// Makes every event due whose delivery has failed.
    pub async fn retry_events_now(&self) -> Result<(), StoreError> {
        self.run(move |pool| async move { pool.execute(RETRY_NOW, Vec::new()).await })
            .await
    }

    /// Whether any charge or refund is unsettled or, if events `are_delivered`, any event has not
    /// been sent yet.
    pub async fn has_pending_work(&self, are_delivered: bool) -> Result<bool, StoreError> {
        let found: Option<(bool,)> = self
            .run(move |pool| async move {
                let parameters = vec![Parameter::Flag(are_delivered)];
                pool.fetch_optional(HAS_PENDING_WORK, parameters).await
            })
            .await?;
        Ok(found.is_some_and(|(has_work,)| has_work))
    }
}
