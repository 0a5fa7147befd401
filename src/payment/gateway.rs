//! The interface between the shop and a payment provider. The response to any call may be lost, so
//! the caller chooses a reference for each charge and refund: the provider never executes the same
//! reference twice, and the caller can query it.

mod guarded;
mod http;

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    model::{Money, PaymentCard},
    resilience::Breaker,
};

pub use guarded::GuardedGateway;
pub use http::{GatewayAddress, HttpGateway};

/// A payment provider, as the shop sees it.
#[async_trait]
pub trait PaymentGateway: Send + Sync + fmt::Debug {
    /// Authorises and captures in one call. A repeated call with the same reference returns the
    /// result of the first.
    ///
    /// # Errors
    /// [`GatewayError::NotSent`] if the card cannot have been charged; [`GatewayError::Unknown`] if
    /// it may have been; [`GatewayError::Refused`] if the provider rejected the request.
    async fn charge(&self, charge: &Charge) -> Result<ChargeReport, GatewayError>;

    /// Returns what is known about a charge, or `None` if no charge with this reference has
    /// arrived.
    ///
    /// # Errors
    /// As [`PaymentGateway::charge`].
    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeReport>, GatewayError>;

    /// Voids a charge that has not been captured, also one whose request has not arrived yet, so
    /// that it can never be captured. Returns [`ChargeState::Voided`], or the final state that the
    /// charge had reached before.
    ///
    /// # Errors
    /// As [`PaymentGateway::charge`].
    async fn void(&self, reference: Uuid) -> Result<ChargeReport, GatewayError>;

    /// Refunds part of a captured charge. A repeated call with the same reference returns the
    /// result of the first.
    ///
    /// # Errors
    /// As [`PaymentGateway::charge`]; [`GatewayError::Refused`] if the refund exceeds the captured
    /// amount.
    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError>;

    /// Fails if the provider is known to be unavailable: an order that cannot be paid is not begun.
    ///
    /// # Errors
    /// [`GatewayError::NotSent`] while calls are refused.
    async fn check(&self) -> Result<(), GatewayError> {
        Ok(())
    }

    /// The breaker of the calls, if there is one.
    fn breaker(&self) -> Option<&Breaker> {
        None
    }
}

/// A charge to make.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Unique for each payment attempt.
    pub reference: Uuid,
    pub amount: Money,
    pub card: PaymentCard,
}

/// A refund to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// Unique for each refund.
    pub reference: Uuid,
    /// The reference of the charge to refund.
    pub charge: Uuid,
    pub amount: Money,
}

/// The state of a charge. All states except [`ChargeState::Processing`] are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// Neither captured nor declined yet.
    Processing,
    /// The card was charged.
    Captured,
    /// The card was declined.
    Declined {
        /// A message for the shopper.
        reason: String,
    },
    /// Cancelled before the card was charged.
    Voided,
}

/// What a provider reports about a charge. The shop compares the captured amount with what is due:
/// a signature proves who sent a report, not that it is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeReport {
    pub state: ChargeState,
    /// The captured amount. `None` if nothing is captured, and from a gateway without a provider,
    /// which always captures what it was asked for.
    pub captured: Option<ReportedAmount>,
}

impl From<ChargeState> for ChargeReport {
    fn from(state: ChargeState) -> Self {
        Self {
            state,
            captured: None,
        }
    }
}

/// An amount as a provider reports it, in any currency and with any sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedAmount {
    pub cents: i64,
    /// At most [`ReportedAmount::CURRENCY_LEN_MAX`] ASCII characters.
    pub currency: String,
}

impl ReportedAmount {
    /// Maximum length of a currency, in bytes.
    pub const CURRENCY_LEN_MAX: usize = 10;

    /// Creates an amount. Characters that no currency contains are replaced by question marks.
    pub fn new(cents: i64, currency: &str) -> Self {
        let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
        Self {
            cents,
            currency: currency
                .chars()
                .take(Self::CURRENCY_LEN_MAX)
                .map(plain)
                .collect(),
        }
    }
}

impl fmt::Display for ReportedAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.cents < 0 { "-" } else { "" };
        let cents = self.cents.unsigned_abs();
        let (units, hundredths) = (cents / 100, cents % 100);
        write!(f, "{sign}{units}.{hundredths:02} {}", self.currency)
    }
}

/// The state of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// Accepted, and not paid out yet.
    Processing,
    /// Paid out.
    Succeeded,
}

/// Why a call to the provider failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    #[error("could not reach the payment provider: {0}")]
    NotSent(String),
    #[error("no valid response from the payment provider; the outcome is unknown: {0}")]
    Unknown(String),
    #[error("the payment provider rejected the request: {0}")]
    Refused(String),
}

/// An event from a webhook. Events may arrive in any order. Each carries the complete state of its
/// charge at the time of the event, so a later event includes the information of all earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEvent {
    /// The provider's id of the event, by which repeated deliveries are recognised.
    pub event_id: String,
    /// The event type, for example `charge.captured`.
    pub kind: String,
    /// The charge's reference.
    pub charge: Uuid,
    pub charge_state: ChargeState,
    /// The captured amount; see [`ChargeReport::captured`].
    pub captured: Option<ReportedAmount>,
    /// The reference and state of the refund, if the event concerns one.
    pub refund: Option<(Uuid, RefundState)>,
    /// The amount of the refund, in cents.
    pub refund_cents: Option<i64>,
}
