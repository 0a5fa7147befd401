//! What goes over the line between shop and provider, as JSON.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::gateway::{Charge, ChargeState, RefundRequest, RefundState};
use crate::model::Currency;

/// `POST /v1/charges`. It has no `Debug`: a card is kept nowhere, also in no log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeOrder {
    pub reference: Uuid,
    pub amount_cents: i64,
    pub currency: Currency,
    pub card: CardBody,
}

/// A card as typed.
#[derive(Serialize, Deserialize)]
pub struct CardBody {
    /// Digits alone.
    pub number: String,
    /// As in `12/30`.
    pub expiry: String,
    pub cvc: String,
}

/// `POST /v1/refunds`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundOrder {
    pub reference: Uuid,
    pub charge_reference: Uuid,
    pub amount_cents: i64,
}

/// `POST /v1/webhook-url`.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhookOrder {
    pub url: String,
}

/// A charge, in answers and in events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeBody {
    pub reference: Uuid,
    pub state: ChargeWord,
    /// `None` for a charge that was voided before it arrived.
    pub amount_cents: Option<i64>,
    /// As the amount.
    pub currency: Option<Currency>,
    /// Set if and only if the charge is declined.
    pub decline_reason: Option<String>,
}

/// A refund, in answers and in events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundBody {
    pub reference: Uuid,
    pub state: RefundWord,
    pub amount_cents: i64,
}

/// How a charge stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChargeWord {
    Processing,
    Captured,
    Declined,
    Voided,
}

/// How a refund stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundWord {
    Processing,
    Succeeded,
}

/// Why a request was not carried out.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemBody {
    /// A sentence.
    pub error: String,
}

/// `GET /healthz`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthBody {
    /// [`SERVICE`].
    pub service: String,
}

/// What the provider calls itself.
pub const SERVICE: &str = "doorbuster-provider";

impl From<&Charge> for ChargeOrder {
    fn from(charge: &Charge) -> Self {
        Self {
            reference: charge.reference,
            amount_cents: charge.amount.cents,
            currency: charge.amount.currency,
            card: CardBody {
                number: charge.card.number.clone(),
                expiry: charge.card.expiry.clone(),
                cvc: charge.card.cvc.clone(),
            },
        }
    }
}

impl From<&RefundRequest> for RefundOrder {
    fn from(refund: &RefundRequest) -> Self {
        Self {
            reference: refund.reference,
            charge_reference: refund.charge,
            amount_cents: refund.amount.cents,
        }
    }
}

impl From<ChargeBody> for ChargeState {
    fn from(charge: ChargeBody) -> Self {
        match charge.state {
            ChargeWord::Processing => Self::Processing,
            ChargeWord::Captured => Self::Captured,
            ChargeWord::Declined => Self::Declined {
                reason: charge
                    .decline_reason
                    .unwrap_or_else(|| "The card was declined.".to_owned()),
            },
            ChargeWord::Voided => Self::Voided,
        }
    }
}

impl From<RefundWord> for RefundState {
    fn from(state: RefundWord) -> Self {
        match state {
            RefundWord::Processing => Self::Processing,
            RefundWord::Succeeded => Self::Succeeded,
        }
    }
}

impl ChargeWord {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Voided => "voided",
        }
    }

    /// The reverse of [`ChargeWord::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Processing,
            Self::Captured,
            Self::Declined,
            Self::Voided,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }
}

impl RefundWord {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
        }
    }

    /// The reverse of [`RefundWord::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Processing, Self::Succeeded]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}
