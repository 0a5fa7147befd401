//! A payment provider that settles charges at once, by their card, and sends webhooks only when the
//! test asks for them. The simulated provider does both after a delay.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use doorbuster::payment::{
    gateway::{
        Charge, ChargeReport, ChargeState, GatewayError, PaymentGateway, ProviderEvent,
        RefundRequest, RefundState,
    },
    provider::test_cards,
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::action::Card;

/// A card number that makes this provider unreachable; no test card does so.
const UNREACHABLE: &str = "6011000990139424";

impl Card {
    pub fn number(self) -> &'static str {
        match self {
            Self::Good => test_cards::CAPTURED,
            Self::Declined => test_cards::DECLINED,
            Self::AnswerLost => test_cards::ANSWER_LOST,
            Self::AnswerAndWebhookLost => test_cards::ANSWER_LOST_WITHOUT_WEBHOOK,
            Self::RequestLost => test_cards::REQUEST_LOST,
            Self::Slow => test_cards::SLOW,
            Self::RefundAnswerLost => test_cards::REFUND_ANSWER_LOST,
            Self::ProviderUnavailable => UNREACHABLE,
        }
    }
}

#[derive(Debug, Default)]
pub struct Provider {
    ledger: Mutex<Ledger>,
    /// Signals a charge whose shopper gets no response.
    pub unanswered: Notify,
}

#[derive(Debug, Default)]
struct Ledger {
    charges: HashMap<Uuid, ChargeRecord>,
    /// The only charge whose state may be queried. The shop's own queries about other charges come
    /// at the wrong moment and get no response.
    queryable: Option<Uuid>,
}

#[derive(Debug)]
struct ChargeRecord {
    state: ChargeState,
    cents: i64,
    card: String,
    refunds: Vec<(Uuid, i64)>,
}

fn lost<T>() -> Result<T, GatewayError> {
    Err(GatewayError::Unknown("lost".to_owned()))
}

impl Provider {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn allow_query_about(&self, charge: Option<Uuid>) {
        self.ledger().queryable = charge;
    }

    /// Captures a slow charge.
    pub fn end_slow(&self, charge: Uuid) {
        if let Some(known) = self.ledger().charges.get_mut(&charge)
            && known.state == ChargeState::Processing
        {
            known.state = ChargeState::Captured;
        }
    }

    /// Returns the captured cents and the refunded cents.
    pub fn cents(&self, charge: Uuid) -> (i64, i64) {
        let ledger = self.ledger();
        let Some(known) = ledger.charges.get(&charge) else {
            return (0, 0);
        };
        let taken = match known.state {
            ChargeState::Captured => known.cents,
            _ => 0,
        };
        (taken, known.refunds.iter().map(|(_, cents)| cents).sum())
    }

    /// Returns the webhook event of a charge, or of one of its refunds, if there is one.
    pub fn event(&self, charge: Uuid, refund: Option<usize>) -> Option<ProviderEvent> {
        let ledger = self.ledger();
        let known = ledger.charges.get(&charge)?;
        let is_silent = known.card == test_cards::ANSWER_LOST_WITHOUT_WEBHOOK;
        if refund.is_none() && (is_silent || known.state == ChargeState::Processing) {
            return None;
        }
        let refund = match refund {
            None => None,
            Some(index) => Some(known.refunds.get(index)?.0),
        };
        Some(ProviderEvent {
            event_id: format!("{charge}-{refund:?}"),
            kind: "test".to_owned(),
            charge,
            charge_state: known.state.clone(),
            captured: None,
            refund: refund.map(|refund| (refund, RefundState::Succeeded)),
            refund_cents: None,
        })
    }
}

#[async_trait]
impl PaymentGateway for Provider {
    async fn charge(&self, charge: &Charge) -> Result<ChargeReport, GatewayError> {
        let card = charge.card.number.as_str();
        if card == UNREACHABLE {
            return Err(GatewayError::NotSent("away".to_owned()));
        }
        if card == test_cards::REQUEST_LOST {
            self.unanswered.notify_one();
            return lost();
        }
        let state = match card {
            test_cards::DECLINED => ChargeState::Declined {
                reason: "The card was declined.".to_owned(),
            },
            test_cards::SLOW => ChargeState::Processing,
            _ => ChargeState::Captured,
        };
        let known = ChargeRecord {
            state: state.clone(),
            cents: charge.amount.cents,
            card: card.to_owned(),
            refunds: Vec::new(),
        };
        let earlier = self.ledger().charges.insert(charge.reference, known);
        assert!(earlier.is_none(), "a reference is charged once");
        match card {
            test_cards::ANSWER_LOST | test_cards::ANSWER_LOST_WITHOUT_WEBHOOK => {
                self.unanswered.notify_one();
                lost()
            }
            test_cards::SLOW => {
                self.unanswered.notify_one();
                Ok(state.into())
            }
            _ => Ok(state.into()),
        }
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeReport>, GatewayError> {
        let ledger = self.ledger();
        if ledger.queryable != Some(reference) {
            return lost();
        }
        Ok(ledger
            .charges
            .get(&reference)
            .map(|known| known.state.clone().into()))
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeReport, GatewayError> {
        let mut ledger = self.ledger();
        if ledger.queryable != Some(reference) {
            return lost();
        }
        let known = ledger
            .charges
            .entry(reference)
            .or_insert_with(|| ChargeRecord {
                state: ChargeState::Voided,
                cents: 0,
                card: String::new(),
                refunds: Vec::new(),
            });
        if known.state == ChargeState::Processing {
            known.state = ChargeState::Voided;
        }
        Ok(known.state.clone().into())
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        let mut ledger = self.ledger();
        let known = ledger.charges.get_mut(&refund.charge);
        let known = known.expect("a refunded charge was captured");
        let earlier = known
            .refunds
            .iter()
            .find(|(known, _)| *known == refund.reference);
        if let Some((_, cents)) = earlier {
            assert_eq!(*cents, refund.amount.cents, "a refund keeps its amount");
            return Ok(RefundState::Succeeded);
        }
        known.refunds.push((refund.reference, refund.amount.cents));
        let back: i64 = known.refunds.iter().map(|(_, cents)| cents).sum();
        assert!(back <= known.cents, "refunds do not exceed the charge");
        if known.card == test_cards::REFUND_ANSWER_LOST {
            return lost();
        }
        Ok(RefundState::Succeeded)
    }
}
