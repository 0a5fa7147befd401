//! What the provider does when it is asked: checks the order, writes it down, and waits until the money has moved.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

use super::{
    Provider,
    refusal::Refusal,
    store::{ChargeRow, NewCharge, NewRefund, RefundRow, StoreError},
    test_cards::{Behaviour, Fate, SLOW_LATENCY, is_card_number},
};
use crate::{
    model::Money,
    payment::wire::{ChargeBody, ChargeOrder, ChargeWord, RefundBody, RefundOrder, RefundWord},
};

/// The most that can be taken at once: ten thousand millions.
const AMOUNT_CENTS_MAX: i64 = 1_000_000_000_000;
/// How long an answer is held back until it is final.
const ANSWER_HELD_MAX: Duration = Duration::from_secs(10);
/// Before it is looked again whether the money has moved.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// A charge may be voided meanwhile.
const PAUSE_MAX: Duration = Duration::from_millis(500);

const SAYS_AMOUNT: &str = "The amount is not between 1 and 1,000,000,000,000 cents.";
const SAYS_OTHER_CHARGE: &str = "This reference stands for a charge of another amount.";
const SAYS_OTHER_REFUND: &str = "This reference stands for another refund.";
const SAYS_NO_CHARGE: &str = "There is no charge under this reference.";
const SAYS_TOO_MUCH: &str =
    "No more can be paid back than was captured and has not been paid back yet.";

/// What becomes of an answer.
#[derive(Debug)]
pub enum Told<T> {
    Answered(T),
    /// The card wants the connection to break here.
    Lost,
}

impl Provider {
    /// Charges a card, or tells how the charge of that reference stands.
    pub async fn charge(&self, order: ChargeOrder) -> Result<Told<ChargeBody>, Refusal> {
        check_amount(order.amount_cents)?;
        let fate = Fate::of(&order.card, OffsetDateTime::now_utc());
        if fate.behaviour == Behaviour::RequestLost {
            return Ok(Told::Lost);
        }
        let charge = self.new_charge(order, fate);
        let (reference, amount) = (charge.reference, charge.amount);
        if let Some(made) = self.0.store.insert_charge(charge).await? {
            self.0.events.notify_one();
            let charge = self.settled_charge(made).await?;
            return Ok(match charge.behaviour.loses_charge_answer() {
                true => Told::Lost,
                false => Told::Answered(charge.body),
            });
        }
        let known = self.known_charge(reference).await?;
        if !known.is_of(amount) {
            return Err(Refusal::Conflict(SAYS_OTHER_CHARGE));
        }
        Ok(Told::Answered(self.settled_charge(known).await?.body))
    }

    fn new_charge(&self, order: ChargeOrder, fate: Fate) -> NewCharge {
        let number = order.card.number;
        NewCharge {
            reference: order.reference,
            amount: Money::new(order.amount_cents, order.currency),
            card_last4: is_card_number(&number).then(|| number[number.len() - 4..].to_owned()),
            behaviour: fate.behaviour,
            decline_reason: fate.decline_reason,
            settles_in: match fate.behaviour {
                Behaviour::Slow => SLOW_LATENCY,
                _ => self.0.latency,
            },
        }
    }

    /// How a charge stands.
    pub async fn charge_state(&self, reference: Uuid) -> Result<ChargeBody, Refusal> {
        let found = self.0.store.find_charge(reference).await?;
        let charge = found.ok_or(Refusal::Unknown(SAYS_NO_CHARGE))?;
        Ok(charge.body)
    }

    /// Sees to it that a charge which has not been captured never will be.
    pub async fn void(&self, reference: Uuid) -> Result<ChargeBody, Refusal> {
        if let Some(voided) = self.0.store.void_charge(reference).await? {
            self.0.events.notify_one();
            return Ok(voided.body);
        }
        // It is known then, and final.
        Ok(self.known_charge(reference).await?.body)
    }

    /// Pays money back, or tells how the refund of that reference stands.
    pub async fn refund(&self, order: RefundOrder) -> Result<Told<RefundBody>, Refusal> {
        check_amount(order.amount_cents)?;
        let charge = self.0.store.find_charge(order.charge_reference).await?;
        let behaviour = charge.ok_or(Refusal::Unknown(SAYS_NO_CHARGE))?.behaviour;
        let refund = NewRefund {
            reference: order.reference,
            charge: order.charge_reference,
            amount_cents: order.amount_cents,
            settles_in: self.0.latency,
            schedule: behaviour.refund_schedule(),
        };
        if let Some(made) = self.0.store.insert_refund(refund).await? {
            self.0.events.notify_one();
            let refund = self.settled_refund(made).await?;
            return Ok(match behaviour.loses_refund_answer() {
                true => Told::Lost,
                false => Told::Answered(refund.body),
            });
        }
        let found = self.0.store.find_refund(order.reference).await?;
        let known = found.ok_or(Refusal::Invalid(SAYS_TOO_MUCH))?;
        if known.charge != order.charge_reference || known.body.amount_cents != order.amount_cents {
            return Err(Refusal::Conflict(SAYS_OTHER_REFUND));
        }
        Ok(Told::Answered(self.settled_refund(known).await?.body))
    }

    /// From now on webhooks go to `url`, also those that were sent elsewhere in vain.
    pub async fn send_webhooks_to(&self, url: Url) -> Result<(), Refusal> {
        self.0.webhook_url.send_replace(Some(url));
        self.0.store.retry_events_now().await?;
        self.0.events.notify_one();
        Ok(())
    }

    async fn known_charge(&self, reference: Uuid) -> Result<ChargeRow, StoreError> {
        let found = self.0.store.find_charge(reference).await?;
        found.ok_or(StoreError::Unreadable("charge that was there before"))
    }

    /// The charge once it is final, or as it is when nobody can wait any longer.
    async fn settled_charge(&self, mut charge: ChargeRow) -> Result<ChargeRow, StoreError> {
        let patience = Patience::new(self);
        while charge.body.state == ChargeWord::Processing && patience.lasts(charge.settles_in).await
        {
            let reference = charge.body.reference;
            charge = match self.0.store.settle_charge(reference).await? {
                Some(settled) => settled,
                None => self.known_charge(reference).await?,
            };
            self.0.events.notify_one();
        }
        Ok(charge)
    }

    /// As [`Provider::settled_charge`].
    async fn settled_refund(&self, mut refund: RefundRow) -> Result<RefundRow, StoreError> {
        let patience = Patience::new(self);
        while refund.body.state == RefundWord::Processing && patience.lasts(refund.settles_in).await
        {
            let reference = refund.body.reference;
            let store = &self.0.store;
            refund = match store.settle_refund(reference).await? {
                Some(settled) => settled,
                None => (store.find_refund(reference).await?)
                    .ok_or(StoreError::Unreadable("refund that was there before"))?,
            };
            self.0.events.notify_one();
        }
        Ok(refund)
    }
}

fn check_amount(cents: i64) -> Result<(), Refusal> {
    if (1..=AMOUNT_CENTS_MAX).contains(&cents) {
        Ok(())
    } else {
        Err(Refusal::Invalid(SAYS_AMOUNT))
    }
}

/// How long a request still waits for its money.
struct Patience<'a> {
    provider: &'a Provider,
    until: Instant,
}

impl<'a> Patience<'a> {
    fn new(provider: &'a Provider) -> Self {
        Self {
            provider,
            until: Instant::now() + ANSWER_HELD_MAX,
        }
    }

    /// Pauses, for `pause` at the most; false once it can be waited no longer, or the provider is to stop.
    async fn lasts(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.provider.0.stop.cancelled() => false,
            () = tokio::time::sleep(pause.clamp(PAUSE_MIN, PAUSE_MAX)) => Instant::now() < self.until,
        }
    }
}
