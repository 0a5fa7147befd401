//! The operations of the provider's API: each validates the request, stores it, and waits until it
//! has been settled.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::{
    Provider,
    request_error::RequestError,
    store::{ChargeRow, MoneyMovement, NewCharge, NewRefund, RefundRow, StoreError},
    test_cards::{Behaviour, CardOutcome, SLOW_LATENCY, is_card_number},
};
use crate::{
    model::Money,
    payment::wire::{ChargeBody, ChargeRequestBody, RefundBody, RefundRequestBody},
};

/// The largest amount of one charge or refund: ten billion in the major currency unit.
const AMOUNT_CENTS_MAX: i64 = 1_000_000_000_000;
/// How long a response is delayed until its charge or refund is final.
const RESPONSE_DELAY_MAX: Duration = Duration::from_secs(10);
/// The shortest wait before the settlement is tried again.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest wait before the charge is read again: it may have been voided meanwhile.
const PAUSE_MAX: Duration = Duration::from_millis(500);

const AMOUNT_MESSAGE: &str = "The amount must be between 1 and 1,000,000,000,000 cents.";
const OTHER_CHARGE_MESSAGE: &str =
    "This reference was already used for a charge of another amount.";
const OTHER_REFUND_MESSAGE: &str = "This reference was already used for another refund.";
const NO_CHARGE_MESSAGE: &str = "No charge has this reference.";
const TOO_MUCH_MESSAGE: &str =
    "The refund exceeds the captured amount that has not been refunded yet.";

/// The response to a charge or refund request.
#[derive(Debug)]
pub enum ChargeResponse<T> {
    Answered(T),
    /// The connection is closed before the response is complete, as the test card demands.
    Lost,
}

impl Provider {
    /// Charges a card, or returns the existing charge with that reference.
    pub async fn charge(
        &self,
        request: ChargeRequestBody,
    ) -> Result<ChargeResponse<ChargeBody>, RequestError> {
        check_amount(request.amount_cents)?;
        let outcome = CardOutcome::of(&request.card, OffsetDateTime::now_utc());
        if outcome.behaviour == Behaviour::RequestLost {
            return Ok(ChargeResponse::Lost);
        }
        let charge = self.new_charge(request, outcome);
        let (reference, amount) = (charge.reference, charge.amount);
        if let Some(inserted) = self.0.store.insert_charge(charge).await? {
            self.0.events.notify_one();
            let charge = self.settled(inserted).await?;
            return Ok(match charge.behaviour.loses_charge_response() {
                true => ChargeResponse::Lost,
                false => ChargeResponse::Answered(charge.body),
            });
        }
        let existing: ChargeRow = self.existing(reference).await?;
        if !existing.matches_amount(amount) {
            return Err(RequestError::Conflict(OTHER_CHARGE_MESSAGE));
        }
        Ok(ChargeResponse::Answered(self.settled(existing).await?.body))
    }

    fn new_charge(&self, request: ChargeRequestBody, outcome: CardOutcome) -> NewCharge {
        let number = request.card.number;
        NewCharge {
            reference: request.reference,
            amount: Money::new(request.amount_cents, request.currency),
            card_last4: is_card_number(&number).then(|| number[number.len() - 4..].to_owned()),
            behaviour: outcome.behaviour,
            decline_reason: outcome.decline_reason,
            settles_in: match outcome.behaviour {
                Behaviour::Slow => SLOW_LATENCY,
                _ => self.0.latency,
            },
        }
    }

    /// Returns the current state of a charge.
    pub async fn charge_state(&self, reference: Uuid) -> Result<ChargeBody, RequestError> {
        let found = self.0.store.find::<ChargeRow>(reference).await?;
        let charge = found.ok_or(RequestError::NotFound(NO_CHARGE_MESSAGE))?;
        Ok(charge.body)
    }

    /// Voids a charge, so that it can never be captured. A charge that is already final stays as it
    /// is.
    pub async fn void(&self, reference: Uuid) -> Result<ChargeBody, RequestError> {
        if let Some(voided) = self.0.store.void_charge(reference).await? {
            self.0.events.notify_one();
            return Ok(voided.body);
        }
        // Then the charge exists and is final.
        let existing: ChargeRow = self.existing(reference).await?;
        Ok(existing.body)
    }

    /// Refunds part of a charge, or returns the existing refund with that reference.
    pub async fn refund(
        &self,
        request: RefundRequestBody,
    ) -> Result<ChargeResponse<RefundBody>, RequestError> {
        check_amount(request.amount_cents)?;
        let store = &self.0.store;
        let charge: Option<ChargeRow> = store.find(request.charge_reference).await?;
        let behaviour = charge
            .ok_or(RequestError::NotFound(NO_CHARGE_MESSAGE))?
            .behaviour;
        let refund = NewRefund {
            reference: request.reference,
            charge: request.charge_reference,
            amount_cents: request.amount_cents,
            settles_in: self.0.latency,
            schedule: behaviour.refund_schedule(),
        };
        if let Some(inserted) = store.insert_refund(refund).await? {
            self.0.events.notify_one();
            let refund = self.settled(inserted).await?;
            return Ok(match behaviour.loses_refund_response() {
                true => ChargeResponse::Lost,
                false => ChargeResponse::Answered(refund.body),
            });
        }
        let found: Option<RefundRow> = store.find(request.reference).await?;
        let existing = found.ok_or(RequestError::Invalid(TOO_MUCH_MESSAGE))?;
        if existing.charge != request.charge_reference
            || existing.body.amount_cents != request.amount_cents
        {
            return Err(RequestError::Conflict(OTHER_REFUND_MESSAGE));
        }
        Ok(ChargeResponse::Answered(self.settled(existing).await?.body))
    }

    /// Sends all further webhooks to `url`, including those whose delivery failed at an earlier
    /// URL.
    pub async fn send_webhooks_to(&self, url: Url) -> Result<(), RequestError> {
        self.0.webhook_url.send_replace(Some(url));
        self.0.store.retry_events_now().await?;
        self.0.events.notify_one();
        Ok(())
    }

    async fn existing<M: MoneyMovement>(&self, reference: Uuid) -> Result<M, StoreError> {
        let found = self.0.store.find(reference).await?;
        found.ok_or(StoreError::Unreadable("row that existed before"))
    }

    /// Waits until the charge or refund is final, or until the response deadline, and returns it.
    async fn settled<M: MoneyMovement>(&self, mut movement: M) -> Result<M, StoreError> {
        let deadline = ResponseDeadline::new(self);
        while movement.is_processing() && deadline.wait(movement.settles_in()).await {
            let reference = movement.reference();
            movement = match self.0.store.settle(reference).await? {
                Some(settled) => settled,
                None => self.existing(reference).await?,
            };
            self.0.events.notify_one();
        }
        Ok(movement)
    }
}

fn check_amount(cents: i64) -> Result<(), RequestError> {
    if (1..=AMOUNT_CENTS_MAX).contains(&cents) {
        Ok(())
    } else {
        Err(RequestError::Invalid(AMOUNT_MESSAGE))
    }
}

/// Limits how long a request waits for its settlement.
struct ResponseDeadline<'a> {
    provider: &'a Provider,
    until: Instant,
}

impl<'a> ResponseDeadline<'a> {
    fn new(provider: &'a Provider) -> Self {
        Self {
            provider,
            until: Instant::now() + RESPONSE_DELAY_MAX,
        }
    }

    /// Waits for `pause`, within limits. Returns `false` once the deadline has passed or the
    /// provider stops.
    async fn wait(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.provider.0.stop.cancelled() => false,
            () = tokio::time::sleep(pause.clamp(PAUSE_MIN, PAUSE_MAX)) => Instant::now() < self.until,
        }
    }
}
