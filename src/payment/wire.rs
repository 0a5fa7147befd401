//! The JSON bodies exchanged between shop and provider.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::gateway::{
    Charge, ChargeReport, ChargeState, RefundRequest, RefundState, ReportedAmount,
};
use crate::model::Currency;

/// The body of `POST /v1/charges`. It has no `Debug`: card data must not reach any log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeRequestBody {
    pub reference: Uuid,
    pub amount_cents: i64,
    pub currency: Currency,
    pub card: CardBody,
}

/// Card data as the shopper entered it.
#[derive(Serialize, Deserialize)]
pub struct CardBody {
    /// Digits only.
    pub number: String,
    /// For example `12/30`.
    pub expiry: String,
    pub cvc: String,
}

/// The body of `POST /v1/refunds`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundRequestBody {
    pub reference: Uuid,
    pub charge_reference: Uuid,
    pub amount_cents: i64,
}

/// The body of `POST /v1/webhook-url`.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhookUrlBody {
    pub url: String,
}

/// A charge in responses and events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Charge)]
pub struct ChargeBody {
    #[schema(value_type = String, format = "uuid")]
    pub reference: Uuid,
    pub state: ChargeStateBody,
    /// `None` for a charge that was voided before it arrived.
    pub amount_cents: Option<i64>,
    /// `None` if the amount is. Any text: a currency that the shop does not know must reach the
    /// comparison with what is due.
    pub currency: Option<String>,
    /// Set if and only if the charge is declined.
    pub decline_reason: Option<String>,
}

/// A refund in responses and events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refund)]
pub struct RefundBody {
    #[schema(value_type = String, format = "uuid")]
    pub reference: Uuid,
    pub state: RefundStateBody,
    pub amount_cents: i64,
}

/// The state of a charge in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ChargeState)]
pub enum ChargeStateBody {
    Processing,
    Captured,
    Declined,
    Voided,
}

/// The state of a refund in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RefundState)]
pub enum RefundStateBody {
    Processing,
    Succeeded,
}

/// Why a request was not carried out.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemBody {
    /// A message for a person.
    pub error: String,
}

/// The body of the response to `GET /healthz`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthBody {
    /// [`SERVICE`].
    pub service: String,
}

/// The service name that identifies the provider.
pub const SERVICE: &str = "doorbuster-provider";

impl From<&Charge> for ChargeRequestBody {
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

impl From<&RefundRequest> for RefundRequestBody {
    fn from(refund: &RefundRequest) -> Self {
        Self {
            reference: refund.reference,
            charge_reference: refund.charge,
            amount_cents: refund.amount.cents,
        }
    }
}

/// A charge is reported as captured without its amount or its currency.
#[derive(Debug, thiserror::Error)]
#[error("the charge is captured, but its amount or its currency is missing")]
pub struct AmountMissing;

impl TryFrom<ChargeBody> for ChargeReport {
    type Error = AmountMissing;

    fn try_from(charge: ChargeBody) -> Result<Self, AmountMissing> {
        Ok(match charge.state {
            ChargeStateBody::Processing => ChargeState::Processing.into(),
            ChargeStateBody::Voided => ChargeState::Voided.into(),
            ChargeStateBody::Declined => {
                let reason = charge
                    .decline_reason
                    .unwrap_or_else(|| "The card was declined.".to_owned());
                ChargeState::Declined { reason }.into()
            }
            ChargeStateBody::Captured => {
                let (Some(cents), Some(currency)) = (charge.amount_cents, charge.currency) else {
                    return Err(AmountMissing);
                };
                Self {
                    state: ChargeState::Captured,
                    captured: Some(ReportedAmount::new(cents, &currency)),
                }
            }
        })
    }
}

impl From<RefundStateBody> for RefundState {
    fn from(state: RefundStateBody) -> Self {
        match state {
            RefundStateBody::Processing => Self::Processing,
            RefundStateBody::Succeeded => Self::Succeeded,
        }
    }
}

impl ChargeStateBody {
    /// The text that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Voided => "voided",
        }
    }

    /// The reverse of [`ChargeStateBody::as_str`].
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

impl RefundStateBody {
    /// The text that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
        }
    }

    /// The reverse of [`RefundStateBody::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Processing, Self::Succeeded]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}
