//! A provider that does at once what its cards say, and says nothing of it until the test wants it to. The simulated provider takes its time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use doorbuster::payment::{
    gateway::{
        Charge, ChargeState, GatewayError, PaymentGateway, ProviderEvent, RefundRequest,
        RefundState,
    },
    provider::test_cards,
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::act::Card;

/// No test card stands for a provider that cannot be reached.
const AWAY: &str = "6011000990139424";

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
            Self::ProviderAway => AWAY,
        }
    }
}

#[derive(Debug, Default)]
pub struct Provider {
    books: Mutex<Books>,
    /// Somebody's card was charged, or not, and they will not hear of it now.
    pub unanswered: Notify,
}

#[derive(Debug, Default)]
struct Books {
    charges: HashMap<Uuid, Known>,
    /// The one that may be asked about. Others that a shop asks about of its own accord come at the wrong moment.
    asked_about: Option<Uuid>,
}

#[derive(Debug)]
struct Known {
    state: ChargeState,
    cents: i64,
    card: String,
    refunds: Vec<(Uuid, i64)>,
}

fn lost<T>() -> Result<T, GatewayError> {
    Err(GatewayError::Unknown("lost".to_owned()))
}

impl Provider {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn may_be_asked_about(&self, charge: Option<Uuid>) {
        self.books().asked_about = charge;
    }

    /// The money of a slow charge moves.
    pub fn end_slow(&self, charge: Uuid) {
        if let Some(known) = self.books().charges.get_mut(&charge)
            && known.state == ChargeState::Processing
        {
            known.state = ChargeState::Captured;
        }
    }

    /// Cents taken and paid back.
    pub fn cents(&self, charge: Uuid) -> (i64, i64) {
        let books = self.books();
        let Some(known) = books.charges.get(&charge) else {
            return (0, 0);
        };
        let taken = match known.state {
            ChargeState::Captured => known.cents,
            _ => 0,
        };
        (taken, known.refunds.iter().map(|(_, cents)| cents).sum())
    }

    /// What there is to tell of a charge, or of one of its refunds.
    pub fn event(&self, charge: Uuid, refund: Option<usize>) -> Option<ProviderEvent> {
        let books = self.books();
        let known = books.charges.get(&charge)?;
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
            kind: "told".to_owned(),
            charge,
            charge_state: known.state.clone(),
            refund: refund.map(|refund| (refund, RefundState::Succeeded)),
        })
    }
}

#[async_trait]
impl PaymentGateway for Provider {
    async fn charge(&self, charge: &Charge) -> Result<ChargeState, GatewayError> {
        let card = charge.card.number.as_str();
        if card == AWAY {
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
        let known = Known {
            state: state.clone(),
            cents: charge.amount.cents,
            card: card.to_owned(),
            refunds: Vec::new(),
        };
        let earlier = self.books().charges.insert(charge.reference, known);
        assert!(earlier.is_none(), "a reference is charged once");
        match card {
            test_cards::ANSWER_LOST | test_cards::ANSWER_LOST_WITHOUT_WEBHOOK => {
                self.unanswered.notify_one();
                lost()
            }
            test_cards::SLOW => {
                self.unanswered.notify_one();
                Ok(state)
            }
            _ => Ok(state),
        }
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeState>, GatewayError> {
        let books = self.books();
        if books.asked_about != Some(reference) {
            return lost();
        }
        Ok(books
            .charges
            .get(&reference)
            .map(|known| known.state.clone()))
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeState, GatewayError> {
        let mut books = self.books();
        if books.asked_about != Some(reference) {
            return lost();
        }
        let known = books.charges.entry(reference).or_insert_with(|| Known {
            state: ChargeState::Voided,
            cents: 0,
            card: String::new(),
            refunds: Vec::new(),
        });
        if known.state == ChargeState::Processing {
            known.state = ChargeState::Voided;
        }
        Ok(known.state.clone())
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        let mut books = self.books();
        let known = books.charges.get_mut(&refund.charge);
        let known = known.expect("what is paid back was taken");
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
        assert!(back <= known.cents, "no more goes back than was taken");
        if known.card == test_cards::REFUND_ANSWER_LOST {
            return lost();
        }
        Ok(RefundState::Succeeded)
    }
}
